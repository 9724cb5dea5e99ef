"""Facts (plan, run, journal) and, apart from them, judgement (judge, judgement, metrics)."""

SCHEMA = 3
"""The version of ``run.json`` and of the records in ``trials.jsonl``."""

CONTRACT = 1
"""The ``fitters.CONTRACT`` that the harness speaks: asv skips commits of any other."""
