"""A server in this process, with a made-up network: ``running``; pictures that carry a number."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO

import httpx
import numpy as np
import uvicorn
from PIL import Image

from utils.detector import Detector
from utils.runtime.runtime import Runtime
from utils.serving.app import create_app
from utils.serving.connection import TimedConnection
from utils.serving.limits import Limits
from utils.serving.serve import listen

SIDE = 64
CLASSES = ("stop", "yield", "no entry")
CLIENT = httpx.Client(timeout=60, verify=False)  # no certificates to read: all is plain HTTP
COPIES = 12  # of each box, so that voting lowers no score


def read_numbers(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One box a picture, whose right end is the number that its grey says, of class ``stop``."""
    greys = images.reshape(len(images), -1).max(axis=1)
    boxes = np.array([[[0, 0, grey / 4, SIDE]] * COPIES for grey in greys], np.float32)
    scores = np.zeros((len(images), COPIES, len(CLASSES)), np.float32)
    scores[..., 0] = 0.9
    return boxes, scores


def picture_of(number: int) -> bytes:
    """A PNG for which ``read_numbers`` finds a box of that width (0 to 255, in quarter pixels)."""
    file = BytesIO()
    Image.new("RGB", (SIDE, SIDE), (number,) * 3).save(file, "PNG")
    return file.getvalue()


def three_signs(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same objects on every picture: scores 0.9 and 0.3 of ``stop``, 0.6 and 0.15 of others."""
    height, width = images.shape[1:3]
    shares = [
        (0.1, 0.3, 0.4, 0.7),
        (0.5, 0.35, 0.75, 0.6),
        (0.3, 0.5, 0.6, 0.8),
        (0.7, 0.3, 0.9, 0.75),
    ]
    boxes = np.repeat(np.array(shares) * [width, height, width, height], COPIES, axis=0)
    scores = np.zeros((len(shares), COPIES, len(CLASSES)))
    for row, (class_id, score) in enumerate([(0, 0.9), (1, 0.6), (0, 0.3), (2, 0.15)]):
        scores[row, :, class_id] = score
    scores = scores.reshape(-1, len(CLASSES))
    return tuple(np.repeat(np.float32(a)[None], len(images), axis=0) for a in (boxes, scores))


def detector_of(infer: Callable, batch_size: int = 8, parallel: int = 1) -> Detector:
    return Detector(Runtime(infer, CLASSES, (SIDE, SIDE), batch_size, "made up", parallel=parallel))


@contextmanager
def running(
    detector: Detector, *, token: str | None = None, limits: Limits | None = None
) -> Iterator[str]:
    """The address of a server in a thread of its own."""
    limits = limits or Limits(rate=0)
    app = create_app(detector, token=token, limits=limits)
    listener = listen("127.0.0.1", 0)
    config = uvicorn.Config(
        app, http=TimedConnection.within(limits.head_seconds), lifespan="on", ws="none",
        log_level="critical", proxy_headers=False, limit_concurrency=limits.connections,
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
