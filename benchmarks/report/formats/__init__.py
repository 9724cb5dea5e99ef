"""The formats of a report: one module each, found by discovery."""
