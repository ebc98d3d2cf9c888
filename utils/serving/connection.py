"""``TimedConnection``: ends connections on which no request arrives in time, and damaged ones.

uvicorn waits without end for the headers of a request, so that a few slow clients could take all
connections.
"""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


class TimedConnection(H11Protocol):
    """A connection of HTTP/1.1."""

    head_seconds = 10.0

    @classmethod
    def within(cls, seconds: float) -> type[TimedConnection]:
        """Such a connection, with its own time for the headers of a request to arrive."""
        return type(cls.__name__, (cls,), {"head_seconds": seconds})

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, and end the connection.

        A request before the damage may be answered already, or be in work. It gets no answer any
        more; uvicorn would fail in the attempt.
        """
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        try:
            super().send_400_response(msg)
        except h11.LocalProtocolError:  # an answer is under way
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._stop()
        super().connection_lost(error)

    def _unfinished(self) -> bool:
        """Whether headers are still to come, or a body that was answered before its end."""
        theirs, ours = self.conn.their_state, self.conn.our_state
        return theirs is h11.IDLE or (theirs is h11.SEND_BODY and ours is h11.DONE)

    def _watch(self) -> None:
        if not self._unfinished():
            self._stop()
        elif self._timer is None:
            self._timer = self.loop.call_later(self.head_seconds, self._end)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end(self) -> None:
        self._timer = None
        if self._unfinished() and not self.transport.is_closing():
            self.transport.close()
