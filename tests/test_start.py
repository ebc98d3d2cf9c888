"""What a run that starts from a checkpoint keeps: anchors, backbone, names."""

from pathlib import Path

import numpy as np
import pytest

from nets.yolo import COCO_ANCHORS_416, YOLOv3
from utils.data.anchors import best_possible_recall
from utils.data.records import Dataset, Record
from utils.errors import UserError
from utils.training.choices.neck import choose_neck
from utils.training.choices.start import check_network, from_checkpoint
from utils.training.config import TrainConfig, refuse_contradictions, unused_options

ANCHORS = np.array(COCO_ANCHORS_416, np.float32)


@pytest.fixture(scope="module")
def checkpoint():
    return YOLOv3("efficientnet_lite0", ["a"], input_size=416, anchors=ANCHORS)


def config(**options):
    return TrainConfig(**{"data": Path("photos"), "weights": Path("best.keras"), **options})


def photos_with(sizes):
    """A photo of 416×416 pixels for each (width, height)."""
    records = [
        Record(
            str(i), Path(f"{i}.png"), 416, 416, np.array([[0, 0, *size]], np.float32),
            np.zeros(1, np.int32), np.zeros(1, bool),
        )
        for i, size in enumerate(sizes)
    ]  # fmt: skip
    return Dataset(tuple(records), ("a",))


def start(checkpoint, sizes, size=416, **options):
    model, notes = from_checkpoint(config(**options), checkpoint, photos_with(sizes), (0,), size)
    return np.asarray(model.anchors), notes[-1]


def test_anchors_that_fit_are_kept_and_scale_with_the_input_size(checkpoint):
    sizes = np.repeat(ANCHORS, 4, axis=0) * 1.1
    anchors, note = start(checkpoint, sizes)
    assert np.allclose(anchors, ANCHORS)
    assert "kept" in note
    assert np.allclose(start(checkpoint, sizes, 608)[0], ANCHORS * 608 / 416)


def test_anchors_that_fit_badly_are_clustered_anew(checkpoint):
    rng = np.random.default_rng(0)
    sizes = rng.uniform((300, 6), (400, 14), (60, 2))  # long and thin: no anchor is like it
    assert best_possible_recall(sizes, ANCHORS) < 0.1
    anchors, note = start(checkpoint, sizes)
    assert best_possible_recall(sizes, anchors) > 0.95
    assert "new" in note
    assert np.allclose(start(checkpoint, sizes[:20])[0], ANCHORS)  # too few to say anything


def test_an_anchors_file_is_obeyed(checkpoint, tmp_path):
    path = tmp_path / "anchors.txt"
    path.write_text("\n".join(f"{i},{2 * i}" for i in range(10, 19)))
    anchors, note = start(checkpoint, ANCHORS, anchors=str(path))
    assert anchors[0].tolist() == [10, 20]
    assert str(path) in note


def test_another_backbone_is_refused_by_name(checkpoint):
    check_network(config(), checkpoint)
    check_network(config(backbone="efficientnet_lite0"), checkpoint)
    with pytest.raises(UserError, match=r"efficientnet_b0.*efficientnet_lite0"):
        check_network(config(backbone="efficientnet_b0"), checkpoint)


def test_another_neck_is_refused_by_name(checkpoint):
    check_network(config(neck="yolov3"), checkpoint)
    with pytest.raises(UserError, match=r"--neck pan: .* has yolov3; leave --neck out"):
        check_network(config(neck="pan"), checkpoint)


def test_which_neck_a_run_has():
    assert choose_neck(config(weights=None)) == "pan"
    assert choose_neck(config(weights=None, recipe="plain")) == "yolov3"
    assert choose_neck(config(weights=None, recipe="plain", neck="pan")) == "pan"
    assert choose_neck(config()) == "auto"  # the checkpoint's
    assert choose_neck(config(weights=None), saved="yolov3") == "yolov3"
    with pytest.raises(UserError, match="--weights"):
        refuse_contradictions(TrainConfig(data=Path("photos"), rename=("a=b",)))
    assert unused_options(config(backbone="efficientnet_lite0", anchors="x.txt")) == ""
    assert "--width" in unused_options(config(width=2.0))
