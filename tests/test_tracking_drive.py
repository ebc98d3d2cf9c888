"""Tracking on a generated drive whose truth is known; ``bench.tracking`` measures it in full."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from bench.tracking.drives import HEIGHT, WIDTH, Drive, plan_drive
from bench.tracking.mot_files import CLASS_STRIDE, write_detections, write_truth
from bench.tracking.pictures import draw_frames
from bench.tracking.plain import PlainTracker
from bench.tracking.simulated import simulated_detections
from utils.data.synthetic.signs import CLASSES
from utils.media.tracking import Tracker
from utils.overlap import iou


@pytest.fixture(scope="module")
def drive() -> Drive:
    """Twelve frames a second, a third of them missing."""
    return plan_drive(9)


def switches(drive: Drive, tracker: Tracker | PlainTracker) -> tuple[int, int]:
    """How often an object gets another id, and how often it is found at all (IoU ≥ 0.5)."""
    last: dict[int, int] = {}
    changes = found = 0
    for frame, detections in enumerate(simulated_detections(drive)):
        tracked = tracker.update(detections, float(drive.times_s[frame]))
        tracked = tracked[tracked.track_ids > 0]
        objects, boxes = drive.truth(frame)
        overlap = iou(boxes[:, None], tracked.boxes)
        classes = np.array([CLASSES.index(drive.kinds[i]) for i in objects])
        overlap[classes[:, None] != tracked.class_ids] = 0
        for row, column in zip(*linear_sum_assignment(overlap, maximize=True), strict=True):
            if overlap[row, column] >= 0.5:
                track_id, number = int(tracked.track_ids[column]), int(objects[row])
                changes += last.setdefault(number, track_id) != track_id
                last[number] = track_id
                found += 1
    return changes, found


def test_far_fewer_switches_than_by_overlap_alone(drive):
    ours, found = switches(drive, Tracker(0.25))
    plain, found_by_plain = switches(drive, PlainTracker(0.25))
    assert ours <= 20
    assert plain > 4 * ours
    assert min(found, found_by_plain) > 1200


def test_the_truth_lies_in_the_picture_and_objects_hide_each_other(drive):
    assert np.array_equal(plan_drive(9).boxes, drive.boxes, equal_nan=True)
    numbers = [drive.truth(frame)[0] for frame in range(len(drive.times_s))]
    for frame in range(0, len(drive.times_s), 10):
        _, boxes = drive.truth(frame)
        assert (boxes >= 0).all()
        assert (boxes <= [WIDTH, HEIGHT, WIDTH, HEIGHT]).all()
    seen = np.array([[i in frame for frame in numbers] for i in range(len(drive.things))])
    gone = (np.diff(seen.astype(int), axis=1) < 0).sum(axis=1)
    assert (gone > 1).sum() > 10  # out of sight for a while, and back


def test_drawn_signs_are_where_the_truth_says(drive):
    """Nearly nothing changes outside of the boxes when a drive is drawn without its signs."""
    frame = next(draw_frames(drive)).astype(int)
    hidden = Drive(**{**vars(drive), "boxes": np.full_like(drive.boxes, np.nan)})
    empty = next(draw_frames(hidden)).astype(int)
    changed = np.abs(frame - empty).max(axis=-1) > 80
    inside = np.zeros((HEIGHT, WIDTH), bool)
    for box in drive.boxes[:, 0][np.isfinite(drive.boxes[:, 0, 0])]:
        x0, y0, x1, y1 = np.rint(box + [-3, -3, 3, 3]).astype(int).clip(0)
        inside[y0:y1, x0:x1] = True
    assert changed.sum() > 2000
    assert changed[~inside].mean() < 0.02  # poles


def test_files_of_the_mot_challenge(drive, tmp_path):
    write_truth(tmp_path / "truth.txt", drive)
    rows = [line.split(",") for line in (tmp_path / "truth.txt").read_text().splitlines()]
    numbers, boxes = drive.truth(0)
    first = [row for row in rows if row[0] == "1"]
    assert [int(row[1]) - 1 for row in first] == numbers.tolist()
    shifts = [CLASS_STRIDE * CLASSES.index(drive.kinds[i]) for i in numbers]
    written = [float(row[2]) - shift for row, shift in zip(first, shifts, strict=True)]
    np.testing.assert_allclose(written, boxes[:, 0], atol=0.006)

    detections = next(simulated_detections(drive))
    write_detections(tmp_path / "found.txt", [detections, Tracker(0.25).update(detections, 0.0)])
    rows = [line.split(",") for line in (tmp_path / "found.txt").read_text().splitlines()]
    assert {row[1] for row in rows if row[0] == "1"} == {"-1"}
    assert all(int(row[1]) > 0 for row in rows if row[0] == "2")
