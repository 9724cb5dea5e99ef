"""What is fitted: families, mixtures, samples and the catalogue of scenarios.

This package imports nothing else of the project, so that the code under test and the
yardstick can each stand on it without meeting.
"""
