"""The regression gate: has a change made a fitter worse? Two runs' facts in, a verdict out."""

ALPHA = 0.01
"""The chance of a false alarm, over all metrics of a comparison together."""
