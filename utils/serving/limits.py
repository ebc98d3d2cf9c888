"""What a server takes at most: ``Limits``, and how they are kept: ``RateLimit`` and ``Room``.

A request beyond a limit gets a ``Refusal``, which is an HTTP status with one sentence.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from utils.text import counted


class Refusal(Exception):
    """A request that is not carried out.

    Args:
        status: of the HTTP answer.
        sentence: what is wrong, and what to do.
        retry_after_s: seconds after which the same request may succeed; None if it never will.
        close: whether to end the connection, because what comes on it cannot be understood.
    """

    def __init__(
        self, status: int, sentence: str, *, retry_after_s: int | None = None, close: bool = False
    ) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence
        self.retry_after_s, self.close = retry_after_s, close


@dataclass(frozen=True)
class Limits:
    """What a server takes at most.

    Attributes:
        body_bytes: of a request.
        pixels: of a picture.
        pictures: in a request.
        rate: requests a second of one client address, over some seconds; 0 for any number.
        queue: pictures that wait or are in work, of all clients.
        all_bytes: of the bodies of all requests together.
        body_seconds: for a body to arrive.
        head_seconds: for the request line and the headers to arrive.
        connections: open at the same time.
        stop_seconds: for requests in work to be answered when the server stops.
    """

    body_bytes: int = 20_000_000
    pixels: int = 50_000_000
    pictures: int = 16
    rate: float = 100.0
    queue: int = 64
    all_bytes: int = 256_000_000
    body_seconds: float = 30.0
    head_seconds: float = 10.0
    connections: int = 512
    stop_seconds: int = 30

    @property
    def most_pictures(self) -> int:
        """In a request: no more than can wait at the same time."""
        return min(self.pictures, self.queue)

    def too_many_pictures(self) -> Refusal:
        """The answer to a request with more of them."""
        most = counted(self.most_pictures, "picture")
        return Refusal(413, f"a request may have {most}; send several")


class RateLimit:
    """A token bucket for each client: ``rate`` requests a second, and ``BURST_S`` seconds' worth
    of them at once.

    Args:
        rate: requests a second; 0 for any number.
        clock: gives seconds.
    """

    BURST_S = 2.0
    MAX_CLIENTS = 10_000  # that are remembered; the one that was seen longest ago is forgotten

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._clock = rate, clock
        self._full = max(1.0, rate * self.BURST_S)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # (requests, when)

    def take(self, client: str) -> None:
        """Count a request.

        Raises:
            Refusal: the client has sent too many (429).
        """
        if not self._rate:
            return
        now = self._clock()
        left, before = self._buckets.pop(client, (self._full, now))
        left = min(self._full, left + (now - before) * self._rate)
        allowed = left >= 1
        self._buckets[client] = (left - allowed, now)
        if len(self._buckets) > self.MAX_CLIENTS:
            self._buckets.popitem(last=False)
        if not allowed:
            raise Refusal(
                429,
                f"more than {self._rate:g} requests a second from one address; send them slower",
                retry_after_s=max(1, math.ceil((1 - left) / self._rate)),
            )


class Room:
    """A number of places, which requests take and give back.

    Args:
        places: how many there are.
        sentence: of the refusal where there are too few.
    """

    def __init__(self, places: int, sentence: str) -> None:
        self.places, self.taken = places, 0
        self._sentence = sentence

    def check(self, number: int = 1) -> None:
        """
        Raises:
            Refusal: so many places are not free (503).
        """
        if self.taken + number > self.places:
            raise Refusal(503, self._sentence, retry_after_s=1)

    @contextmanager
    def place(self) -> Iterator[Callable[[int], None]]:
        """Gives a function that takes further places; they are free again after the block."""
        mine = 0

        def take(number: int) -> None:
            nonlocal mine
            self.check(number)
            self.taken += number
            mine += number

        try:
            yield take
        finally:
            self.taken -= mine
