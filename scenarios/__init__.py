"""Families, mixtures, samples and the catalogue of scenarios.

This package imports nothing else of the project: fitters and references are each built on it,
independently of one another.
"""
