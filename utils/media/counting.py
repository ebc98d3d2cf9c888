"""Counting tracked objects: crossings of lines by direction and class, visits to zones and their
time.

An object changes sides of a line, or of the border of a zone, only once the centre of its box is
more than ``HYSTERESIS`` × box size past it. So jitter is not counted again and again.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from utils.detections import Detection, Detections
from utils.media.count_shapes import Line, Point, Shape, Zone
from utils.media.frames import Frame, Source

HYSTERESIS = 0.1  # of the mean of a box's width and height

EventKind = Literal["forward", "backward", "enter", "appear", "leave", "vanish"]

DIRECTIONS: tuple[EventKind, ...] = ("forward", "backward")
ARRIVALS: tuple[EventKind, ...] = ("enter", "appear")


@dataclass(frozen=True)
class Event:
    """Something that is counted.

    Attributes:
        source: name of the video.
        shape: ``line 1``, ``zone 2``, …
        kind: ``forward`` or ``backward`` across a line. Objects ``enter`` and ``leave`` a zone; one
            that is first seen in it does ``appear``, one that is last seen in it does ``vanish``.
        class_name, track_id: of the object.
        frame, time_s: number and time of the frame; those of the last observation for ``vanish``.
        dwell_s: dwell time, seconds in the zone, for ``leave`` and ``vanish``; otherwise None.
    """

    source: str
    shape: str
    kind: EventKind
    class_name: str
    track_id: int
    frame: int
    time_s: float
    dwell_s: float | None = None


@dataclass(frozen=True)
class Observation:
    """A tracked object in a frame.

    Attributes:
        source: name of the video.
        frame, time_s: number and time of the frame; not the frame itself, whose pixels are large.
        clock_s: seconds on a clock that goes on where the times of a video start anew.
        centre: of its box in pixels.
        hysteresis: pixels by which its centre must be past a line.
    """

    source: str
    class_name: str
    track_id: int
    frame: int
    time_s: float
    clock_s: float
    centre: Point
    hysteresis: float

    @classmethod
    def of(cls, one: Detection, frame: Frame, clock_s: float) -> Observation:
        x0, y0, x1, y1 = one.box
        centre, hysteresis = ((x0 + x1) / 2, (y0 + y1) / 2), HYSTERESIS * (x1 - x0 + y1 - y0) / 2
        who = frame.source.name, one.class_name, one.track_id
        return cls(*who, frame.index, frame.time_s, clock_s, centre, hysteresis)

    def event(self, shape: str, kind: EventKind, dwell_s: float | None = None) -> Event:
        who = self.class_name, self.track_id
        return Event(self.source, shape, kind, *who, self.frame, self.time_s, dwell_s)


class LineCounter:
    """Crossings of one line."""

    def __init__(self, name: str, line: Line) -> None:
        self.name, self.line = name, line
        self._last: dict[int, Observation] = {}  # of each object, where it was clearly on one side

    def update(self, observation: Observation) -> Iterator[Event]:
        distance = distance_to_line(self.line, observation.centre)
        if abs(distance) <= observation.hysteresis:
            return
        before = self._last.get(observation.track_id)
        self._last[observation.track_id] = observation
        if before is None or not crosses(self.line, before.centre, observation.centre):
            return
        yield observation.event(self.name, "forward" if distance > 0 else "backward")

    def forget(self, gone: Iterable[int]) -> Iterator[Event]:
        """Objects that no longer have tracks; crossings do not end."""
        for track_id in gone:
            self._last.pop(track_id, None)
        return iter(())


class ZoneCounter:
    """Visits to one zone."""

    def __init__(self, name: str, zone: Zone) -> None:
        self.name, self.zone = name, zone
        self.entered_s: dict[int, float] = {}  # when each object that is in it came, by the clock
        self._last: dict[int, Observation] = {}  # of all objects, wherever they are

    def update(self, observation: Observation) -> Iterator[Event]:
        distance = distance_into_zone(self.zone, observation.centre)
        new, inside = observation.track_id not in self._last, observation.track_id in self.entered_s
        self._last[observation.track_id] = observation
        if not inside and (distance > observation.hysteresis or (new and distance >= 0)):
            self.entered_s[observation.track_id] = observation.clock_s
            yield observation.event(self.name, "appear" if new else "enter")
        elif inside and distance < -observation.hysteresis:
            dwell_s = observation.clock_s - self.entered_s.pop(observation.track_id)
            yield observation.event(self.name, "leave", dwell_s)

    def present(self, frame: int) -> int:
        """How many objects are seen in the zone in the last frame, which has this number."""
        return sum(self._last[track_id].frame == frame for track_id in self.entered_s)

    def forget(self, gone: Iterable[int]) -> Iterator[Event]:
        """Objects that no longer have tracks: those in the zone vanish."""
        for track_id in gone:
            last = self._last.pop(track_id)
            if track_id in self.entered_s:
                dwell_s = last.clock_s - self.entered_s.pop(track_id)
                yield last.event(self.name, "vanish", dwell_s)


class Counts:
    """Counts at lines and in zones, over all videos of a run.

    Args:
        shapes: lines and zones, in pixels of the frames.
        track_buffer_s: seconds after which an object that is not seen has gone.
    """

    def __init__(self, shapes: Sequence[Shape], track_buffer_s: float) -> None:
        self.shapes = tuple(shapes)
        self.track_buffer_s = track_buffer_s
        lines = [one for one in shapes if isinstance(one, Line)]
        zones = [one for one in shapes if isinstance(one, Zone)]
        self.lines = [LineCounter(f"line {i}", one) for i, one in enumerate(lines, start=1)]
        self.zones = [ZoneCounter(f"zone {i}", one) for i, one in enumerate(zones, start=1)]
        self.totals: dict[tuple[str, str], Counter[str]] = {}  # classes by shape and kind
        self.dwell_s: dict[str, Counter[str]] = {}  # of finished visits, by zone and class
        self._source: Source | None = None
        self._seen_s: dict[int, float] = {}  # when each track was last seen, by the clock
        self._time_s, self._clock_s = 0.0, 0.0  # of the frame before

    def update(self, frame: Frame, detections: Detections) -> list[Event]:
        """What happens in the next frame of a video; the objects that count have track ids."""
        events = []
        if frame.source != self._source:
            events = self.end_video()
            self._source, self._time_s = frame.source, frame.time_s
        # Damaged time stamps run backwards; the clock stands still then.
        self._clock_s += max(frame.time_s - self._time_s, 0.0)
        self._time_s, now_s = frame.time_s, self._clock_s
        observations = [
            Observation.of(one, frame, now_s) for one in detections if one.track_id is not None
        ]
        self._seen_s.update((observation.track_id, now_s) for observation in observations)
        gone = [one for one, seen_s in self._seen_s.items() if now_s - seen_s > self.track_buffer_s]
        new = self._forget(gone)
        new += [
            event
            for observation in observations
            for one in self._all
            for event in one.update(observation)
        ]
        return events + self._counted(new)

    def end_video(self) -> list[Event]:
        """What the end of a video brings: the objects that are still in a zone vanish."""
        return self._counted(self._forget(list(self._seen_s)))

    def count(self, shape: str, *kinds: EventKind) -> Counter[str]:
        """How many objects of each class did one of these things."""
        return sum((self.totals.get((shape, kind), Counter()) for kind in kinds), Counter())

    def sentences(self) -> Iterator[str]:
        """The totals, for people."""
        for line in self.lines:
            directions = (
                by_class(self.count(line.name, direction), direction) for direction in DIRECTIONS
            )
            yield f"{line.name}: {', '.join(directions)}"
        for zone in self.zones:
            visits = self.count(zone.name, *ARRIVALS)
            mean = self.dwell_seconds(zone.name).total() / max(1, visits.total())
            average = f", {mean:.1f} s each on average" if visits else ""
            visited = by_class(visits, "visit" if visits.total() == 1 else "visits")
            yield f"{zone.name}: {visited}{average}"

    def dwell_seconds(self, zone: str) -> Counter[str]:
        """Dwell time in seconds of each class in a zone, of objects that have left it."""
        return self.dwell_s.get(zone, Counter())

    @property
    def _all(self) -> list[LineCounter | ZoneCounter]:
        return [*self.lines, *self.zones]

    def _forget(self, gone: list[int]) -> list[Event]:
        for track_id in gone:
            del self._seen_s[track_id]
        return [event for one in self._all for event in one.forget(gone)]

    def _counted(self, events: list[Event]) -> list[Event]:
        for event in events:
            key = event.shape, event.kind
            self.totals.setdefault(key, Counter())[event.class_name] += 1
            if event.dwell_s is not None:
                self.dwell_s.setdefault(event.shape, Counter())[event.class_name] += event.dwell_s
        return events


def distance_to_line(line: Line, point: Point) -> float:
    """Pixels from a point to the endless line; positive on its right, as seen on the picture."""
    (ax, ay), (bx, by), (x, y) = line.start, line.end, point
    return ((bx - ax) * (y - ay) - (by - ay) * (x - ax)) / math.hypot(bx - ax, by - ay)


def crosses(line: Line, before: Point, after: Point) -> bool:
    """Whether the straight path between two points, neither of them on the endless line, meets the
    line between its ends, which belong to it."""
    path = Line(before, after)
    if distance_to_line(line, before) * distance_to_line(line, after) > 0:
        return False
    return distance_to_line(path, line.start) * distance_to_line(path, line.end) <= 0


def distance_into_zone(zone: Zone, point: Point) -> float:
    """Pixels from a point to the border of a zone; positive inside, by the even-odd rule."""
    x, y = point
    inside, nearest = False, math.inf
    for (ax, ay), (bx, by) in zip(zone.corners, (*zone.corners[1:], zone.corners[0]), strict=True):
        if (ay > y) != (by > y) and x < ax + (y - ay) / (by - ay) * (bx - ax):
            inside = not inside
        length = (bx - ax) ** 2 + (by - ay) ** 2
        along = ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length if length else 0.0
        along = min(1.0, max(0.0, along))
        nearest = min(nearest, math.hypot(x - ax - along * (bx - ax), y - ay - along * (by - ay)))
    return nearest if inside else -nearest


def by_class(classes: Counter[str], what: str) -> str:
    """``3 forward (car 2, bus 1)``."""
    names = ", ".join(f"{name} {count}" for name, count in classes.most_common())
    return f"{classes.total():,} {what}" + (f" ({names})" if names else "")
