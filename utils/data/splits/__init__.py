"""Which photos train, validate and test: the names of splits, and the making of new ones."""
