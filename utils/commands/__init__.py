"""Commands beside the four at the top level: ``python -m utils.commands.NAME --help``."""
