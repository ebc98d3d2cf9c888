"""Work in background threads, so that decoding, the network and drawing run at the same time."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_END = object()
_ASKED_EVERY_S = 0.1


def map_ahead(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    threads: int,
    depth: int,
    urgent: Callable[[Item], bool] = lambda item: False,
) -> Iterator[Result]:
    """``map`` by several threads, in order, at most ``depth`` items ahead of the consumer.

    Args:
        work: called in one of the threads.
        items: read in the consumer's thread, as far ahead as there is nothing to give it.
        threads: how many calls of ``work`` may run at a time.
        depth: how many items may be in work or wait for the consumer.
        urgent: whether the consumer gets everything up to an item before the next one is read.
    """
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                at_once = urgent(item)
                while waiting and (at_once or len(waiting) >= depth or waiting[0].done()):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


class _SizedQueue(queue.Queue):
    """Is full with ``depth`` items, and as soon as its items have the size ``most`` together."""

    def __init__(self, depth: int, most: int, size: Callable[[Any], int]) -> None:
        super().__init__(depth)
        self._most, self._size, self._held = most, size, 0

    def _qsize(self) -> int:
        return max(super()._qsize(), self.maxsize if self._held >= self._most else 0)

    def _put(self, item: Any) -> None:
        self._held += self._size(item)
        super()._put(item)

    def _get(self) -> Any:
        item = super()._get()
        self._held -= self._size(item)
        return item


def iterate_ahead(
    items: Iterator[Item],
    *,
    depth: int,
    newest_only: bool = False,
    ended: Callable[[], bool] = lambda: False,
    size: Callable[[Item], int] = lambda item: 0,
    most: int = 1,
) -> Iterator[Item]:
    """Go through ``items`` in one background thread, in order.

    An error of ``items`` is raised here, after the items before it. When the consumer stops, the
    thread stops and closes ``items``.

    Args:
        items: an iterator, for instance a generator that reads a video.
        depth: how many items may wait for the consumer.
        newest_only: drop the oldest item instead of making the producer wait; for live video.
        ended: asked between the items, and while none comes; true ends the iteration.
        size: of an item, for instance in bytes.
        most: no further item waits beside others that have this size together.
    """
    waiting = _SizedQueue(depth, most, lambda entry: 0 if entry[0] is _END else size(entry[0]))
    stop = threading.Event()

    def put(item: object) -> None:
        while not stop.is_set():
            with suppress(queue.Full):
                waiting.put(item, timeout=0.1)
                return

    def put_dropping_oldest(item: object) -> None:
        while not stop.is_set():
            with suppress(queue.Full):
                waiting.put_nowait(item)
                return
            with suppress(queue.Empty):
                waiting.get_nowait()

    def produce() -> None:
        try:
            for item in items:
                (put_dropping_oldest if newest_only else put)((item, None))
                if stop.is_set():
                    break
            put((_END, None))
        except BaseException as error:
            put((_END, error))
        finally:
            if hasattr(items, "close"):
                items.close()

    thread = threading.Thread(target=produce, daemon=True)
    thread.start()
    try:
        while not ended():
            try:
                item, error = waiting.get(timeout=_ASKED_EVERY_S)
            except queue.Empty:
                continue
            if error is not None:
                raise error
            if item is _END:
                return
            yield item
    finally:
        stop.set()
        thread.join(timeout=5)  # a camera may be slow to deliver the current frame
