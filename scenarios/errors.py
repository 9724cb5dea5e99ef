"""The error that a user sees as a sentence instead of a traceback."""


class UserError(ValueError):
    """A user's input can't be used; the message names the value, the rule and the remedy."""
