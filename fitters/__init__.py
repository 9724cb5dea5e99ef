"""Interchangeable fitters behind one contract, and the start policies."""

CONTRACT = 2
"""The version of the contract in ``fitters.base``; runs of different contracts don't compare."""
