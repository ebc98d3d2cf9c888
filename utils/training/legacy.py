"""Names that older versions wrote into ``config.yaml`` and ``state/``, and today's names.

Options that came later are added.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from utils.text import nfc

RENAMED_OPTIONS = {"synchronized-norms": "sync-batch-norm"}
LATER_OPTIONS = {
    "rename": [], "keep-classes": False, "tile": "off", "neck": "yolov3",
}  # fmt: skip  # their values before
CHOICES = {"turns": "accumulation steps"}
RECIPE = {
    "frozen_norms": "frozen_batch_norms",
    "settled_epochs": "average_start_epoch",
    "settled_share": "average_start",
    "fitted_canvas": "rectangular",
    "sightings": "epochs",
    "familiar": "augment_warmup_epochs",
    "closing_strength": "final_strength",
    "by_cost": "simota",
}
LATER_IN_RECIPE = {"repeat_threshold": 0.0}
LOSS = {"doubt": "gce_q"}
UNKNOWN = "unknown"  # weights of a checkpoint of which only the path was saved
HISTORY = {
    "stale": "evaluations_without_improvement",
    "best_ap": "highest_ap",
    "kept_ap": "saved_ap",
    "kept_low": "saved_ap_low",
    "kept_high": "saved_ap_high",
    "best_epoch": "saved_epoch",
}


def current_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of a saved state in today's names; unchanged where they have these already."""
    history = _renamed(facts["history"], HISTORY)
    history.setdefault("saved_ap", history["highest_ap"])
    choices = _renamed(facts["choices"], CHOICES)
    choices["options"] = LATER_OPTIONS | _renamed(choices.get("options", {}), RENAMED_OPTIONS)
    if "classes" in choices:
        choices["classes"] = [nfc(name) for name in choices["classes"]]
    weights = choices["options"].pop("weights", None)  # their content is compared now
    choices.setdefault("starting weights", UNKNOWN if weights else None)
    recipe = _renamed(choices.get("recipe", {}), RECIPE)
    recipe.pop("rates", None)  # they stand in "learning rate" and "backbone rate"
    choices["recipe"] = LATER_IN_RECIPE | recipe | {"loss": _renamed(recipe.get("loss", {}), LOSS)}
    choices.setdefault("pseudo labels", None)
    choices.setdefault("tile", None)
    return {**facts, "history": history, "choices": choices}


def _renamed(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in values.items()}
