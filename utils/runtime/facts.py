"""``Facts``: what a detector's file says about it, beside the weights.

A checkpoint holds its facts in ``config.json``. Every exported file carries the same as one JSON
string under ``KEY``, so that prediction and scoring need nothing else. Both are read without
TensorFlow.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from utils.checkpoint_archive import (
    MAX_PARSED,
    WEIGHTS,
    OtherModelError,
    open_archive,
    read_config,
)
from utils.decoding import DecodingParams
from utils.errors import UnreadableFileError, UserError, first_line
from utils.json_memory import parsed_size
from utils.metadata_checks import (
    check_anchors,
    check_classes,
    check_input_size,
    check_metadata,
    is_positive,
    require,
)

KEY = "efficient_yolo3"  # of the JSON string in an exported file
FORMAT = 1  # raised when old readers would misread a new file
OUTPUTS = ("decoded", "heads", "suppressed")  # stored in files; the last is of ``--nms``

# ``nets.yolo.OFFSET_SPAN``, which cannot be imported without TensorFlow.
OFFSET_SPAN = 2.0

_MAX_TEXT_BYTES = 256 << 20  # bytes; the facts of a million photos stay below


@dataclass(frozen=True)
class Facts:
    """What a detector's file says about it.

    Attributes:
        class_names: by class id.
        anchors: nine (width, height) pairs in pixels of the network input.
        input_size: (height, width) of the network input in pixels, multiples of 32.
        backbone: its name in ``nets.backbones.BACKBONES``.
        weights_sha256: of the weights in the checkpoint, whatever its metadata.
        metadata: the checkpoint's: operating point, splits, hashes of photos, pixel ranges.
        offset_span: width of the range of a centre's offset, in cells.
        outputs: what the network returns: ``decoded`` boxes and scores, the raw ``heads``, or
            ``suppressed``: boxes, scores and class ids after NMS.
        precision: of the weights and the arithmetic, such as ``float32`` or ``int8``.
        version: of this project, which wrote the file.
    """

    class_names: tuple[str, ...]
    anchors: tuple[tuple[float, float], ...]
    input_size: tuple[int, int]
    backbone: str
    weights_sha256: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    offset_span: float = OFFSET_SPAN
    outputs: str = "decoded"
    precision: str = "float32"
    version: str = ""

    @property
    def decoding_params(self) -> DecodingParams | None:
        """What decoding the raw heads needs; None where the file does not stop at them."""
        if self.outputs != "heads":
            return None
        return DecodingParams(np.asarray(self.anchors, np.float32), self.offset_span)

    def to_json(self) -> str:
        """One line of ASCII, which every file format can hold; NaN and infinity become null."""
        return json.dumps({"format": FORMAT, **_finite(asdict(self))}, allow_nan=False)

    @classmethod
    def from_json(cls, text: str | bytes | None, where: str) -> Facts:
        """Read what ``to_json`` wrote.

        Args:
            text: None for a file that carries none.
            where: begins the message of an error, such as ``--weights FILE``.

        Raises:
            UnreadableFileError: none, damaged, of another program, or of a newer version of this
                one.
        """
        if text is None:
            raise UnreadableFileError(f"{where}: not a detector that export.py wrote")
        try:
            if len(text) > _MAX_TEXT_BYTES:
                raise ValueError("too long")
            data = text.encode(errors="surrogatepass") if isinstance(text, str) else text
            if parsed_size(data) > MAX_PARSED:
                raise ValueError("its values would fill the memory")
            values = json.loads(text)
            if values.pop("format") != FORMAT:
                raise UnreadableFileError(
                    f"{where}: written by a newer version of this project ("
                    f"{values.get('version') or 'unknown'}); update, or export the checkpoint again"
                )
            return _checked(values)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UnreadableFileError(
                f"{where}: its description of the detector is damaged "
                f"({str(error) or type(error).__name__}); export the checkpoint again"
            ) from None

    @classmethod
    def of_checkpoint(cls, path: str | Path, option: str = "--weights") -> Facts:
        """Read a ``.keras`` archive.

        Raises:
            UserError: no such file, no archive, or no detector of this project.
        """
        path = Path(path)
        if not path.is_file():
            raise UserError(f"{option} {path}: there is no such file")
        try:
            with open_archive(path) as archive:
                config = read_config(archive)
                with archive.open(WEIGHTS) as weights:
                    digest = hashlib.file_digest(weights, "sha256").hexdigest()
            size = config["input_size"]
            return _checked(
                {
                    "class_names": config["classes"],
                    "anchors": config["anchors"],
                    "input_size": [size, size],
                    "backbone": config["backbone"],
                    "weights_sha256": digest,
                    "metadata": config["metadata"],
                    "precision": config["dtype"]["config"]["name"],
                    "version": project_version(),
                }
            )
        except OtherModelError:
            raise UnreadableFileError(
                f"{option} {path}: a Keras model, but no detector of this project"
            ) from None
        except Exception as error:  # a damaged archive raises any of many kinds
            raise UnreadableFileError(
                f"{option} {path}: not a checkpoint that can be opened ({first_line(error)})"
            ) from None


def _finite(value: Any) -> Any:
    """The same without numbers that JSON does not have. Their readers pass over null, too."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def project_version() -> str:
    """The version of this project; empty where it is not installed."""
    try:
        return version("efficient-yolo3")
    except PackageNotFoundError:
        return ""


def _checked(values: Mapping[str, Any]) -> Facts:
    """Facts of plain JSON values.

    Raises:
        ValueError, KeyError, TypeError: a value is missing, or not what it should be.
    """
    classes, anchors, size = values["class_names"], values["anchors"], values["input_size"]
    span = values.get("offset_span", OFFSET_SPAN)
    texts = {key: values[key] for key in ("backbone", "weights_sha256", "precision", "version")}
    outputs = values.get("outputs", "decoded")
    check_classes(classes)
    check_anchors(anchors)
    require(isinstance(size, list) and len(size) == 2, "input_size")
    for side in size:
        check_input_size(side)
    require(is_positive(span), "offset_span")
    require(outputs in OUTPUTS, "outputs")
    check_metadata(values["metadata"])
    for key, text in texts.items():
        require(isinstance(text, str) and len(text) <= 200, key)
    return Facts(
        class_names=tuple(classes),
        anchors=tuple((float(width), float(height)) for width, height in anchors),
        input_size=(size[0], size[1]),
        metadata=values["metadata"],
        offset_span=float(span),
        outputs=outputs,
        **texts,
    )
