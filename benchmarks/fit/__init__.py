"""Fit a mixture to a user's own data: search, choose, and report with warnings."""
