"""Pages: figures, and one template."""
