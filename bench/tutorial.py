"""A loader, a training step and a detector as tutorials write them, for comparison.

Loading: Pillow opens a photo and resizes it with bicubic filtering and jitter. It is pasted on grey
and mirrored, and lookup tables change its colours in HSV. Python loops fill dense targets for three
grids.

Training: every layer learns and batch norm uses the batch. The loss is YOLOv3's: squared errors of
boxes weighted by size, cross-entropy for objectness and classes. It finds the predictions to ignore
with a ``tf.while_loop`` over the images. Adam updates a functional Keras model.

Detecting: Pillow opens a photo, resizes it with bicubic filtering and pastes it on grey. One graph
runs the Keras model, decodes its maps, and suppresses duplicates with a call of
``tf.image.non_max_suppression`` for each class.

TensorFlow is imported by the functions that need it, so that the loader runs without it.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from bench.untrained import let_it_find, network_pixels
from utils.data.anchors import COCO_ANCHORS_416
from utils.data.records import Record

STRIDES = (8, 16, 32)
ANCHORS = np.array(COCO_ANCHORS_416)
GREY = (128, 128, 128)
IGNORE_IOU = 0.5


def load_sample(
    record: Record, size: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """float32 (S, S, 3) picture in 0–1 and (N, 5) boxes with class ids in it."""
    image = Image.open(record.image).convert("RGB")
    width, height = image.size

    # Resize with jitter of aspect and scale, paste on grey.
    jitter = 0.3
    ratio = (
        width / height * rng.uniform(1 - jitter, 1 + jitter) / rng.uniform(1 - jitter, 1 + jitter)
    )
    scale = rng.uniform(0.25, 2)
    if ratio < 1:
        new_height = int(scale * size)
        new_width = int(new_height * ratio)
    else:
        new_width = int(scale * size)
        new_height = int(new_width / ratio)
    image = image.resize((new_width, new_height), Image.Resampling.BICUBIC)
    left = int(rng.random() * (size - new_width))
    top = int(rng.random() * (size - new_height))
    canvas = Image.new("RGB", (size, size), GREY)
    canvas.paste(image, (left, top))
    mirrored = rng.random() < 0.5
    if mirrored:
        canvas = canvas.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    pixels = np.array(canvas, np.uint8)

    # Hue, saturation and value by lookup tables.
    factors = rng.uniform(-1, 1, 3) * [0.1, 0.7, 0.4] + 1
    hue, saturation, value = cv2.split(cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV))
    levels = np.arange(0, 256, dtype=factors.dtype)
    tables = (
        ((levels * factors[0]) % 180).astype(np.uint8),
        np.clip(levels * factors[1], 0, 255).astype(np.uint8),
        np.clip(levels * factors[2], 0, 255).astype(np.uint8),
    )
    channels = (hue, saturation, value)
    merged = cv2.merge([cv2.LUT(c, t) for c, t in zip(channels, tables, strict=True)])
    pixels = cv2.cvtColor(merged, cv2.COLOR_HSV2RGB)

    boxes = np.concatenate([record.boxes, record.class_ids[:, None]], axis=1)
    boxes[:, [0, 2]] = boxes[:, [0, 2]] * new_width / width + left
    boxes[:, [1, 3]] = boxes[:, [1, 3]] * new_height / height + top
    if mirrored:
        boxes[:, [0, 2]] = size - boxes[:, [2, 0]]
    boxes[:, :4] = np.clip(boxes[:, :4], 0, size)
    sides = boxes[:, 2:4] - boxes[:, :2]
    return pixels.astype(np.float32) / 255, boxes[(sides > 1).all(axis=1)]


def dense_targets(
    boxes: list[np.ndarray],
    class_ids: list[np.ndarray],
    anchors: np.ndarray,
    size: int,
    classes: int,
) -> list[np.ndarray]:
    """Grids (B, S/s, S/s, 3, 5 + classes): each object at the best of nine anchors."""
    grids = [
        np.zeros((len(boxes), size // s, size // s, 3, 5 + classes), np.float32) for s in STRIDES
    ]
    for image, (image_boxes, ids) in enumerate(zip(boxes, class_ids, strict=True)):
        for box, class_id in zip(image_boxes, ids, strict=True):
            width, height = box[2] - box[0], box[3] - box[1]
            if class_id < 0 or width <= 0 or height <= 0:
                continue
            best, best_iou = 0, -1.0
            for number, (anchor_width, anchor_height) in enumerate(anchors):
                inter = min(width, anchor_width) * min(height, anchor_height)
                iou = inter / (width * height + anchor_width * anchor_height - inter)
                if iou > best_iou:
                    best, best_iou = number, iou
            level, anchor = divmod(best, 3)
            side = size // STRIDES[level]
            x, y = (box[0] + box[2]) / 2 / size, (box[1] + box[3]) / 2 / size
            column, row = min(int(x * side), side - 1), min(int(y * side), side - 1)
            cell = grids[level][image, row, column, anchor]
            cell[:4] = x, y, width / size, height / size
            cell[4] = 1
            cell[5 + int(class_id)] = 1
    return grids


def build_model(backbone: str, classes: int):
    """Image → three raw maps, as one functional model."""
    import keras

    from nets.backbones import build_backbone
    from nets.yolo import build_head

    body = build_backbone(backbone, weights=None)
    head = build_head(body.output_shape, classes)
    image = keras.Input((None, None, 3))
    return keras.Model(image, head(body(image)))


def make_loss(anchors: np.ndarray, size: int, level: int):
    """The loss of one level, for ``compile``."""
    import tensorflow as tf

    pairs = tf.constant(anchors[3 * level : 3 * level + 3], tf.float32)

    def loss(y_true, y_pred):
        shape = tf.shape(y_true)
        side = tf.cast(shape[1], tf.float32)
        raw = tf.reshape(y_pred, shape)
        place = tf.stack(tf.meshgrid(tf.range(shape[2]), tf.range(shape[1])), -1)
        cells = tf.cast(place, tf.float32)[None, :, :, None, :]
        centres = (tf.sigmoid(raw[..., :2]) + cells) / side
        sides = tf.exp(tf.clip_by_value(raw[..., 2:4], -9, 9)) * pairs / size
        mask = y_true[..., 4:5]

        ignore = tf.TensorArray(tf.float32, size=shape[0])

        def body(image, ignore):
            found = tf.boolean_mask(y_true[image, ..., :4], y_true[image, ..., 4] > 0)
            overlap = _iou(centres[image], sides[image], found[:, :2], found[:, 2:])
            best = tf.reduce_max(overlap, axis=-1)
            return image + 1, ignore.write(image, tf.cast(best < IGNORE_IOU, tf.float32))

        _, ignore = tf.while_loop(lambda image, _: image < shape[0], body, (0, ignore))
        ignore = ignore.stack()[..., None]

        offsets = y_true[..., :2] * side - cells
        logs = tf.math.log(tf.maximum(y_true[..., 2:4] * size / pairs, 1e-9))
        logs = tf.where(mask > 0, logs, 0.0)
        scale = 2 - y_true[..., 2:3] * y_true[..., 3:4]
        place_loss = mask * scale * tf.nn.sigmoid_cross_entropy_with_logits(offsets, raw[..., :2])
        size_loss = mask * scale * 0.5 * tf.square(logs - raw[..., 2:4])
        seen = tf.nn.sigmoid_cross_entropy_with_logits(mask, raw[..., 4:5])
        seen = mask * seen + (1 - mask) * seen * ignore
        named = mask * tf.nn.sigmoid_cross_entropy_with_logits(y_true[..., 5:], raw[..., 5:])
        total = sum(tf.reduce_sum(part) for part in (place_loss, size_loss, seen, named))
        return total / tf.maximum(tf.reduce_sum(mask), 1.0)

    return loss


def _iou(centres, sides, true_centres, true_sides):
    """IoU of (H, W, 3, 2) centres and sides with (M, 2) ones → (H, W, 3, M)."""
    import tensorflow as tf

    low = tf.maximum((centres - sides / 2)[..., None, :], true_centres - true_sides / 2)
    high = tf.minimum((centres + sides / 2)[..., None, :], true_centres + true_sides / 2)
    inter = tf.reduce_prod(tf.maximum(high - low, 0.0), axis=-1)
    area = tf.reduce_prod(sides, axis=-1)[..., None]
    return inter / (area + tf.reduce_prod(true_sides, axis=-1) - inter)


def make_detector(
    backbone: str, classes: int, size: int, conf: float, iou: float, most: int, photo: Path
):
    """A function from the path of a photo to its boxes, scores and class ids.

    The network has random weights; on ``photo`` it finds a few objects.
    """
    import tensorflow as tf

    model = build_model(backbone, classes)
    let_it_find(model.get_layer("head"), model(np.float32(network_pixels(photo, size))), conf)
    pairs = ANCHORS.astype(np.float32) * size / 416

    @tf.function
    def detect(image, photo_shape):
        boxes, scores = [], []
        for level, raw in enumerate(model(image, training=False)):
            shape = tf.shape(raw)
            cells = tf.reshape(raw, (shape[1], shape[2], 3, 5 + classes))
            place = tf.stack(tf.meshgrid(tf.range(shape[2]), tf.range(shape[1])), -1)
            place = tf.cast(place, tf.float32)[:, :, None, :]
            centres = (tf.sigmoid(cells[..., :2]) + place) * STRIDES[level]
            sides = tf.exp(cells[..., 2:4]) * pairs[3 * level : 3 * level + 3]
            corners = tf.concat([centres - sides / 2, centres + sides / 2], -1)
            boxes.append(tf.reshape(corners, (-1, 4)))
            probable = tf.sigmoid(cells[..., 4:5]) * tf.sigmoid(cells[..., 5:])
            scores.append(tf.reshape(probable, (-1, classes)))
        boxes, scores = tf.concat(boxes, 0), tf.concat(scores, 0)
        ratio = tf.reduce_min(size / photo_shape)
        margin = (size - photo_shape * ratio) / 2
        boxes = (boxes - tf.tile(margin, [2])) / ratio
        found = []
        for class_id in range(classes):
            likely = scores[:, class_id] >= conf
            own_boxes = tf.boolean_mask(boxes, likely)
            own_scores = tf.boolean_mask(scores[:, class_id], likely)
            kept = tf.image.non_max_suppression(own_boxes, own_scores, most, iou)
            own_scores = tf.gather(own_scores, kept)
            ids = tf.fill(tf.shape(own_scores), class_id)
            found.append((tf.gather(own_boxes, kept), own_scores, ids))
        return [tf.concat(parts, 0) for parts in zip(*found, strict=True)]

    def run(path):
        image = Image.open(path).convert("RGB")
        width, height = image.size
        scale = min(size / width, size / height)
        resized = image.resize((int(width * scale), int(height * scale)), Image.Resampling.BICUBIC)
        canvas = Image.new("RGB", (size, size), GREY)
        canvas.paste(resized, ((size - resized.width) // 2, (size - resized.height) // 2))
        pixels = np.asarray(canvas, np.float32)[None]
        found = detect(tf.constant(pixels), tf.constant([width, height], tf.float32))
        return [part.numpy() for part in found]

    return run
