"""The report of a run: figures, tables and the formats that show them."""
