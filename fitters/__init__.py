"""How it is fitted: interchangeable fitters behind one contract, and where they start."""

CONTRACT = 2
"""The version of the contract in ``fitters.base``; runs of different contracts don't compare."""
