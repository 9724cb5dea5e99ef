"""Other people's fitters behind the same contract, so that the same yardstick judges them."""
