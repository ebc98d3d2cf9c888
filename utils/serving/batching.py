"""``Batcher``: pictures of different requests go through the network together.

A picture that finds the network idle is not kept waiting. Those that come while it is busy are its
next batch.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from utils.detector import Detector, NetworkInput, NetworkOutput


class _Waiting(NamedTuple):
    network_input: NetworkInput
    output: asyncio.Future[NetworkOutput]


class Batcher:
    """A context manager (``async with``) within which ``infer`` may be called.

    Args:
        detector: gets batches of one shape, from as many threads as its runtime likes.
        observe: called with the number of pictures of each batch.
    """

    def __init__(self, detector: Detector, observe: Callable[[int], None]) -> None:
        self._detector, self._observe = detector, observe
        self._waiting: deque[_Waiting] = deque()
        self._arrived = asyncio.Condition()
        parallel = max(1, detector.runtime.parallel)
        self._threads = ThreadPoolExecutor(parallel, "network")
        self._number = parallel
        self._workers: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Batcher:
        self._workers = [asyncio.create_task(self._work()) for _ in range(self._number)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def infer(self, network_input: NetworkInput) -> NetworkOutput:
        """The network's output for one picture; raises what the runtime raises."""
        output = asyncio.get_running_loop().create_future()
        async with self._arrived:
            self._waiting.append(_Waiting(network_input, output))
            self._arrived.notify()
        return await output

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            async with self._arrived:
                await self._arrived.wait_for(lambda: self._waiting)
                batch = self._next_batch()
            self._observe(len(batch))
            inputs = [one.network_input for one in batch]
            try:
                outputs = await loop.run_in_executor(self._threads, self._detector.infer, inputs)
            except Exception as error:  # belongs to these requests; the next batch may do better
                for one in batch:
                    if not one.output.done():
                        one.output.set_exception(error)
                continue
            for one, output in zip(batch, outputs, strict=True):
                if not one.output.done():  # nobody waits for it any more
                    one.output.set_result(output)

    def _next_batch(self) -> list[_Waiting]:
        """The picture that came first, and those of the same shape that came after it."""
        shape = self._waiting[0].network_input.pixels.shape
        batch: list[_Waiting] = []
        others: deque[_Waiting] = deque()
        for one in self._waiting:
            fits = one.network_input.pixels.shape == shape
            fits = fits and len(batch) < self._detector.batch_size
            (batch if fits else others).append(one)
        self._waiting = others
        return batch
