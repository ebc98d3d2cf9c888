"""What ``export.py`` does: its options, the conversion, and the check of what came out."""
