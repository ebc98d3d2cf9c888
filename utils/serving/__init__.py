"""A page and an HTTP endpoint for a detector; see ``utils.serving.serve``."""
