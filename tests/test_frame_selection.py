"""--start, --end, --stride and --fps: which frames are looked at, and how long each is shown."""

from __future__ import annotations

import numpy as np
import pytest

from tests.media_files import number_of, write_video
from utils.media.frame_selection import FrameSelection, seconds
from utils.media.sources import find_sources, read_frames


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Sixty frames at 30 a second."""
    return write_video(tmp_path_factory.mktemp("film") / "film.mp4", 60)


def read(path, report=pytest.fail, **selection):
    sources = find_sources([str(path)])
    return list(read_frames(sources, report, selection=FrameSelection(**selection)))


@pytest.mark.parametrize(("selection", "expected"), [
    ({}, range(60)),
    ({"stride": 7}, range(0, 60, 7)),
    ({"fps": 10}, range(0, 60, 3)),
    ({"fps": 7.5}, range(0, 60, 4)),
    ({"fps": 100}, range(60)),
    ({"start_s": 0.5, "end_s": 1.0}, range(15, 30)),
    ({"start_s": 0.5, "end_s": 1.0, "stride": 4}, range(16, 30, 4)),
    ({"start_s": 0.51, "fps": 3}, (16, 20, 30, 40, 50)),
    ({"end_s": 0.05}, range(2)),
])  # fmt: skip
def test_frames_that_are_looked_at(film, selection, expected):
    frames = read(film, **selection)
    assert [frame.index for frame in frames] == list(expected)
    assert [number_of(frame.image) for frame in frames] == list(expected)
    starts = np.array([frame.time_s for frame in frames])
    ends = starts + [frame.duration_s for frame in frames]
    np.testing.assert_allclose(starts, np.array(expected) / 30, atol=1e-6)
    np.testing.assert_allclose(ends, [*starts[1:], selection.get("end_s", 2.0)], atol=1e-6)


def test_rates_that_do_not_divide_the_videos_keep_the_number_a_second(film):
    times = [frame.time_s for frame in read(film, fps=12)]
    assert len(times) == 24
    assert np.diff(times).max() < 2 / 12


@pytest.mark.parametrize(("selection", "words"), [
    ({"start_s": 5}, "it has no frame from 5 s on: its last is at 1.97 s"),
    ({"start_s": 1.99}, "it has no frame from 1.99 s on: its last is at 1.97 s"),  # and ends at 2 s
    ({"start_s": 0.501, "end_s": 0.502}, "it has no frame between 0.501 and 0.502 s"),
    ({"start_s": 1, "stride": 1000}, "--stride 1000 leaves out every frame of the part"),
    ({"start_s": 0.51, "end_s": 0.6, "stride": 7}, "--stride 7 leaves out every frame of the part"),
])  # fmt: skip
def test_why_no_frame_is_looked_at_is_said(film, selection, words):
    problems = []
    assert read(film, problems.append, **selection) == []
    (problem,) = problems
    assert "film.mp4: " + words in problem


def test_times_as_people_write_them():
    assert [seconds(text) for text in ("90", "1.5", "1:30", "0:01:30.25")] == [90, 1.5, 90, 90.25]
    for text in ("", "-1", "1m", "1:2:3:4", "nan"):
        with pytest.raises(ValueError, match="m:ss"):
            seconds(text)
