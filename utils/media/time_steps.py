"""``TimeSteps``: the seconds between the frames of a video whose time stamps may be damaged."""

from __future__ import annotations

DEFAULT_STEP_S = 1 / 30  # where the first two frames have the same time
MIN_STEP_S = 0.0005  # no camera is so fast; stamps that are nearer are the same
USUAL_STEP_S = 1.0  # no more; a longer one is a gap, which is not taken again


class TimeSteps:
    """Seconds between the frames of one video, always more than 0.

    Where time stands still or runs backwards, the last usual step is taken again.
    """

    def __init__(self) -> None:
        self._time_s: float | None = None  # of the frame before, as given
        self._usual_s = DEFAULT_STEP_S

    def to(self, time_s: float) -> float:
        """The step to the next frame, which has this time; ``DEFAULT_STEP_S`` to the first."""
        step_s = 0.0 if self._time_s is None else time_s - self._time_s
        self._time_s = time_s
        if step_s < MIN_STEP_S:
            return self._usual_s
        if step_s <= USUAL_STEP_S:
            self._usual_s = step_s
        return step_s
