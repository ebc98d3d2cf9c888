"""A stream of pictures through a detector: batches of one shape, several at a time, in order.

``detect_stream`` runs the network in background threads, and suppression in others, while the
caller reads, draws or writes. Only a few pictures are in memory at a time, however many there are.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from utils.prefetch import map_ahead

if TYPE_CHECKING:
    from utils.detector import Detector, NetworkInput, NetworkOutput

Key = TypeVar("Key")
Result = TypeVar("Result")

MAX_WAITING = 2  # batches that a picture may wait for others of its shape


class _Item(NamedTuple):
    """A picture on its way.

    Attributes:
        number: its place in the stream.
        key: what the caller knows it by.
        value: the network's input, then its output, then the result.
        network_ms: milliseconds that the network took for it.
    """

    number: int
    key: Any
    value: Any
    network_ms: float = 0.0


def detect_stream(
    detector: Detector,
    inputs: Iterable[tuple[Key, NetworkInput]],
    postprocess: Callable[[NetworkOutput], Result],
    urgent: Callable[[Key], bool] = lambda key: False,
) -> Iterator[tuple[Key, Result, float]]:
    """The key of each picture, its result, and the milliseconds that the network took for it.

    The results have the order of the inputs. Batches hold pictures of one shape. The runtime says
    how many pictures a batch has at most, and how many batches it likes at the same time.

    Args:
        detector: a detector.
        inputs: keys, and what ``detector.preprocess`` gave.
        postprocess: called in a background thread with the network's output of a picture.
        urgent: whether the network shall not wait for further pictures, nor the caller for them;
            of live video.
    """
    runtime = detector.runtime

    def infer(batch: list[_Item]) -> list[_Item]:
        started = time.perf_counter()
        outputs = detector.infer([item.value for item in batch])
        share = 1000 * (time.perf_counter() - started) / len(batch)
        return [
            item._replace(value=output, network_ms=share)
            for item, output in zip(batch, outputs, strict=True)
        ]

    def postprocess_all(batch: list[_Item]) -> list[_Item]:
        return [item._replace(value=postprocess(item.value)) for item in batch]

    def at_once(batch: list[_Item]) -> bool:
        return any(urgent(item.key) for item in batch)

    items = (_Item(number, key, value) for number, (key, value) in enumerate(inputs))
    batches = _batches_of_one_shape(items, runtime.batch_size, at_once)
    inferred = map_ahead(
        infer, batches, threads=runtime.parallel, depth=runtime.parallel + 1, urgent=at_once
    )
    finishers = runtime.finishers
    finished = map_ahead(
        postprocess_all, inferred, threads=finishers, depth=finishers + 1, urgent=at_once
    )
    for item in _in_order(finished):
        yield item.key, item.value, item.network_ms


def _batches_of_one_shape(
    items: Iterable[_Item], size: int, urgent: Callable[[list[_Item]], bool]
) -> Iterator[list[_Item]]:
    """Lists of up to ``size`` items; of a rare shape fewer, so that none waits long."""
    by_shape: OrderedDict[tuple[int, ...], list[_Item]] = OrderedDict()  # the oldest item first
    for item in items:
        shape = item.value.pixels.shape
        batch = by_shape.setdefault(shape, [])
        batch.append(item)
        if urgent([item]):
            yield from by_shape.values()
            by_shape.clear()
        elif len(batch) == size:
            yield by_shape.pop(shape)
        oldest = next(iter(by_shape.values()), [item])
        if item.number - oldest[0].number >= MAX_WAITING * size:
            yield by_shape.popitem(last=False)[1]
    yield from by_shape.values()


def _in_order(batches: Iterable[list[_Item]]) -> Iterator[_Item]:
    """The items by their numbers, which are whole once all batches have come."""
    early: dict[int, _Item] = {}
    following = 0
    for batch in batches:
        early.update((item.number, item) for item in batch)
        while following in early:
            yield early.pop(following)
            following += 1
