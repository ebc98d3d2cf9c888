"""What a detector on each backbone costs. Written by ``python -m bench.backbone_costs``."""

MACHINE = ""
DETECTORS = {}
