"""What a run says of its result."""

from types import SimpleNamespace

import pytest

from tests.evaluation_cases import generated
from utils.evaluation.bootstrap import mean_of
from utils.evaluation.matching import match_results
from utils.training.history import History
from utils.training.reporting import interval_text


@pytest.mark.parametrize(
    ("low", "high", "photos", "text"),
    [
        (0.1234, 0.5, 28, " (0.123–0.500, 95 % interval of 28 photos)"),
        (None, None, 1, " (of 1 photo with objects; that says little)"),
        (None, None, 4, " (of 4 photos with objects; that says little)"),
        (None, None, 0, ""),  # no AP either
        (None, None, 28, ""),  # a run that began before this was noted
    ],
)
def test_how_sure_the_ap_of_the_kept_checkpoint_is(low, high, photos, text):
    history = History()
    history.note_best(0.3, low, high)
    assert interval_text(history, SimpleNamespace(photos_with_objects=photos)) == text


def test_the_interval_is_that_of_the_score():
    matched = match_results(*generated(0, images=12, classes=3))
    found = mean_of(matched, 50)
    assert found.low < found.value < found.high
    assert found == mean_of(matched, 50)
    assert mean_of(matched, 0).low is None
