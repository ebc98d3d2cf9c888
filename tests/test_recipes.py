"""Recipes, what options change of them, learning rates, and what a run starts from."""

import numpy as np
import pytest

from nets import head_weights
from nets.head_weights import save_head_weights
from nets.yolo import COCO_ANCHORS_416, YOLOv3
from utils.data.augment import AUGMENTATIONS
from utils.errors import UserError
from utils.training.choices.learning_rate import choose_learning_rates
from utils.training.choices.recipes import PLAIN, Recipe, choose_recipe
from utils.training.choices.start import head_weights_file, new_detector
from utils.training.config import TrainConfig

ANCHORS = np.array(COCO_ANCHORS_416, np.float32)
LITE = {"backbone": "efficientnet_lite0", "neck": "pan"}


def config(**options):
    return TrainConfig(data="photos", **options)


def test_options_win_over_the_recipe():
    assert choose_recipe(config()) == Recipe()
    assert choose_recipe(config(recipe="plain")) == PLAIN
    changed = choose_recipe(config(recipe="plain", frozen_stages=3, augmentation="light"))
    assert (changed.frozen_stages, changed.augment) == (3, AUGMENTATIONS["light"])
    assert not changed.simota


def rates(batch_size=8, pretrained=True, saved=(None, None), **options):
    chosen = config(**options)
    rate, backbone, note = choose_learning_rates(
        chosen, choose_recipe(chosen), pretrained=pretrained, batch_size=batch_size, saved=saved
    )
    assert f"{rate:g}" in note
    return rate, backbone


def test_learning_rates_of_heads_and_the_share_of_the_backbone():
    assert rates() == (0.004, 0.25)
    assert rates(4) == (0.002, 0.25)
    assert rates(16) == rates(64) == (0.008, 0.25)
    assert rates(optimizer="sgd") == (0.01, 0.5)
    assert rates(recipe="plain") == (0.001, 1)
    assert rates(16, recipe="plain") == (0.002, 1)
    assert rates(recipe="plain", optimizer="sgd") == (0.01, 1)
    assert rates(pretrained=False) == (0.001, 1)
    # What is asked for holds, whatever the batch; nothing is not None.
    assert rates(4, learning_rate=0.03, backbone_rate=0.0) == (0.03, 0)
    assert rates(pretrained=False, backbone_rate=0.3) == (0.001, 1)
    assert rates(saved=(0.001, 0.5)) == (0.001, 0.5)  # of a run that another version began
    assert rates(saved=(0.001, None)) == (0.004, 0.25)  # too old: check_choices refuses it


def test_the_average_is_uniform_only_after_the_last_jump_of_rate_or_size():
    def share(**options):
        return choose_recipe(config(**options)).average_start

    assert share() == share(schedule="constant") == pytest.approx(1 / 3)
    assert share(progressive=True) == 0.75
    assert share(schedule="step") == share(schedule="step", progressive=True) == 1
    assert share(backbone_weights="none") == 1
    assert share(backbone_weights="none", weights="some.keras") == pytest.approx(1 / 3)


def test_without_frozen_stages_depthwise_kernels_learn():
    assert choose_recipe(config()).frozen_depthwise
    assert not choose_recipe(config(frozen_stages=0)).frozen_depthwise


@pytest.fixture
def bundled(monkeypatch, tmp_path):
    path = tmp_path / "heads.npz"
    save_head_weights(YOLOv3("efficientnet_lite0", ["x"], anchors=ANCHORS, neck="pan"), path)
    monkeypatch.setitem(head_weights.BUNDLED, "efficientnet_lite0", path)
    return path


def test_which_heads_a_run_starts_from(bundled):
    assert head_weights_file(config(**LITE)) == bundled
    for options in (
        {"head_weights": "none"}, {"recipe": "plain"}, {"backbone_weights": "none"},
        {"backbone_weights": "mine.h5"}, {"width": 1.5}, {"backbone": "efficientnet_b0"},
        {"neck": "yolov3"},
    ):  # fmt: skip
        assert head_weights_file(config(**{**LITE, **options})) is None
    assert str(head_weights_file(config(head_weights="mine.npz"))) == "mine.npz"


def test_a_run_says_what_it_starts_from(bundled):
    _, note = new_detector(config(**LITE), ["a"], 416, ANCHORS)
    assert note == "backbone: ImageNet weights; heads: weights of heads.npz"
    _, note = new_detector(config(**LITE, head_weights="none"), ["a"], 416, ANCHORS)
    assert note == "backbone: ImageNet weights; heads: random weights"


def test_a_missing_file_of_the_project_is_no_reason_for_random_heads(monkeypatch, tmp_path):
    monkeypatch.setitem(head_weights.BUNDLED, "efficientnet_lite0", tmp_path / "gone.npz")
    with pytest.raises(UserError, match=r"gone\.npz; this file belongs .* --head-weights none"):
        new_detector(config(**LITE), ["a"], 416, ANCHORS)


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x93NUMPY"])
def test_heads_that_cannot_be_read_are_refused(tmp_path, content):
    path = tmp_path / "mine.npz"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"--head-weights .*mine\.npz"):
        new_detector(config(**LITE, head_weights=str(path)), ["a"], 416, ANCHORS)


def test_strengths_that_are_asked_for_hold_from_start_to_end():
    assert choose_recipe(config()).augment_warmup_epochs > 1
    assert choose_recipe(config()).final_strength < 1
    assert (PLAIN.augment_warmup_epochs, PLAIN.final_strength) == (1, 1.0)
    for asked in ({"augmentation": "full"}, {"augment": ("mosaic=1",)}):
        recipe = choose_recipe(config(**asked))
        assert (recipe.augment_warmup_epochs, recipe.final_strength) == (1, 1.0)
