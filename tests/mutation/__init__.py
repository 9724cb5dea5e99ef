"""Mutation testing: defects planted one at a time, each of which a test must notice."""
