"""A fit of a user's own data: read, search, answer, and the page that tells it."""
