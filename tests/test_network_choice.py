"""Backbone, input size and epochs: what options ask for, and the best of the rest."""

import json
from pathlib import Path

import pytest

from nets.head_weights import BUNDLED
from tests.test_input_size import dataset
from utils.errors import UserError
from utils.training.choices import network
from utils.training.choices.expected import BACKBONE, STEP_TIME, expected_points
from utils.training.choices.network import Saved, choose_network
from utils.training.choices.recipes import choose_recipe
from utils.training.config import TrainConfig

SQUARE = (1.0, 1.0)
LITE0, LITE2 = "efficientnet_lite0", "efficientnet_lite2"


@pytest.fixture
def machine(monkeypatch):
    """Sets the photos of 256×256 pixels that Lite0 sees in a minute."""

    def set_speed(photos):
        def photos_seen(backbone, minutes, replicas=1, **options):
            return lambda pixels: photos * minutes * replicas * 256 * 256 / pixels

        monkeypatch.setattr(network, "photos_seen", photos_seen)

    return set_speed


class Checkpoint:
    input_size = 352


def choose(photos, saved=None, replicas=1, **options):
    config = TrainConfig(data=Path("photos"), neck="pan", **options)
    return choose_network(
        config, choose_recipe(config), None, photos, len(photos.records), SQUARE,
        saved=saved or Saved(), replicas=replicas,
    )  # fmt: skip


def test_what_is_asked_for_is_taken_without_a_measurement(monkeypatch):
    monkeypatch.setattr(network, "photos_seen", None)
    found = choose(dataset(90), backbone="efficientnet_b0", input_size=320, epochs=3, minutes=5.0)
    assert found[:3] == ("efficientnet_b0", 320, 3)
    assert not any("backbone" in note for note in found.notes)


def test_without_a_limit_the_best_backbone_and_the_usual_size():
    found = choose(dataset(500))
    assert found[:2] == (LITE2, 416)
    assert "--backbone" in found.notes[0]
    assert choose(dataset(500, photo=(300, 300)))[1] == 256
    assert choose(dataset(25))[1] == 640  # small objects


def test_more_time_buys_backbone_pixels_and_epochs(machine):
    photos = dataset(100, count=200)
    choices = []
    for speed in (20, 100, 300, 1000, 4000, 20_000):
        machine(speed)
        choices.append(choose(photos, minutes=10.0))
    sides = [found.input_size for found in choices]
    assert sides == sorted(sides)
    assert sides[0] == 256
    assert sides[-1] >= 416
    assert [found.backbone for found in choices][-1] == LITE2
    assert all(found.epochs == 80 for found in choices)  # 16,000 photos, if there is time
    assert "promises the highest AP" in " ".join(choices[0].notes)


def test_several_devices_see_more(machine):
    machine(200)
    photos = dataset(60, count=1000)
    assert choose(photos, minutes=10.0, replicas=8)[1] > choose(photos, minutes=10.0)[1]


def test_objects_stay_visible_however_short_the_time(machine):
    machine(1)
    assert choose(dataset(15), minutes=1.0)[1] == 640  # at 512 they would be 8 pixels


def test_a_resumed_run_keeps_its_choices(monkeypatch):
    monkeypatch.setattr(network, "photos_seen", None)
    found = choose(dataset(90), Saved("efficientnet_b1", 512, 7), minutes=5.0)
    assert found[:3] == ("efficientnet_b1", 512, 7)
    assert "resumed" in found.notes[0]


def test_a_checkpoint_brings_backbone_and_size():
    config = TrainConfig(data=Path("photos"), weights=Path("best.keras"), minutes=5.0)
    found = choose_network(config, choose_recipe(config), Checkpoint, dataset(90), 40, SQUARE)
    assert found[:2] == ("auto", 352)


def test_a_file_of_backbone_weights_must_say_of_which():
    with pytest.raises(UserError, match="give --backbone too"):
        choose(dataset(90), backbone_weights="mine.h5")
    assert choose(dataset(90), backbone_weights="mine.h5", backbone=LITE0)[0] == LITE0


def test_a_file_of_head_weights_must_say_of_which_backbone():
    with pytest.raises(UserError, match=r"--head-weights mine\.npz: give --backbone too"):
        choose(dataset(90), head_weights="mine.npz")
    assert choose(dataset(90), head_weights="mine.npz", backbone=LITE0)[0] == LITE0
    assert choose(dataset(90), head_weights="none")[0] == LITE2


def test_any_size_can_be_asked_for_while_time_decides_the_rest(machine):
    machine(100)
    assert choose(dataset(90), minutes=5.0, input_size=352)[1] == 352
    assert choose(dataset(90), minutes=5.0, input_size=96)[1] == 96


def test_what_is_named_stays_while_time_decides_the_rest(machine):
    machine(100)
    found = choose(dataset(90), minutes=5.0, backbone="efficientnet_b0", epochs=3)
    assert (found.backbone, found.epochs) == ("efficientnet_b0", 3)
    assert found.input_size > 416  # there is time for more than these epochs
    assert "all of them fit into 5 minutes" in found.notes[-1]
    assert choose(dataset(90), minutes=5.0, epochs=3).epochs == 3


def test_an_unknown_backbone_is_named_when_time_is_limited():
    with pytest.raises(UserError, match="--backbone efficientnet_b9: "):
        choose(dataset(90), minutes=5.0, backbone="efficientnet_b9")


def test_a_detector_that_knows_all_classes_sees_half_as_many_photos(machine):
    machine(10_000)
    config = TrainConfig(data=Path("photos"), weights=Path("best.keras"), minutes=5.0)
    for continued, epochs in ((False, 40), (True, 20)):
        recipe = choose_recipe(config, continued=continued)
        found = choose_network(
            config, recipe, Checkpoint, dataset(90), 400, SQUARE, continued=continued
        )
        assert found.epochs == epochs


def test_hosts_get_the_same_choice_as_json():
    found = choose(dataset(90))
    received = network.Network(*json.loads(json.dumps(found)))
    assert received[:3] == found[:3]
    assert (*received.notes,) == found.notes


def test_sizes_that_the_network_cannot_have_are_refused():
    with pytest.raises(UserError, match=r"--input-size 100: .*take 96 or 128"):
        choose(dataset(90), input_size=100)


def test_all_that_can_be_chosen_is_known_to_the_estimate():
    assert set(BUNDLED) == set(BACKBONE) == set(STEP_TIME)


def test_points_grow_with_each_of_the_three():
    base = {"backbone": LITE0, "size": 320, "needed": 320, "seen": 4000}
    for better in ({"backbone": LITE2}, {"size": 416}, {"needed": 256}, {"seen": 8000}):
        assert expected_points(**{**base, **better}) > expected_points(**base)
    far = replace_all(base, size=1024, needed=100)
    assert expected_points(**far) == expected_points(**replace_all(far, size=512))
    assert expected_points(**replace_all(base, seen=0)) < -20


def replace_all(values, **changes):
    return {**values, **changes}
