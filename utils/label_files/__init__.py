"""Writing label files: the formats of people's other tools."""
