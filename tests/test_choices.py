"""What a run decides where no option does: epochs, batch, speed, shape of training pictures."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from utils.data.augment import AUGMENTATIONS, NO_AUGMENTATION
from utils.data.records import Dataset, Record
from utils.errors import UserError
from utils.training.choices import batch_size, speed
from utils.training.choices.aspect import choose_aspect, shape_text
from utils.training.choices.batch_size import (
    choose_accumulation,
    choose_batch_size,
    fit_accumulation,
    micro_batch_of,
)
from utils.training.choices.epochs import choose_epochs, epochs_text
from utils.training.choices.learning_rate import choose_learning_rates
from utils.training.choices.neck import choose_neck
from utils.training.choices.recipes import choose_recipe
from utils.training.choices.speed import photos_seen
from utils.training.config import TrainConfig


def test_photos_seen_in_a_time_follow_from_their_pixels():
    seen = photos_seen("mobilenet_v3_small", minutes=10)
    assert seen(320 * 320) == pytest.approx(4 * seen(640 * 640))
    assert 100 < seen(416 * 416) < 10_000_000


@pytest.fixture
def timed(monkeypatch):
    """Any network takes 25 ms a photo, and 40 ms to score it; so none is built."""
    monkeypatch.setattr(speed, "_seconds", lambda work: 0.1)
    monkeypatch.setattr(speed, "build_backbone", lambda name: lambda pictures, training: [pictures])


@pytest.mark.usefixtures("timed")
def test_a_long_last_evaluation_leaves_fewer_photos_to_train_on():
    def seen(validation_photos, minutes=10):
        return photos_seen("mobilenet_v3_small", minutes, validation_photos=validation_photos)(
            speed.SIDE * speed.SIDE
        )

    assert seen(600) == seen(0)  # 24 s of 600, the usual share
    assert seen(2000) == pytest.approx(seen(0) * (0.85 - (0.05 - 0.04)) / 0.85, rel=1e-3)
    assert seen(1_000_000) == seen(2000)  # a sample is scored
    assert seen(100, minutes=0.01) == 0


@pytest.mark.parametrize(("casts", "step"), [(False, 2.9), (True, 2.5)])
@pytest.mark.usefixtures("timed")
def test_a_step_takes_more_forward_passes_where_these_are_fast(monkeypatch, casts, step):
    monkeypatch.setattr(speed, "needs_casts", lambda: casts)
    seen = [photos_seen("mobilenet_v3_small", 10, fast_math=fast)(1e5) for fast in (False, True)]
    assert seen[1] == pytest.approx(seen[0] * speed.STEP_OVER_FORWARD / step)


def epochs(photos=1000, **options):
    config = TrainConfig(data=Path("photos"), **options)
    config = replace(config, neck=choose_neck(config))
    return choose_epochs(config, choose_recipe(config), photos)


def test_a_run_sees_enough_photos_and_has_a_limit():
    pretrained = {"backbone": "efficientnet_lite0"}
    assert epochs(20, **pretrained) == 200  # at most
    assert epochs(100, **pretrained) == 40  # 4,000 photos at least
    assert epochs(263, **pretrained) == 20
    assert epochs(20_000, **pretrained) == 20


def test_a_detector_that_knows_all_classes_is_trained_on_for_half_as_long():
    config = TrainConfig(data=Path("photos"), weights=Path("best.keras"))
    recipe = choose_recipe(config, continued=True)
    assert (recipe.frozen_share, recipe.average_start_epoch) == (0, 5)
    found = [choose_epochs(config, recipe, n, continued=True) for n in (5000, 100, 20)]
    assert found == [10, 20, 100]
    rates = {"pretrained": True, "batch_size": 8}
    assert choose_learning_rates(config, recipe, **rates)[:2] == (0.004, 0.25)
    rate, factor, note = choose_learning_rates(config, recipe, **rates, continued=True)
    assert (rate, factor) == (0.002, 0.25)
    assert "frozen" not in note
    asked = TrainConfig(data=Path("photos"), weights=Path("best.keras"), learning_rate=0.01)
    assert choose_learning_rates(asked, recipe, **rates, continued=True)[0] == 0.01


def test_random_weights_take_more_epochs():
    lite0 = {"backbone": "efficientnet_lite0"}
    assert epochs(**lite0) == 20  # heads come with the project
    assert epochs(weights=Path("best.keras")) == 20
    assert epochs(backbone="efficientnet_b0") == 40
    assert epochs(**lite0, head_weights="none") == 40
    assert epochs(backbone_weights="none") == 120
    assert epochs(backbone_weights="none", weights=Path("best.keras")) == 20
    assert epochs(**lite0, recipe="plain") == 100
    assert epochs(backbone_weights="none", recipe="plain") == 200
    assert epochs(**lite0, minutes=5) == 20
    assert epochs(**lite0, minutes=5, epochs=7) == 7


def test_what_a_run_says_of_its_epochs():
    note = epochs_text(TrainConfig(data=Path("photos"), minutes=24.0), 40, 1000)
    for part in ("40 epochs", "40,000 photos", "24 minutes", "--epochs"):
        assert part in note
    assert epochs_text(TrainConfig(data=Path("photos"), epochs=7), 7, 1000) == "7 epochs"


class FakeModel:
    pass


def test_few_photos_small_batches_and_never_more_than_fits(monkeypatch):
    monkeypatch.setattr(batch_size, "bytes_per_photo", lambda model, size: 100e6)

    def chosen(photos, replicas, hosts, free, on_gpu=False):
        cluster = SimpleNamespace(replicas=replicas, hosts=hosts, on_gpu=on_gpu)
        return choose_batch_size(None, photos, FakeModel, cluster, 416, free)

    assert chosen(100, 1, 1, 8e9)[0] == 4
    assert chosen(1000, 1, 1, 8e9)[0] == 8
    assert chosen(1000, 2, 1, 0.1e9, on_gpu=True)[0] == 16  # a GPU reports it
    size, why = chosen(1000, 1, 1, 0.5e9)
    assert size == 3
    assert "fits" in why
    assert chosen(1000, 2, 1, 0.5e9)[0] == 2  # two devices share one memory
    assert chosen(1000, 2, 2, 0.5e9)[0] == 6  # each host has its own
    size, why = chosen(1000, 1, 1, 0.1e9)
    assert size == 1
    assert "memory" in why
    assert "--input-size" in why


def test_a_batch_must_be_divisible_among_devices_and_parts():
    two = SimpleNamespace(replicas=2, hosts=1, on_gpu=True)
    assert choose_batch_size(6, 1000, FakeModel, two, 416, 8e9)[0] == 6
    with pytest.raises(UserError, match=r"--batch-size 5.* multiple of 2"):
        choose_batch_size(5, 1000, FakeModel, two, 416, 8e9)
    assert choose_accumulation(None, 6, two) == 1
    assert choose_accumulation(3, 6, two) == 3
    with pytest.raises(UserError, match=r"--accumulate 2.* 3 photos"):
        choose_accumulation(2, 6, two)


def test_a_resumed_run_keeps_its_batch_and_small_parts_on_other_devices():
    def devices(count):
        return SimpleNamespace(replicas=count, hosts=1, on_gpu=True)

    with pytest.raises(
        UserError, match=r"batches of 8 photos.* 3 devices; choose 1, 2, 4 or 8 with --device"
    ):
        choose_batch_size(8, 1000, FakeModel, devices(3), 416, 8e9, resumed=True)
    assert choose_batch_size(8, 1000, FakeModel, devices(2), 416, 8e9, resumed=True)[0] == 8
    for steps, before, batch, now, fitted in (
        (4, 1, 16, 4, 1), (2, 4, 16, 1, 8), (8, 1, 8, 2, 4), (8, 1, 8, 1, 8),
        (1, 4, 16, 1, 1), (1, 1, 8, 4, 1),  # nothing was accumulated
        (3, 1, 18, 2, 3), (9, 2, 18, 2, 9),  # nine photos each
    ):  # fmt: skip
        saved = {"micro-batch": micro_batch_of(steps, batch, devices(before))}
        assert fit_accumulation(saved, None, batch, devices(now))[0] == fitted
    steps, micro_batch = fit_accumulation({"micro-batch": 2}, 4, 8, devices(8))
    assert (steps, micro_batch) == (1, 2)
    assert fit_accumulation({"micro-batch": micro_batch}, 4, 8, devices(1)) == (4, 2)  # and back


def test_the_accumulation_steps_of_an_older_run_may_be_those_of_other_devices():
    for saved, asked, batch, replicas, steps in (
        (8, None, 8, 1, 8), (8, None, 8, 2, 4), (2, None, 8, 2, 2), (4, None, 8, 8, 1),
        (1, None, 8, 4, 1), (2, None, 18, 2, 3), (4, None, 18, 2, 9),
        (1, 4, 8, 1, 4),  # lowered on other devices
    ):  # fmt: skip
        choices, cluster = {"accumulation steps": saved}, SimpleNamespace(replicas=replicas)
        assert fit_accumulation(choices, asked, batch, cluster)[0] == steps


@pytest.mark.slow
def test_the_estimate_of_memory_grows_with_the_picture():
    from nets.yolo import YOLOv3

    model = YOLOv3("efficientnet_lite0", ["a"], input_size=128)
    small, large = (batch_size.bytes_per_photo(model, size) for size in (128, 256))
    assert large == pytest.approx(4 * small, rel=0.05)


def test_training_pictures_are_square_where_borders_or_turns_need_it():
    nothing = np.zeros((0, 4), np.float32), np.zeros(0, np.int32), np.zeros(0, bool)
    photo = Record("a", Path("a.jpg"), 640, 480, *nothing)
    train, full = Dataset((photo,), ("thing",)), AUGMENTATIONS["full"]
    assert choose_aspect(train, full, rectangular=True) == (1.0, 0.75)
    assert choose_aspect(train, full, rectangular=False) == (1.0, 1.0)
    turned = replace(full, rotation=90)
    assert choose_aspect(train, turned, rectangular=True) == (1.0, 1.0)
    assert choose_aspect(train, NO_AUGMENTATION, rectangular=True) == (1.0, 1.0)
    assert "416×320" in shape_text(416, (1.0, 0.75))
    assert shape_text(416, (1.0, 1.0)) == ""
