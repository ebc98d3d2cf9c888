"""A stream of pictures: batches of one shape, the order kept, little in memory."""

import threading
import time

import numpy as np
import pytest

from utils.detector import Detector
from utils.prefetch import map_ahead
from utils.runtime.runtime import Runtime
from utils.streaming import MAX_WAITING, detect_stream


def detector_of(infer, **options):
    return Detector(Runtime(infer, ("a",), (64, 64), any_shape=True, **options))


def brightness(batch):
    """One box whose width is the picture's brightness."""
    boxes = np.zeros((len(batch), 1, 4), np.float32)
    boxes[:, 0, 2:] = batch.mean(axis=(1, 2, 3))[:, None].round() + 1
    return boxes, np.ones((len(batch), 1, 1), np.float32)


def pictures(count, seed=0):
    """Numbered by their brightness, of three shapes."""
    rng = np.random.default_rng(seed)
    sizes = [(64, 64), (32, 64), (64, 32)]
    return [np.full((*sizes[rng.integers(3)], 3), i, np.uint8) for i in range(count)]


@pytest.mark.parametrize("parallel", [1, 3])
@pytest.mark.parametrize("batch_size", [1, 4])
def test_order_is_kept_and_batches_have_one_shape(batch_size, parallel):
    sizes = []

    def infer(batch):  # np.stack has already refused pictures of several shapes
        sizes.append(len(batch))
        time.sleep(0.002 * (len(sizes) % 3))
        return brightness(batch)

    detector = detector_of(infer, batch_size=batch_size, parallel=parallel)
    keyed = ((i, detector.preprocess(image)) for i, image in enumerate(pictures(40)))
    found = [
        (key, width)
        for key, width, _ in detect_stream(detector, keyed, lambda o: o.arrays[0][0, 2])
    ]
    assert found == [(i, i + 1) for i in range(40)]
    assert max(sizes) == batch_size
    assert sum(sizes) == 40


def test_a_list_of_several_shapes_comes_back_in_order():
    found = detector_of(brightness, batch_size=4)(pictures(20))
    assert [len(one) for one in found] == [1] * 20


@pytest.mark.parametrize("rare", [0, 3])
def test_only_a_few_pictures_wait(rare):
    read, given = 0, 0
    most = 0

    def inputs():
        nonlocal read
        for number, image in enumerate(pictures(200)):
            read += 1  # one of another shape waits for another one, which never comes
            shaped = np.zeros((64, 64, 3) if number == rare else (32, 64, 3), np.uint8)
            yield read, detector.preprocess(shaped if rare else image)

    detector = detector_of(brightness, batch_size=2, parallel=2)
    for _ in detect_stream(detector, inputs(), lambda output: None):
        given += 1
        most = max(most, read - given)
    assert given == 200
    assert most <= 2 * (MAX_WAITING + 10)


def test_live_pictures_wait_for_nothing():
    detector = detector_of(brightness, batch_size=8, parallel=2)
    read = 0

    def inputs():
        nonlocal read
        for image in pictures(5):
            read += 1
            yield read, detector.preprocess(image)

    for key, _, _ in detect_stream(detector, inputs(), lambda output: None, lambda key: True):
        assert read == key


def test_errors_reach_the_caller():
    def infer(batch):
        raise RuntimeError("out of order")

    with pytest.raises(RuntimeError, match="out of order"):
        detector_of(infer, batch_size=2)(pictures(9))


def test_as_many_calls_run_at_once_as_the_runtime_likes():
    gate = threading.Barrier(3, timeout=10)

    def infer(batch):
        gate.wait()  # passes once three calls are here
        return brightness(batch)

    assert len(detector_of(infer, parallel=3)(pictures(9))) == 9


def test_map_ahead_gives_what_is_ready_before_it_reads_on():
    read = []

    def items():
        for i in range(6):
            read.append(i)
            yield i

    results = map_ahead(lambda i: i * i, items(), threads=2, depth=3, urgent=lambda i: i == 4)
    assert next(results) == 0
    assert len(read) <= 3
    assert list(results) == [1, 4, 9, 16, 25]
