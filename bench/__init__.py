"""What reproduces a figure of the documentation, and what made the files in ``model_data``."""
