"""Assignment against a plain reading of the YOLOv3 paper, one object at a time."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from nets.targets import BACKGROUND, AssignConfig, assign
from nets.yolo import COCO_ANCHORS_416, decode

ANCHORS = [tuple(float(v) for v in pair) for pair in COCO_ANCHORS_416]
STRIDES = (8, 16, 32)


def grids_of(height, width):
    return [(height // s, width // s) for s in STRIDES]


def plain_shape_iou(w, h, anchor):
    inter = min(w, anchor[0]) * min(h, anchor[1])
    return inter / (w * h + anchor[0] * anchor[1] - inter)


def row_of(cx, cy, anchor, grids):
    level = anchor // 3
    start = 3 * sum(h * w for h, w in grids[:level])
    return start + (cy * grids[level][1] + cx) * 3 + anchor % 3


def plain_assign(boxes, class_ids, grids, ratio, neighbours):
    """For a single image, with loops. Returns {row: object}."""
    real = [m for m, c in enumerate(class_ids) if c >= 0 and (boxes[m][2:] > boxes[m][:2]).all()]
    fits, homes, centres = {}, {}, {}
    for m in real:
        x0, y0, x1, y1 = boxes[m]
        w, h, centres[m] = x1 - x0, y1 - y0, ((x0 + x1) / 2, (y0 + y1) / 2)
        fits[m] = [plain_shape_iou(w, h, anchor) for anchor in ANCHORS]
        homes[m] = []
        for a in range(9):
            rows, columns = grids[a // 3]
            cx = min(int(centres[m][0] // STRIDES[a // 3]), columns - 1)
            cy = min(int(centres[m][1] // STRIDES[a // 3]), rows - 1)
            homes[m].append((cx, cy))
    owner = {}

    def settle(wishes):
        """wishes: (row, fit, object); the best fit has the row, then the lower index."""
        for row, _, m in sorted(wishes, key=lambda w: (-w[1], w[2])):
            owner.setdefault(row, m)

    waiting = list(real)
    for _ in range(3):
        wishes = []
        for m in waiting:
            free = [a for a in range(9) if row_of(*homes[m][a], a, grids) not in owner]
            if free:
                best = max(free, key=lambda a: (fits[m][a], -a))
                wishes.append((row_of(*homes[m][best], best, grids), fits[m][best], m))
        settle(wishes)
        waiting = [m for m in waiting if m not in owner.values()]
    if ratio is None:
        return owner

    def close(m, a):
        w, h = boxes[m][2] - boxes[m][0], boxes[m][3] - boxes[m][1]
        pw, ph = ANCHORS[a]
        return max(w / pw, pw / w, h / ph, ph / h) < ratio

    chosen = [(m, a) for m in real for a in range(9) if close(m, a)]
    settle([(row_of(*homes[m][a], a, grids), fits[m][a], m) for m, a in chosen])
    if neighbours:
        wishes = []
        for m, a in chosen:
            (cx, cy), stride = homes[m][a], STRIDES[a // 3]
            rows, columns = grids[a // 3]
            dx = -1 if centres[m][0] / stride - cx < 0.5 else 1
            dy = -1 if centres[m][1] / stride - cy < 0.5 else 1
            for nx, ny in ((cx + dx, cy), (cx, cy + dy)):
                if 0 <= nx < columns and 0 <= ny < rows:
                    wishes.append((row_of(nx, ny, a, grids), fits[m][a], m))
        settle(wishes)
    return owner


def run(boxes, class_ids, grids, **options):
    owner = assign(
        tf.constant(boxes, tf.float32),
        tf.constant(class_ids, tf.int32),
        grids,
        ANCHORS,
        AssignConfig(**options),
    ).numpy()
    return [{int(r): int(image[r]) for r in np.flatnonzero(image != BACKGROUND)} for image in owner]


# Quarter pixels and sizes well apart keep float32 and Python's floats on the same side of every
# comparison, so the two readings must agree exactly.
position = st.integers(0, 4 * 160).map(lambda v: v / 4)
size = st.sampled_from([3, 7, 10.5, 17, 24, 33.25, 47, 61, 88, 120.5])
objects = st.lists(
    st.tuples(position, position, size, size, st.integers(-1, 2)), min_size=1, max_size=12
)


@given(objects, st.sampled_from([(None, False), (4.0, False), (4.0, True)]))
@settings(max_examples=150, deadline=None)
def test_agrees_with_the_plain_reading(items, mode):
    height, width = 160, 192
    boxes = np.array(
        [[x, y, min(x + w, width), min(y + h, height)] for x, y, w, h, _ in items], np.float32
    )
    class_ids = np.array([item[4] for item in items])
    grids = grids_of(height, width)
    ratio, neighbours = mode
    got = run(boxes[None], class_ids[None], grids, max_anchor_ratio=ratio, neighbours=neighbours)
    expected = plain_assign(boxes, class_ids, grids, ratio, neighbours)
    assert got[0].keys() == expected.keys()
    differing = [row for row in expected if expected[row] != got[0][row]]
    for row in differing:  # only between objects that fit equally well to float32's precision
        a, b = expected[row], got[0][row]
        sides = boxes[:, 2:] - boxes[:, :2]
        assert np.allclose(
            plain_shape_iou(*sides[a], ANCHORS[0]), plain_shape_iou(*sides[b], ANCHORS[0]), 1e-5
        )


def box_at(cx, cy, w, h):
    return [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]


def test_paper_mode_gives_each_object_its_best_anchor():
    grids = grids_of(416, 416)
    got = run([[box_at(100, 200, 59, 119)]], [[0]], grids, max_anchor_ratio=None)
    assert got == [{row_of(100 // 16, 200 // 16, 5, grids): 0}]


def test_two_objects_of_one_shape_in_one_cell_both_find_a_place():
    grids = grids_of(416, 416)
    boxes = [[box_at(100, 200, 60, 110), box_at(101, 201, 59, 119), box_at(102, 202, 58, 115)]]
    got = run(boxes, [[0, 1, 1]], grids, max_anchor_ratio=None)[0]
    assert sorted(got.values()) == [0, 1, 2]
    assert got[row_of(6, 12, 5, grids)] == 1  # the best fit has the anchor they all want


def test_objects_on_every_border_stay_in_the_grid():
    grids = grids_of(96, 128)
    boxes = [
        [0, 0, 10, 13], [118, 0, 128, 13], [0, 83, 10, 96], [118, 83, 128, 96],
        [127.9, 95.9, 128, 96], [0, 0, 128, 96],
    ]  # fmt: skip
    got = run([boxes], [[0] * 6], grids)[0]
    total = 3 * sum(h * w for h, w in grids)
    assert set(got.values()) == set(range(6))
    assert all(0 <= row < total for row in got)


def test_empty_images_and_padding_have_no_owner():
    grids = grids_of(64, 64)
    boxes = np.zeros((2, 3, 4), np.float32)
    boxes[1, 0] = [10, 10, 40, 40]
    boxes[1, 1] = [5, 5, 60, 60]  # an object to ignore: class −1
    assert run(boxes, [[-1] * 3, [2, -1, -1]], grids)[0] == {}
    got = run(boxes, [[-1] * 3, [2, -1, -1]], grids)[1]
    assert set(got.values()) == {0}


@pytest.mark.parametrize("neighbours", [False, True])
def test_targets_decode_to_their_box(neighbours):
    """The raw outputs that a row would need for its object exist, and decode to that object."""
    grids = grids_of(160, 160)
    rng = np.random.default_rng(3)
    boxes = np.array([box_at(*rng.uniform(20, 140, 2), *rng.uniform(8, 100, 2)) for _ in range(6)])
    boxes = boxes.astype(np.float32)
    owners = run(boxes[None], [[0] * 6], grids, neighbours=neighbours)[0]
    raw = [np.zeros((1, h, w, 3, 6), np.float32) for h, w in grids]
    starts = np.cumsum([0] + [3 * h * w for h, w in grids])
    for row, m in owners.items():
        level = int(np.searchsorted(starts, row, side="right")) - 1
        cell, a = divmod(row - starts[level], 3)
        cy, cx = divmod(cell, grids[level][1])
        x, y = (boxes[m, :2] + boxes[m, 2:]) / 2 / STRIDES[level]
        share = (np.array([x - cx, y - cy]) - 0.5) / 2 + 0.5  # of the span of two cells
        assert ((share > -1e-6) & (share < 1 + 1e-6)).all()
        share = np.clip(share, 1e-6, 1 - 1e-6)
        size = boxes[m, 2:] - boxes[m, :2]
        raw[level][0, cy, cx, a, :2] = np.log(share / (1 - share))
        raw[level][0, cy, cx, a, 2:4] = np.log(size / ANCHORS[3 * level + a])
    flat = [r.reshape(1, *r.shape[1:3], 18) for r in raw]
    decoded = np.array(decode(flat, ANCHORS).boxes)[0]
    for row, m in owners.items():
        assert np.abs(decoded[row] - boxes[m]).max() < 0.02
