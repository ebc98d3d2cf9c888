"""The backbones with bundled weights name what real photographs show.

The photographs lie in Python packages. None is copied here: a package is found without being
imported, and the photos of one that is not installed are skipped.
"""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nets.backbones import BACKBONES, build_classifier
from nets.backbones.official import BUNDLED


@dataclass(frozen=True)
class Photo:
    package: str
    file: str  # below the package's folder
    shows: str
    imagenet: int  # that class, of 1000

    def path(self) -> Path | None:
        spec = find_spec(self.package)
        path = Path(spec.origin).parent / self.file if spec and spec.origin else None
        return path if path and path.is_file() else None


PHOTOS = [
    Photo("skimage", "data/chelsea.png", "Egyptian cat", 285),
    Photo("skimage", "data/coffee.png", "espresso", 967),
    Photo("skimage", "data/rocket.jpg", "missile", 657),
    Photo("sklearn", "datasets/images/china.jpg", "palace", 698),
    Photo("matplotlib", "mpl-data/sample_data/grace_hopper.jpg", "military uniform", 652),
]


def centre_crop(path: Path, side: int) -> np.ndarray:
    """The middle square of a photo, its shorter side scaled to ``side``: RGB (side, side, 3)."""
    with Image.open(path) as file:
        photo = file.convert("RGB")
    scale = side / min(photo.size)
    width, height = (round(length * scale) for length in photo.size)
    x, y = (width - side) // 2, (height - side) // 2
    photo = photo.resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(photo.crop((x, y, x + side, y + side)), np.float32)


@pytest.fixture(scope="module", params=BUNDLED)
def classifier(request):
    return request.param, build_classifier(request.param, weights="imagenet")


@pytest.mark.parametrize("photo", PHOTOS, ids=lambda photo: photo.shows)
def test_photo_is_named_first_or_second(photo, classifier):
    name, network = classifier
    path = photo.path()
    if path is None:
        pytest.skip(f"{photo.package} is not installed")
    image = centre_crop(path, BACKBONES[name].resolution)
    logits = np.asarray(network(image[None], training=False))[0]
    best = np.argsort(-logits)[:2]
    assert photo.imagenet in best
