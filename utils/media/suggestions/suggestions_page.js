// Nothing but what base.js does.
