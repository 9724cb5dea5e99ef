"""Other libraries' methods behind the same contract, scored as the project's own are."""
