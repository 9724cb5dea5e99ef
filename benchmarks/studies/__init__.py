"""Studies of the methods and of the project itself: ``python -m benchmarks.studies --help``."""
