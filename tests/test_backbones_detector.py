"""A detector on one backbone of each family; ``bench.backbone_detectors`` takes all of them."""

import pytest
from detector_check import check_detector

FAMILIES = [
    "efficientnet_lite0",
    pytest.param("efficientnet_b0", marks=pytest.mark.slow),
    "efficientnetv2_b0",
    "mobilenet_v3_small",
]


@pytest.mark.parametrize("name", FAMILIES)
def test_detector(name, tmp_path):
    check_detector(name, tmp_path)
