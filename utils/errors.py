"""The exception that means "the user can fix this": commands print it and exit with 2."""


class UserError(Exception):
    """Bad input or usage.

    The message is one or two plain sentences: what is wrong, in which file, and what to do.
    Commands print it on stderr without a traceback and exit with status 2.
    """


class UnreadableFileError(UserError):
    """A file is damaged, or of another program: only another file helps."""


class UnwritableError(UserError):
    """One picture or video cannot be written as it is, on whatever disk; others can."""
