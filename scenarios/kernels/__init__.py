"""Passes over the rows of a sample: in numpy, which is the reference, and compiled by numba.

``numpy_passes`` works for every family. The compiled functions are for exponential families with
two statistics: the sums of an E-step for all of them; likelihoods, Hessians and whole rounds of EM
and Newton's method for families with a ``code``. A module here imports numba unless it is one of
these: ``loading`` says which functions are compiled, and imports the others when it needs them.
"""
