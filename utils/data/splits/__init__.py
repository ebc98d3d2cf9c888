"""Which photos train, validate and test: the names of splits, and new stratified splits."""
