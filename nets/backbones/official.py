"""Where the published ImageNet weights come from: the bundle, or Keras' own storage by checksum.

The Keras files are those that keras.applications downloads, cached where Keras caches them
(``~/.keras/models``); a test compares addresses and checksums with the installed Keras.
"""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import keras

_MODEL_DATA = Path(__file__).resolve().parents[2] / "model_data"
BUNDLED = {
    name: _MODEL_DATA / f"{name}_imagenet.npz"
    for name in ("efficientnet_lite0", "efficientnet_lite2")
}

_B = "https://storage.googleapis.com/keras-applications/efficientnet{}"
_V2 = (
    "https://storage.googleapis.com/tensorflow/keras-applications/efficientnet_v2/efficientnetv2-{}"
)
_V3 = (
    "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v3/"
    "weights_mobilenet_v3_{}_224_1.0_float"
)
KERAS_FILES = {
    # name: address without its ending, MD5 of the whole classifier, MD5 of the one without top
    "efficientnet_b0": (
        _B.format("b0"),
        "902e53a9f72be733fc0bcb005b3ebbac",
        "50bc09e76180e00e4465e1a485ddc09d",
    ),
    "efficientnet_b1": (
        _B.format("b1"),
        "1d254153d4ab51201f1646940f018540",
        "74c4e6b3e1f6a1eea24c589628592432",
    ),
    "efficientnet_b2": (
        _B.format("b2"),
        "b15cce36ff4dcbd00b6dd88e7857a6ad",
        "111f8e2ac8aa800a7a99e3239f7bfb39",
    ),
    "efficientnet_b3": (
        _B.format("b3"),
        "ffd1fdc53d0ce67064dc6a9c7960ede0",
        "af6d107764bb5b1abb91932881670226",
    ),
    "efficientnet_b4": (
        _B.format("b4"),
        "18c95ad55216b8f92d7e70b3a046e2fc",
        "ebc24e6d6c33eaebbd558eafbeedf1ba",
    ),
    "efficientnet_b5": (
        _B.format("b5"),
        "ace28f2a6363774853a83a0b21b9421a",
        "38879255a25d3c92d5e44e04ae6cec6f",
    ),
    "efficientnet_b6": (
        _B.format("b6"),
        "165f6e37dce68623721b423839de8be5",
        "9ecce42647a20130c1f39a5d4cb75743",
    ),
    "efficientnet_b7": (
        _B.format("b7"),
        "8c03f828fec3ef71311cd463b6759d99",
        "cbcfe4450ddf6f3ad90b1b398090fe4a",
    ),
    "efficientnetv2_b0": (
        _V2.format("b0"),
        "21ecbf6da12460d5c40bb2f29ceb2188",
        "893217f2bb855e2983157299931e43ff",
    ),
    "efficientnetv2_b1": (
        _V2.format("b1"),
        "069f0534ff22adf035c89e2d9547a9dc",
        "0e80663031ca32d657f9caa404b6ec37",
    ),
    "efficientnetv2_b2": (
        _V2.format("b2"),
        "424e49f28180edbde1e94797771950a7",
        "1dfe2e7a5d45b6632553a8961ea609eb",
    ),
    "efficientnetv2_b3": (
        _V2.format("b3"),
        "1f1fc43bd98a6e4fd8fdfd551e02c7a0",
        "f6abf7b5849ac99a89b50dd3fd532856",
    ),
    "efficientnetv2_s": (
        _V2.format("s"),
        "e1d88a8495beba45748fedd0cecbe016",
        "af0682fb74e8c54910f2d4393339c070",
    ),
    "efficientnetv2_m": (
        _V2.format("m"),
        "a3bf6aa3276309f4fc6a34aa114c95cd",
        "1b8dc055df72dde80d614482840fe342",
    ),
    "efficientnetv2_l": (
        _V2.format("l"),
        "27e6d408b53c7ebc868fefa357689935",
        "b0b66b5c863aef5b46e8608fe1711615",
    ),
    "mobilenet_v3_large": (
        _V3.format("large"),
        "59e551e166be033d707958cf9e29a6a7",
        "07fb09a5933dd0c8eaafa16978110389",
    ),
    "mobilenet_v3_small": (
        _V3.format("small"),
        "8768d4c2e7dee89b9d02b2d03d65d862",
        "d3e8ec802a04aa4fc771ee12a9a9b836",
    ),
}
TIMEOUT = 60  # seconds without a byte before a download counts as failed


class WeightsError(ValueError):
    """Weights that cannot be used; nothing was loaded."""


class WeightsUnavailable(WeightsError):
    """Published weights that exist elsewhere but could not be fetched, or not at all."""


def find_imagenet(name: str, *, classifier: bool) -> Path:
    """The file with the published weights of ``name``, downloaded and checked if need be."""
    if name in BUNDLED:
        return BUNDLED[name]
    if name not in KERAS_FILES:
        raise WeightsUnavailable(
            f"No ImageNet weights of {name} are published in a format that is read here; "
            f"use random weights, give a file by its path, or choose {' or '.join(BUNDLED)}, "
            "whose weights are bundled."
        )
    url, checksum = keras_file(name, classifier=classifier)
    try:
        with _socket_timeout(TIMEOUT):
            return Path(
                keras.utils.get_file(
                    url.rsplit("/", 1)[1], url, cache_subdir="models", file_hash=checksum
                )
            )
    except Exception as error:  # get_file raises plain Exception when it finds no network
        raise WeightsUnavailable(
            f"The ImageNet weights of {name} could not be downloaded ({error}). "
            f"Fetch {url} on a machine with a network and give the file by its path, "
            f"choose {' or '.join(BUNDLED)}, whose weights are bundled, or use random weights."
        ) from error


def keras_file(name: str, *, classifier: bool) -> tuple[str, str]:
    """Address and MD5 of Keras' file; a backbone takes the one without the classifier's top."""
    address, whole, without_top = KERAS_FILES[name]
    if classifier:
        return f"{address}.h5", whole
    ending = "_no_top_v2" if name.startswith("mobilenet") else "_notop"
    return f"{address}{ending}.h5", without_top


@contextlib.contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
