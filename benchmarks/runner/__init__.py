"""Run plans and record facts: what each trial did. Scores are computed later, by ``scoring``."""

SCHEMA = 5
"""The version of ``run.json`` and of the records in ``trials.jsonl``."""

CONTRACT = 2
"""The ``fitters.CONTRACT`` that the runner can use; asv skips commits of any other."""
