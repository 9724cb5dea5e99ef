"""The one error that reaches a user as a sentence instead of a traceback."""


class UserError(ValueError):
    """What the user gave can't be used; the message names the value, the rule and the remedy."""
