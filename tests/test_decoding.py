"""Decoding in NumPy gives what the network's own decoding gives, for the rows that can count."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nets.yolo
from nets.backbones.spec import STRIDES
from utils import decoding
from utils.decoding import DecodingParams, decode
from utils.detector import Detector
from utils.runtime.runtime import Runtime

ANCHORS = np.array(nets.yolo.COCO_ANCHORS_416, np.float32)


def raw_maps(rng, height, width, classes, spread=3.0, dtype=np.float32):
    """Three maps whose objectness is around the prior, as in a network."""
    maps = [
        rng.normal(0, spread, (height // s, width // s, 3, 5 + classes)).astype(dtype)
        for s in STRIDES
    ]
    for one in maps:
        one[..., 4] -= 4
    return [one.reshape(*one.shape[:2], -1) for one in maps]


def decoded_whole(raw, span=nets.yolo.OFFSET_SPAN):
    """(N, 4) boxes and (N, classes) scores of ``nets.yolo``."""
    maps = [one[None].astype(np.float32) for one in raw]
    output = nets.yolo.detections(nets.yolo.decode(maps, ANCHORS, span))
    return np.asarray(output["boxes"])[0], np.asarray(output["scores"])[0]


def test_the_constants_are_those_of_the_network():
    for name in ("STRIDES", "ANCHORS_PER_LEVEL", "MAX_LOG_SIZE"):
        assert getattr(decoding, name) == getattr(nets.yolo, name)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(1, 4),
    columns=st.integers(1, 4),
    classes=st.integers(1, 6),
    span=st.sampled_from([1.0, 2.0]),
    lowest=st.sampled_from([0.0, 1e-4, 0.05, 0.3, 0.9]),
    dtype=st.sampled_from([np.float32, np.float16]),
)
def test_rows_that_can_count_are_the_networks(seed, rows, columns, classes, span, lowest, dtype):
    rng = np.random.default_rng(seed)
    raw = raw_maps(rng, 32 * rows, 32 * columns, classes, dtype=dtype)
    boxes, scores = decode(raw, DecodingParams(ANCHORS, span), lowest)
    all_boxes, all_scores = decoded_whole(raw, span)
    best = all_scores.max(axis=1)
    # A row whose score is the limit itself, but for rounding, may be there or not.
    needed, allowed = best >= lowest + 1e-5, best >= lowest - 1e-3
    places = np.flatnonzero(allowed)
    assert needed.sum() <= len(boxes) <= len(places)
    row = 0
    for place in places:
        if row < len(boxes) and np.abs(scores[row] - all_scores[place]).max() <= 1e-5:
            np.testing.assert_allclose(boxes[row], all_boxes[place], rtol=1e-5, atol=1e-3)
            row += 1
        else:
            assert not needed[place]
    assert row == len(boxes)


def test_values_that_are_not_finite_are_left_out():
    raw = raw_maps(np.random.default_rng(0), 32, 32, 2)
    raw[2][0, 0, 4] = np.nan  # objectness of the first anchor
    raw[2][0, 0, 7 + 4] = 9.0
    raw[2][0, 0, 7 + 5] = np.nan  # a class of the second
    raw[2][0, 0, 7 + 6] = 9.0
    _, scores = decode(raw, DecodingParams(ANCHORS, 2.0), 0.98)
    assert len(scores) == 1
    assert np.isnan(scores[0, 0])
    assert scores[0, 1] > 0.99


def test_wild_logits_warn_of_nothing():
    raw = [np.full((n, n, 18), 1e4, np.float32) for n in (4, 2, 1)]
    for maps in (raw, [-one for one in raw]):
        with np.errstate(all="raise", under="ignore"):
            boxes, _ = decode(maps, DecodingParams(ANCHORS, 2.0), 0.0)
        assert np.isfinite(boxes).all()


def test_other_maps_are_refused():
    with pytest.raises(ValueError):
        decode([np.zeros((1, 1, 18))] * 2, DecodingParams(ANCHORS, 2.0), 0.1)
    with pytest.raises(ValueError, match="17 channels"):
        decode([np.zeros((1, 1, 17))] * 3, DecodingParams(ANCHORS, 2.0), 0.1)


@pytest.mark.parametrize("conf", [0.001, 0.25, 0.4])
def test_a_runtime_with_raw_maps_detects_the_same(conf):
    raw = [raw_maps(np.random.default_rng(i), 96, 96, 3) for i in range(3)]
    numbers = {"raw": iter(range(3)), "decoded": iter(range(3))}

    def infer_raw(batch):
        found = [raw[next(numbers["raw"])] for _ in batch]
        return tuple(np.stack(level) for level in zip(*found, strict=True))

    def infer_decoded(batch):
        found = [decoded_whole(raw[next(numbers["decoded"])]) for _ in batch]
        return tuple(np.stack(part) for part in zip(*found, strict=True))

    names = ("a", "b", "c")
    with_heads = Runtime(
        infer_raw, names, (96, 96), decoding_params=DecodingParams(ANCHORS, 2.0), batch_size=2
    )
    photos = [np.zeros((60, 80, 3), np.uint8)] * 3
    found = Detector(with_heads)(photos, conf=conf)
    expected = Detector(Runtime(infer_decoded, names, (96, 96), batch_size=2))(photos, conf=conf)
    assert sum(map(len, found)) > 0
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(mine.class_ids, theirs.class_ids)
        np.testing.assert_allclose(mine.scores, theirs.scores, atol=1e-5)
        np.testing.assert_allclose(mine.boxes, theirs.boxes, atol=1e-2)
