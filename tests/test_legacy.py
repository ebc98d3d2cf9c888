"""Configurations and states that an older version wrote are read under today's names."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from utils.cli import parse, to_mapping
from utils.errors import UserError
from utils.training.choices.learning_rate import choose_learning_rates
from utils.training.choices.phases import choose_phases
from utils.training.choices.recipes import choose_recipe
from utils.training.config import TrainConfig, lasting_options, with_options_of_run
from utils.training.history import History
from utils.training.legacy import RENAMED_OPTIONS, UNKNOWN, current_facts
from utils.training.state import check_choices, read_state

CONFIG = """\
data: photos
split: train
val-split: null
classes: null
only-listed: false
anchors: auto
backbone: efficientnet_lite0
width: null
depth: null
stochastic-depth: null
backbone-weights: imagenet
head-weights: auto
weights: null
input-size: 160
recipe: default
epochs: 6
minutes: null
batch-size: null
accumulate: null
freeze-epochs: null
frozen-stages: null
optimizer: adamw
learning-rate: null
schedule: cosine
patience: null
backbone-rate: null
weight-decay: 0.0005
augmentation: null
augment: []
multi-scale: false
progressive: false
cache: auto
seed: 3
exact: true
device: auto
precision: float32
synchronized-norms: true
fast-math: true
out: runs/old
resume: false
save-every: 30.0
check: false
fix: null
preview: false
histograms: false
"""
AUGMENT = {
    "scale": [0.6, 1.5], "aspect": 0.2, "horizontal_flip": 0.5, "vertical_flip": 0.0,
    "brightness": 0.25, "contrast": 0.25, "saturation": 0.4, "hue": 10.0, "min_visible": 0.3,
    "translation": 1.0, "rotation": 0.0, "mosaic": 0.0, "mosaic_scale": 0.6, "mixup": 0.0,
    "mixup_alpha": 8.0, "blur": 0.0, "blur_sigma": 1.5, "jpeg": 0.0, "jpeg_quality": [30, 90],
}  # fmt: skip
RECIPE = {
    "pretrained_heads": True, "frozen_share": 0.1, "frozen_stages": 2, "frozen_depthwise": True,
    "frozen_norms": True,
    "rates": {"adamw": [0.002, 0.004, 0.001], "sgd": [0.01, 0.01, 0.005]},
    "average": True, "settled_epochs": 10, "settled_share": 0.3333333333333333,
    "fitted_canvas": True, "sightings": 20, "augment": AUGMENT, "familiar": 8,
    "closing_strength": 0.3, "by_cost": True,
    "loss": {
        "box": 5.0, "objectness": 1.0, "classes": 1.0, "ignore_iou": 0.5,
        "objectness_from_iou": 1.0, "doubt": 0.7,
    },
}  # fmt: skip
FINAL = AUGMENT | {
    "scale": [0.8579172004440949, 1.1293469354568555], "aspect": 0.06, "horizontal_flip": 0.15,
    "brightness": 0.075, "contrast": 0.075, "saturation": 0.12, "hue": 3.0, "translation": 0.3,
}  # fmt: skip
HISTORY = {
    "step": 80, "epoch": 2, "best_ap": 0.4, "best_epoch": 2, "bad_steps": 0, "stale": 1,
    "losses": [[2.1, 1.1, 0.9, 0.1]], "seconds": 4.8, "waited": 0.02,
    "rows": [{"epoch": 1, "loss": 3.7, "AP": 0.3}, {"epoch": 2, "loss": 2.3, "AP": 0.4}],
    "finished": False,
}  # fmt: skip


@pytest.fixture
def old_config(tmp_path):
    (tmp_path / "config.yaml").write_text(CONFIG)
    argv = with_options_of_run(["--out", str(tmp_path), "--resume"])
    return parse(TrainConfig, argv, renamed=RENAMED_OPTIONS)


def test_an_old_configuration_is_read(old_config):
    assert old_config.sync_batch_norm
    assert (old_config.input_size, old_config.epochs, old_config.seed) == (160, 6, 3)
    with pytest.raises(UserError, match="--synchronized-norms"):  # in files only
        parse(TrainConfig, ["--data", "photos", "--synchronized-norms"], renamed=RENAMED_OPTIONS)


def test_an_old_state_is_resumed(old_config, tmp_path):
    options = {n: v for n, v in to_mapping(old_config).items() if n in lasting_options(old_config)}
    options["synchronized-norms"] = options.pop("sync-batch-norm")
    phases = [
        {"begins": 0.0, "sizes": [160], "augment": AUGMENT, "drop_strength": 1.0},
        {"begins": 0.8, "sizes": [160], "augment": FINAL, "drop_strength": 1.0},
    ]
    facts = {
        "history": HISTORY, "seconds": 74.6, "progress": 0.38, "threads": 2,
        "choices": {
            "options": options, "recipe": RECIPE, "phases": phases, "turns": 4,
            "learning rate": 0.001, "backbone rate": 0.5, "classes": ["cafe\u0301"],
            "start": "backbone: ImageNet weights; "
            "heads: weights of efficientnet_lite0_drawn_heads.npz",
        },
    }  # fmt: skip
    (tmp_path / "state").mkdir()
    text = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    np.savez(tmp_path / "state" / "state.npz", facts=text, **{"model/0": np.zeros(2)})

    read, arrays = read_state(tmp_path)
    assert list(arrays) == ["model/0"]
    assert read["choices"]["accumulation steps"] == 4
    assert read["choices"]["classes"] == ["caf\u00e9"]  # one spelling of its letters
    history = History(**read["history"])
    assert (history.step, history.saved_ap, history.highest_ap) == (80, 0.4, 0.4)
    assert (history.saved_epoch, history.saved_ap_low) == (2, None)
    assert history.evaluations_without_improvement == 1

    recipe = replace(choose_recipe(old_config), repeat_threshold=0.0)  # as ``inputs`` does
    now = choose_phases(
        160, recipe.augment, multi_scale=False, progressive=False,
        final_strength=recipe.final_strength,
    )  # fmt: skip
    choices = {
        "options": lasting_options(old_config),
        "recipe": {k: v for k, v in asdict(recipe).items() if k != "rates"},
        "phases": [asdict(phase) for phase in now],
        "start": read["choices"]["start"],
    }
    choices["starting weights"] = None  # as then
    check_choices(read["choices"], choices)
    saved = tuple(read["choices"][name] for name in ("learning rate", "backbone rate"))
    rates = {"pretrained": True, "batch_size": 8, "saved": saved}
    assert choose_learning_rates(old_config, recipe, **rates)[:2] == (0.001, 0.5)
    choices["recipe"]["epochs"] = 21
    with pytest.raises(UserError, match="another version"):
        check_choices(read["choices"], choices)


def test_results_of_an_old_history_get_their_new_names():
    old = HISTORY | {"kept_ap": 0.39, "kept_low": 0.3, "kept_high": 0.5}
    history = History(**current_facts({"history": old, "choices": {}})["history"])
    assert (history.highest_ap, history.saved_ap) == (0.4, 0.39)
    assert (history.saved_ap_low, history.saved_ap_high, history.saved_epoch) == (0.3, 0.5, 2)
    now = asdict(history)
    assert current_facts({"history": now, "choices": {}})["history"] == now


def test_of_old_states_the_starting_weights_are_not_compared():
    """They name the file only, which may have moved since."""
    facts = {"history": HISTORY, "choices": {"options": {"weights": "runs/old/best.keras"}}}
    choices = current_facts(facts)["choices"]
    assert choices["starting weights"] == UNKNOWN
    assert "weights" not in choices["options"]
    assert current_facts({"history": HISTORY, "choices": choices})["choices"] == choices
