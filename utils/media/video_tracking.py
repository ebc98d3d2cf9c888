"""``predict.py --track``: ids, trails and counts for the videos of a run."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from utils.detections import NO_TRACK, Detections
from utils.drawing.boxes import draw_detections
from utils.drawing.count_shapes import draw_count, draw_line, draw_zone
from utils.drawing.trails import Trails
from utils.media.count_shapes import Line, Shape, is_outside
from utils.media.counting import ARRIVALS, DIRECTIONS, Counts, Event, by_class
from utils.media.frames import Frame, Source
from utils.media.outputs import Output, TextFile, draw_frame
from utils.media.tracking import MAX_STEP_S, Tracker


class VideoTracking:
    """Follows the objects of one video after another.

    Args:
        conf: lowest score of an object that begins a track.
        shapes: lines and zones at which objects are counted.
        warn: called with one sentence for a video that a line or zone lies outside of, or whose
            frames are far apart.
    """

    def __init__(
        self,
        conf: float,
        shapes: Sequence[Shape] = (),
        warn: Callable[[str], None] = lambda message: None,
    ) -> None:
        self.warn = warn
        self.tracker = Tracker(conf)
        self.counts = Counts(shapes, self.tracker.track_buffer_s)
        self.events: list[Event] = []  # of the last frame
        self._source: Source | None = None
        self._trails = Trails()
        self._objects: Counter[str] = Counter()  # tracks of each class, over all videos
        self._highest_id = 0  # in this video
        self._warned = False  # of long steps in it

    def update(self, frame: Frame, detections: Detections) -> Detections:
        """The objects of the next frame with track ids; those of a picture without.

        Args:
            frame: follows the one before, in the same video or at the start of another.
            detections: from a score of ``tracker.low_conf`` on.
        """
        self.events = []
        if frame.index is None:
            return detections[detections.scores >= self.tracker.conf]
        if frame.source != self._source:
            self._begin(frame)
        tracked = self.tracker.update(detections, frame.time_s)
        self._warn_of_long_steps(frame, tracked)
        self.events = self.counts.update(frame, tracked)
        self._trails.add(tracked, frame.time_s)
        new = tracked[tracked.track_ids > self._highest_id]
        self._objects.update(new.names())
        self._highest_id = max(self._highest_id, *new.track_ids.tolist(), 0)
        return tracked

    def _warn_of_long_steps(self, frame: Frame, tracked: Detections) -> None:
        """Once a video, where an object has its number from a frame that is long ago."""
        step_s = self.tracker.step_s
        again = (tracked.track_ids != NO_TRACK) & (tracked.track_ids <= self._highest_id)
        if self._warned or not MAX_STEP_S < step_s < math.inf or not again.any():
            return
        self._warned = True
        self.warn(
            f"{frame.source.name}: its frames are {step_s:.0f} s apart, so an object can get the "
            "number of another; with more frames a second, tracks and counts are surer"
        )

    def _begin(self, frame: Frame) -> None:
        """Another video."""
        self.tracker.reset()
        self._source, self._trails, self._highest_id = frame.source, Trails(), 0
        self._warned = False
        height, width = frame.image.shape[:2]
        for shape in self.counts.shapes:
            if is_outside(shape, width, height):
                kind = "line" if isinstance(shape, Line) else "zone"
                self.warn(
                    f"{frame.source.name}: --count-{kind} {shape} lies outside of its {width}×"
                    f"{height} pixels, so it counts nothing there"
                )

    def draw(self, frame: Frame, detections: Detections) -> np.ndarray:
        """A copy of the frame that was updated last, uint8 (H, W, 3) RGB, with zones, trails,
        boxes, lines and counts."""
        if frame.index is None:
            return draw_frame(frame, detections)
        picture, counts = frame.image.copy(), self.counts
        for one in counts.zones:
            draw_zone(picture, one.zone.corners)
        self._trails.draw(picture)
        picture = draw_detections(picture, detections)
        for one in counts.lines:
            draw_line(picture, one.line.start, one.line.end)
        for one in counts.zones:
            visits = counts.count(one.name, *ARRIVALS).total()
            top = min(one.zone.corners, key=lambda corner: corner[1])
            draw_count(picture, top, f"{one.name}: {one.present(frame.index)} of {visits}")
        for one in counts.lines:
            directions = (
                f"{counts.count(one.name, direction).total()} {direction}"
                for direction in DIRECTIONS
            )
            draw_count(picture, one.line.start, f"{one.name}: {', '.join(directions)}")
        return picture

    def sentences(self) -> Iterator[str]:
        """The totals, for people."""
        what = "object" if self._objects.total() == 1 else "objects"
        yield f"tracked: {by_class(self._objects, what)}"
        yield from self.counts.sentences()


class CountsFile(TextFile, Output):
    """``counts.csv``: a row for each event, then the totals of all videos.

    Total rows have the number of events in ``count``, and the seconds in the zone in ``seconds``.
    Those without a class are of all classes.
    """

    COLUMNS = (
        "row", "source", "counter", "event", "class", "track_id", "frame", "time_s", "seconds",
        "count",
    )  # fmt: skip

    def __init__(self, path: Path, tracking: VideoTracking) -> None:
        super().__init__(path)
        self.tracking = tracking
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow(self.COLUMNS)

    def write(self, frame: Frame, detections: Detections, name: str) -> None:
        self._write_events(self.tracking.events)

    def close(self, complete: bool) -> None:
        if complete:
            self._write_events(self.tracking.counts.end_video())
            self._write_totals(self.tracking.counts)
        super().close(complete)

    def _write_events(self, events: Sequence[Event]) -> None:
        for one in events:
            what = one.source, one.shape, one.kind, one.class_name, one.track_id, one.frame
            visit = "" if one.dwell_s is None else round(one.dwell_s, 3)
            self._writer.writerow(["event", *what, round(one.time_s, 3), visit, 1])

    def _write_totals(self, counts: Counts) -> None:
        for line in counts.lines:
            for direction in DIRECTIONS:
                self._write_total(line.name, direction, counts.count(line.name, direction), None)
        for zone in counts.zones:
            visits = counts.count(zone.name, *ARRIVALS)
            self._write_total(zone.name, "visit", visits, counts.dwell_seconds(zone.name))

    def _write_total(
        self, shape: str, event: str, classes: Counter[str], seconds: Counter[str] | None
    ) -> None:
        names = ["", *(name for name, _ in classes.most_common())]
        for name in names:
            total = "" if seconds is None else round(_of(seconds, name), 3)
            self._writer.writerow(
                ["total", "", shape, event, name, "", "", "", total, _of(classes, name)]
            )


def _of(classes: Counter[str], name: str) -> float:
    """The number of a class; of all for the empty name."""
    return classes[name] if name else classes.total()
