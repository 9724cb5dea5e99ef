"""The regression gate: has a change made a fitter worse? Two runs' facts in, a verdict out."""
