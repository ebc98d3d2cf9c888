"""The same picture under two names: hashes, near-duplicates, and groups that stay together."""
