"""How many frames a second are being done: ``Rate``."""

from __future__ import annotations

import time
from collections import deque

_WINDOW_S = 2.0  # that the rate is an average of


class Rate:
    """Frames a second over the last two seconds."""

    def __init__(self) -> None:
        self._times: deque[float] = deque()

    def count(self, now_s: float | None = None) -> float | None:
        """One more frame is done, ``now_s`` by a clock of seconds (default: the system's).

        Returns:
            Frames a second; None for the first frame.
        """
        now_s = time.monotonic() if now_s is None else now_s
        self._times.append(now_s)
        while len(self._times) > 2 and self._times[0] < now_s - _WINDOW_S:
            self._times.popleft()
        passed = now_s - self._times[0]
        return (len(self._times) - 1) / passed if passed > 0 else None
