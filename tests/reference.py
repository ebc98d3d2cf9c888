"""What the code must compute, written for clarity: plain Python and NumPy, one thing at a time.

Nothing here calls the code that it checks; only constants are shared.
"""

from __future__ import annotations

import math

import numpy as np

from nets.targets import IOU_WEIGHT, PRIMARY_ROUNDS, SIMOTA_CANDIDATES
from nets.yolo import COCO_ANCHORS_416
from utils.postprocess import MAX_CANDIDATES

ANCHORS = [tuple(map(float, pair)) for pair in COCO_ANCHORS_416]
STRIDES = (8, 16, 32)


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, np.float64)))


# Boxes -----------------------------------------------------------------------------------------


def plain_iou(a, b) -> float:
    """Intersection over union of two boxes; 0 where one has no area."""
    ax0, ay0, ax1, ay1 = (float(v) for v in a)
    bx0, by0, bx1, by1 = (float(v) for v in b)
    width = min(ax1, bx1) - max(ax0, bx0)
    height = min(ay1, by1) - max(ay0, by0)
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / ((ax1 - ax0) * (ay1 - ay0) + (bx1 - bx0) * (by1 - by0) - shared)


def plain_ciou(p, t):
    """The paper's definition, term by term."""
    value = plain_iou(p, t)
    cw, ch = max(p[2], t[2]) - min(p[0], t[0]), max(p[3], t[3]) - min(p[1], t[1])
    dx, dy = (p[0] + p[2] - t[0] - t[2]) / 2, (p[1] + p[3] - t[1] - t[3]) / 2
    angle = lambda b: math.atan((b[2] - b[0]) / (b[3] - b[1]))  # noqa: E731
    v = 4 / math.pi**2 * (angle(t) - angle(p)) ** 2
    alpha = v / (1 - value + v) if v else 0.0
    return value - (dx * dx + dy * dy) / (cw * cw + ch * ch) - alpha * v


def plain_shape_iou(w, h, anchor):
    inter = min(w, anchor[0]) * min(h, anchor[1])
    return inter / (w * h + anchor[0] * anchor[1] - inter)


# Network ---------------------------------------------------------------------------------------


def plain_conv(x, kernel, stride):
    """TensorFlow's "same" convolution of (H, W, C) in a loop: what is odd is padded at the end."""
    size, out = kernel.shape[0], [-(-n // stride) for n in x.shape[:2]]
    pads = [max((o - 1) * stride + size - n, 0) for o, n in zip(out, x.shape[:2], strict=True)]
    x = np.pad(x, [(pad // 2, pad - pad // 2) for pad in pads] + [(0, 0)])
    result = np.zeros((*out, kernel.shape[-1]))
    for i in range(out[0]):
        for j in range(out[1]):
            patch = x[i * stride : i * stride + size, j * stride : j * stride + size]
            result[i, j] = np.einsum("ijc,ijcf->f", patch, kernel)
    return result


def plain_decode(raw, anchors, span):
    """Section 2.1 of the YOLOv3 paper, one prediction at a time."""
    rows = []
    for level, stride in enumerate(STRIDES):
        height, width, _ = raw[level].shape
        cells = raw[level].reshape(height, width, 3, -1)
        for cy in range(height):
            for cx in range(width):
                for a in range(3):
                    tx, ty, tw, th = cells[cy, cx, a, :4].astype(np.float64)
                    pw, ph = anchors[3 * level + a]
                    x = (cx + 0.5 + span * (sigmoid(tx) - 0.5)) * stride
                    y = (cy + 0.5 + span * (sigmoid(ty) - 0.5)) * stride
                    w, h = pw * np.exp(tw), ph * np.exp(th)
                    rows.append((x - w / 2, y - h / 2, x + w / 2, y + h / 2))
    return np.array(rows)


# Assignment ------------------------------------------------------------------------------------


def grids_of(height, width):
    return [(height // s, width // s) for s in STRIDES]


def row_of(cx, cy, anchor, grids):
    level = anchor // 3
    start = 3 * sum(h * w for h, w in grids[:level])
    return start + (cy * grids[level][1] + cx) * 3 + anchor % 3


def centre_cell(box, anchor, grids):
    """Column and row of the cell that holds the centre."""
    (rows, columns), stride = grids[anchor // 3], STRIDES[anchor // 3]
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return min(int(x // stride), columns - 1), min(int(y // stride), rows - 1)


def plain_assign(boxes, class_ids, grids):
    """For a single image, with loops. Returns {row: object}."""
    real = [m for m, c in enumerate(class_ids) if c >= 0 and (boxes[m][2:] > boxes[m][:2]).all()]
    fits, cells = {}, {}
    for m in real:
        x0, y0, x1, y1 = boxes[m]
        fits[m] = [plain_shape_iou(x1 - x0, y1 - y0, anchor) for anchor in ANCHORS]
        cells[m] = [centre_cell(boxes[m], a, grids) for a in range(9)]
    matched_gt, waiting = {}, list(real)
    for _ in range(PRIMARY_ROUNDS):
        wanted = []
        for m in waiting:
            free = [a for a in range(9) if row_of(*cells[m][a], a, grids) not in matched_gt]
            if free:
                best = max(free, key=lambda a: (fits[m][a], -a))
                wanted.append((row_of(*cells[m][best], best, grids), fits[m][best], m))
        for row, _, m in sorted(wanted, key=lambda w: (-w[1], w[2])):  # best fit, lower index
            matched_gt.setdefault(row, m)
        waiting = [m for m in waiting if m not in matched_gt.values()]
    return matched_gt


def plain_candidates(box, grids):
    """Rows of anchors within a factor of 4, and of the best one, in the cell and two beside it;
    and the rows of the other anchors in the cell, with the fit of their shapes."""
    w, h = box[2] - box[0], box[3] - box[1]
    fits = [plain_shape_iou(w, h, anchor) for anchor in ANCHORS]
    rows, others = [], {}
    for a, (pw, ph) in enumerate(ANCHORS):
        if a != int(np.argmax(fits)) and not max(w / pw, pw / w, h / ph, ph / h) < 4:
            others[row_of(*centre_cell(box, a, grids), a, grids)] = fits[a]
            continue
        (height, width), stride = grids[a // 3], STRIDES[a // 3]
        x, y = (box[0] + box[2]) / 2 / stride, (box[1] + box[3]) / 2 / stride
        cx, cy = min(int(x), width - 1), min(int(y), height - 1)
        beside = [(cx + (1 if x - cx >= 0.5 else -1), cy), (cx, cy + (1 if y - cy >= 0.5 else -1))]
        for nx, ny in ((cx, cy), *beside):
            if 0 <= nx < width and 0 <= ny < height:
                rows.append(row_of(nx, ny, a, grids))
    return sorted(rows), others


def plain_simota(predictions, boxes, class_ids, grids):
    """For a single image, with loops. Returns {row: object}."""
    candidates, others, costs, counts = {}, {}, {}, {}
    for m, class_id in enumerate(class_ids):
        if class_id < 0 or not (boxes[m][2:] > boxes[m][:2]).all():
            continue
        candidates[m], others[m] = plain_candidates(boxes[m], grids)
        ious = {r: plain_iou(predictions.boxes[r], boxes[m]) for r in candidates[m]}
        for row, fit in others[m].items():
            costs[m, row] = 1e9 - fit  # of what is free when all candidates are taken
        for row in candidates[m]:
            p = 1 / (1 + np.exp(-predictions.class_logits[row][class_id]))
            o = 1 / (1 + np.exp(-predictions.objectness[row]))
            costs[m, row] = -np.log(np.sqrt(p * o)) - IOU_WEIGHT * np.log(ious[row] + 1e-6)
        counts[m] = max(1, int(np.float32(sum(sorted(ious.values())[-SIMOTA_CANDIDATES:]))))
    matched_gt = {}

    def settle(wanted):
        for _, row, m in sorted((costs[m, row], row, m) for row, m in wanted):
            matched_gt.setdefault(row, m)

    waiting = list(candidates)
    for _ in range(PRIMARY_ROUNDS):
        wanted = []
        for m in waiting:
            free = [row for row in [*candidates[m], *others[m]] if row not in matched_gt]
            if free:
                wanted.append((min(free, key=lambda row: costs[m, row]), m))
        settle(wanted)
        waiting = [m for m in waiting if m not in matched_gt.values()]
    settle(
        [
            (row, m)
            for m, rows in candidates.items()
            for row in sorted(rows, key=lambda row: costs[m, row])[: counts[m]]
        ]
    )
    return matched_gt


# Loss ------------------------------------------------------------------------------------------


def bce(target, logit):
    p = 1 / (1 + np.exp(-logit))
    return -(target * np.log(p) + (1 - target) * np.log(1 - p))


def gce(logit, q):
    """Generalised cross-entropy of a logit whose label is 0, as the paper writes it."""
    kept = 1 - 1 / (1 + np.exp(-logit))
    return (1 - kept**q) / q if q else -np.log(kept)


def plain_loss(predictions, boxes, class_ids, matched_gt, config):
    positives, box, objectness, classes = 0, 0.0, 0.0, 0.0
    for b in range(len(matched_gt)):
        for n, m in enumerate(matched_gt[b]):
            predicted, logit = predictions.boxes[b, n], float(predictions.objectness[b, n])
            if m >= 0:
                positives += 1
                box += 1 - plain_ciou(predicted, boxes[b, m])
                fit = plain_iou(predicted, boxes[b, m])
                r = config.objectness_from_iou
                objectness += bce(1 - r + r * fit, logit)
                for c, class_logit in enumerate(predictions.class_logits[b, n].astype(float)):
                    classes += bce(float(c == class_ids[b, m]), class_logit)
            else:
                overlaps = [plain_iou(predicted, t) for t in boxes[b] if (t[2:] > t[:2]).all()]
                if not overlaps or max(overlaps) <= config.ignore_iou:
                    objectness += gce(logit, config.gce_q)
    count = max(positives, len(matched_gt))
    parts = (
        config.box * box / count,
        config.objectness * objectness / count,
        config.classes * classes / count,
    )
    return (sum(parts), *parts)


# Suppression and box voting --------------------------------------------------------------------


def plain_nms(boxes, scores, *, conf, iou, max_det, limit=MAX_CANDIDATES):
    """The rules one after another: a list of (box index, class)."""
    candidates = []
    for box in range(len(boxes)):
        for class_id in range(scores.shape[1]):
            score = scores[box, class_id]
            if np.isfinite(boxes[box]).all() and np.isfinite(score) and score >= conf:
                candidates.append((-float(score), box, class_id))
    kept = []
    for _, box, class_id in sorted(candidates)[:limit]:
        rivals = [b for b, c in kept if c == class_id]
        if not any(plain_iou(boxes[b], boxes[box]) > iou for b in rivals):
            kept.append((box, class_id))
    return kept[:max_det]


def plain_iou_weight(a, b) -> float:
    return max(0.0, (plain_iou(a, b) - 0.6) / 0.4) ** 2


def plain_vote_counts(moved, kept_scores, class_ids, boxes, scores):
    votes = np.zeros(len(moved))
    for k, (own, best, class_id) in enumerate(zip(moved, kept_scores, class_ids, strict=True)):
        for box, score in zip(boxes, scores[:, class_id], strict=True):
            box = [float(v) for v in box]
            if np.isfinite(box).all() and np.isfinite(score) and score > 0:
                by_score = min(max(0.0, 2 * float(score) / float(best) - 1), 1.0) if best else 1.0
                votes[k] += plain_iou_weight(own, box) * by_score
    return votes


def plain_votes(kept, kept_scores, class_ids, boxes, scores, iou):
    """For each kept box those that vote on it, with their scores."""
    votes = [[] for _ in kept]
    for class_id in set(class_ids.tolist()):
        for box, score in zip(boxes, scores[:, class_id], strict=True):
            box = [float(v) for v in box]
            if not (np.isfinite(box).all() and np.isfinite(score)):
                continue
            for k in range(len(kept)):  # best first
                if (
                    class_ids[k] == class_id
                    and plain_iou([float(v) for v in kept[k]], box) > max(0.6, iou)
                    and score >= 0.5 * kept_scores[k]
                ):
                    votes[k].append((np.array(box), float(score)))
                    break
    return votes


def plain_vote(kept, kept_scores, class_ids, boxes, scores, iou):
    moved = []
    for own, votes in zip(
        kept.astype(float), plain_votes(kept, kept_scores, class_ids, boxes, scores, iou),
        strict=True,
    ):  # fmt: skip
        weights = [score for _, score in votes]
        for _ in range(3):
            if sum(weights) > 0:
                own = np.average([box for box, _ in votes], axis=0, weights=weights)
            weights = [score * plain_iou_weight(own, box) for box, score in votes]
        moved.append(own)
    return np.array(moved).reshape(-1, 4)


# VOC's development kit -------------------------------------------------------------------------


def kit_scores(ground_truth: dict, results: list[dict], class_id: int):
    """``VOCevaldet`` for one class: (AP of 2007, AP of 2010), or None without objects.

    As the kit does it: pixels counted inclusively, boxes written 1-based, widths with + 1.
    """

    def inclusive(bbox):
        x, y, w, h = bbox
        return [x + 1, y + 1, x + w, y + h]

    objects: dict[int, list[dict]] = {}
    positives = 0
    for a in ground_truth["annotations"]:
        if a["category_id"] == class_id:
            entry = {"box": inclusive(a["bbox"]), "difficult": a["iscrowd"] == 1, "found": False}
            objects.setdefault(a["image_id"], []).append(entry)
            positives += not entry["difficult"]
    if positives == 0:
        return None
    mine = [
        (-r["score"], r["image_id"], i)
        for i, r in enumerate(results)
        if r["category_id"] == class_id
    ]
    true, false = [], []
    for _, image_id, i in sorted(mine):
        box = inclusive(results[i]["bbox"])
        best, best_object = -np.inf, None
        for candidate in objects.get(image_id, []):
            other = candidate["box"]
            iw = min(box[2], other[2]) - max(box[0], other[0]) + 1
            ih = min(box[3], other[3]) - max(box[1], other[1]) + 1
            if iw > 0 and ih > 0:
                union = (
                    (box[2] - box[0] + 1) * (box[3] - box[1] + 1)
                    + (other[2] - other[0] + 1) * (other[3] - other[1] + 1)
                    - iw * ih
                )
                overlap = iw * ih / union
                if overlap > best:
                    best, best_object = overlap, candidate
        hit = miss = 0
        if best >= 0.5:
            if not best_object["difficult"]:
                if not best_object["found"]:
                    hit = 1
                    best_object["found"] = True
                else:
                    miss = 1
        else:
            miss = 1
        true.append(hit)
        false.append(miss)
    return kit_2007(true, false, positives), kit_2010(true, false, positives)


def kit_2007(true, false, positives):
    total = 0.0
    for k in range(11):
        best = 0.0
        tp = fp = 0
        for t, f in zip(true, false, strict=True):
            tp, fp = tp + t, fp + f
            if tp + fp and 10 * tp >= k * positives:
                best = max(best, tp / (tp + fp))
        total += best / 11
    return total


def kit_2010(true, false, positives):
    recall, precision = [0.0], [0.0]
    tp = fp = 0
    for t, f in zip(true, false, strict=True):
        tp, fp = tp + t, fp + f
        recall.append(tp / positives)
        precision.append(tp / (tp + fp) if tp + fp else 0.0)
    recall.append(1.0)
    precision.append(0.0)
    for i in range(len(precision) - 2, -1, -1):
        precision[i] = max(precision[i], precision[i + 1])
    return sum((recall[i] - recall[i - 1]) * precision[i] for i in range(1, len(recall)))
