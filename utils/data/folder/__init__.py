"""A data folder: its files, the index of them, and the tables and the cache of the index."""
