"""A short soak; ``EFFICIENT_YOLO3_SOAK_MINUTES=60`` makes it an hour."""

import os

import pytest

from tests.soak import Figures, soak_endpoint, soak_predict

SECONDS = 30 * float(os.environ.get("EFFICIENT_YOLO3_SOAK_MINUTES", "0.5"))  # of each part


@pytest.mark.slow
@pytest.mark.parametrize("part", [soak_predict, soak_endpoint])
def test_nothing_grows_and_nothing_is_lost(part):
    figures = part(SECONDS)
    assert figures.answered > 0
    assert figures.problems() == []


def test_growth_and_losses_are_seen():
    flat = [5.0] * 5
    assert Figures("x", 60, 10, 8, 2, flat, flat, flat).problems() == []
    lost = Figures("x", 60, 10, 8, 1, flat, flat, flat).problems()
    assert lost == ["1 lost in silence"]
    (slower,) = Figures("x", 60, 10, 10, 0, flat, [5.0, 5.0, 6.0, 7.0, 8.0], flat).problems()
    assert "ever more time" in slower
    (grown,) = Figures(
        "x", 60, 10, 10, 0, flat, flat, [90.0, 100.0, 110.0, 120.0, 140.0]
    ).problems()
    assert "memory grows" in grown
