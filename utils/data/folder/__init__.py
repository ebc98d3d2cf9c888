"""A data folder: its files, its index, the tables and the cache that keep it small and quick."""
