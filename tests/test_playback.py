"""Drawn videos play to their end in a real browser, whatever they were drawn from."""

from __future__ import annotations

import pytest

from tests.playback import KINDS, Played, draw_and_play, make
from tests.test_drawn_videos import needs_ffmpeg


def check(one: Played) -> None:
    assert not one.problem
    assert one.ended
    assert one.length_s == pytest.approx(one.source_s, abs=one.frame_s)
    assert one.size == tuple(side + side % 2 for side in one.source_size)


@pytest.mark.slow
def test_every_kind_of_video_plays_with_its_sound(tmp_path):
    needs_ffmpeg()
    played = draw_and_play([make(tmp_path, kind) for kind in KINDS], tmp_path / "drawn")
    assert len(played) == len(KINDS)
    for one in played:
        check(one)
        assert one.sound == one.source_sound
    by_name = {one.name: one for one in played}
    assert by_name["rotated.mp4"].size == (90, 160)
    assert sum(one.sound for one in played) >= 12


@pytest.mark.slow
def test_without_ffmpeg_webm_plays_silently(tmp_path):
    needs_ffmpeg()  # to make the sources
    kinds = ("h264.mp4", "varying.mp4", "rotated.mp4", "odd.webm")
    sources = [make(tmp_path, kind) for kind in kinds]
    for one in draw_and_play(sources, tmp_path / "drawn", with_ffmpeg=False):
        check(one)
        assert one.drawn.endswith(".webm")
        assert not one.sound
