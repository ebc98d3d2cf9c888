"""``Service``: a detector for many clients at once, from uploaded bytes to entries of JSON."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from PIL import Image

from utils.cores import available_cores
from utils.detector import Detector, NetworkInput, NetworkOutput
from utils.errors import UserError
from utils.image_header import TooManyParts, parse_header
from utils.images import FORMATS, decode_image
from utils.media.outputs import entry
from utils.serving.batching import Batcher
from utils.serving.bodies import Upload
from utils.serving.limits import Limits, Refusal, Room
from utils.serving.metrics import Metrics
from utils.thresholds import Thresholds


class Service:
    """A context manager (``async with``) within which ``detect`` may be called by many tasks.

    Args:
        detector: finds the objects.
        limits: of pixels and of the queue.
        metrics: count pictures, objects and batches.
    """

    def __init__(self, detector: Detector, limits: Limits, metrics: Metrics) -> None:
        self._detector, self._limits, self._metrics = detector, limits, metrics
        self._ranges = detector.pixel_ranges
        self.queue = Room(limits.queue, "too many pictures are waiting; try again in a second")
        self.bodies = Room(limits.all_bytes, "too much is being sent; try again in a second")

    async def __aenter__(self) -> Service:
        self._batcher = Batcher(self._detector, self._metrics.batch_pictures.observe)
        self._threads = ThreadPoolExecutor(available_cores(), "pictures")
        await self._batcher.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._batcher.__aexit__(*error)
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def detect(
        self, uploads: Sequence[Upload], thresholds: Thresholds
    ) -> list[dict[str, Any]]:
        """What is on each picture, as in the JSON of predict.py.

        Raises:
            Refusal: too many pictures (413, 503), or one that cannot be read (413, 415).
        """
        if len(uploads) > self._limits.most_pictures:
            raise self._limits.too_many_pictures()
        with self.queue.place() as take:
            take(len(uploads))
            found = await asyncio.gather(
                *(self._detect(upload, thresholds) for upload in uploads), return_exceptions=True
            )
        if errors := [one for one in found if isinstance(one, BaseException)]:
            raise errors[0]
        return found

    async def _detect(self, upload: Upload, thresholds: Thresholds) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        started = time.perf_counter()
        prepared = await loop.run_in_executor(self._threads, self._prepare, upload)
        output = await self._batcher.infer(prepared)
        finish = partial(self._finish, upload.name, output, thresholds)
        found = await loop.run_in_executor(self._threads, finish)
        self._metrics.picture_seconds.observe(time.perf_counter() - started)
        self._metrics.objects.add(len(found["detections"]))
        return found

    def _prepare(self, upload: Upload) -> NetworkInput:
        """Only the small input of the network is kept; the picture's own pixels are not."""
        check_pixels(upload, self._limits.pixels)
        try:
            image = decode_image(upload.data, upload.name, ranges=self._ranges)
        except UserError as error:
            raise Refusal(415, str(error)) from None
        return self._detector.preprocess(image)

    def _finish(self, name: str, output: NetworkOutput, thresholds: Thresholds) -> dict[str, Any]:
        detections = self._detector.postprocess(
            output, conf=thresholds.conf, iou=thresholds.iou, max_det=thresholds.max_det
        )
        letterbox = output.letterbox
        return entry(name, letterbox.width, letterbox.height, detections)


def check_pixels(upload: Upload, most: int) -> None:
    """Look at the header, before the pixels are decoded.

    Raises:
        Refusal: too many pixels (413), or no picture (415).
    """
    try:
        parse_header(upload.data)
        with Image.open(io.BytesIO(upload.data), formats=FORMATS) as image:
            pixels = image.width * image.height
    except Image.DecompressionBombError:
        pixels = Image.MAX_IMAGE_PIXELS * 2
    except TooManyParts as error:
        raise Refusal(415, f"{upload.name}: cannot be read as an image ({error})") from None
    except Exception:  # decoders raise nearly anything on damaged files
        raise Refusal(
            415, f"{upload.name}: is not an image of a known format ({', '.join(FORMATS)})"
        ) from None
    if pixels > most:
        raise Refusal(
            413,
            f"{upload.name}: has more than the {most / 1e6:g} million pixels allowed; make the "
            "picture smaller",
        )
