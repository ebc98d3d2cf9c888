"""Commands beside the three at the top level: ``python -m utils.commands.NAME --help``."""
