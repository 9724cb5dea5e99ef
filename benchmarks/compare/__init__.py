"""Compare two runs: from the facts of both to a verdict on regressions."""

ALPHA = 0.01
"""The probability of a false alarm, over all that a comparison decides together."""
