"""EfficientNet-Lite0 with its bundled weights knows what real photographs show."""

import numpy as np
import pytest
from photos import PHOTOS, centre_crop

from nets.backbones import BACKBONES, build_classifier


@pytest.fixture(scope="module")
def lite0():
    return build_classifier("efficientnet_lite0", weights="imagenet")


@pytest.mark.parametrize("photo", PHOTOS, ids=lambda photo: photo.shows)
def test_photo_is_named_first_or_second(photo, lite0):
    path = photo.path()
    if path is None:
        pytest.skip(f"{photo.package} is not installed")
    image = centre_crop(path, BACKBONES["efficientnet_lite0"].resolution)
    logits = np.asarray(lite0(image[None], training=False))[0]
    best = np.argsort(-logits)[:2]
    assert photo.imagenet in best
