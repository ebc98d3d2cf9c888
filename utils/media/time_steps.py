"""``TimeSteps``: the seconds between the frames of a video whose time stamps may be damaged."""

from __future__ import annotations

DEFAULT_STEP_S = 1 / 30  # where the first two frames have the same time
LEAST_STEP_S = 0.0005  # no camera is so fast; stamps that are nearer are the same


class TimeSteps:
    """Seconds between the frames of one video, always more than 0.

    Where time stands still or runs backwards, the step before is taken again.
    """

    def __init__(self) -> None:
        self._time_s: float | None = None  # of the frame before, as given
        self._step_s = DEFAULT_STEP_S

    def to(self, time_s: float) -> float:
        """The step to the next frame, which has this time; ``DEFAULT_STEP_S`` to the first."""
        if self._time_s is not None and time_s - self._time_s >= LEAST_STEP_S:
            self._step_s = time_s - self._time_s
        self._time_s = time_s
        return self._step_s
