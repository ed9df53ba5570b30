"""Floor 0: errors that a user can cause. Their texts are shown alone, in one line."""


class UsageError(ValueError):
    """What was asked for cannot be done; the message says what was wanted and what came."""


class FileError(UsageError):
    """A file that is not what it should be; the message names it."""
