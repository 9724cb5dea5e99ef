"""The figures of a run's page: one module each, found by discovery."""
