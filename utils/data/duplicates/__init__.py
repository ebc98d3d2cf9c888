"""The same picture under two names: fingerprints, and groups of photos that share one."""
