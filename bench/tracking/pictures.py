"""The frames of a drive, drawn: signs, their poles, and what hides them, in front of a road."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from bench.tracking.drives import EYE, FOCAL, HEIGHT, HORIZON, WIDTH, Drive, Thing
from utils.data.synthetic import backgrounds_test, camera, canvas, pose, signs, wear

ROADS = (backgrounds_test.mountain_pass, backgrounds_test.carriageway)
BORDER = 16  # pixels of scenery beyond each side, for the camera's yaw


def draw_frames(drive: Drive) -> Iterator[np.ndarray]:
    """Each frame, uint8 (HEIGHT, WIDTH, 3) RGB."""
    rng = np.random.default_rng([drive.seed, 26])
    width = WIDTH + 2 * BORDER
    scenery = canvas.pick(rng, ROADS)(rng, HEIGHT, width, round(HEIGHT * HORIZON))
    faces = [_face(rng, thing) for thing in drive.things]
    for t in range(len(drive.times_s)):
        left = BORDER - round(float(drive.shift[t]))
        frame = scenery[:, left : left + WIDTH].copy()
        seen = np.flatnonzero(np.isfinite(drive.boxes[:, t, 0]))
        for i in seen[np.argsort(-drive.depths[seen, t])]:
            box, depth = drive.whole_boxes[i, t], drive.depths[i, t]
            _draw(frame, drive.things[i], faces[i], box, depth)
        noise = rng.standard_normal(frame.shape, np.float32) * np.float32(3)
        yield camera.jpeg_round_trip(cv2.add(frame, noise, dtype=cv2.CV_8U), 80)


def _face(rng: np.random.Generator, thing: Thing) -> np.ndarray:
    """The sheet of a sign, or the colour of what only hides signs."""
    if not thing.kind:
        return np.array(canvas.muted(rng))
    return wear.lit(rng, wear.aged(rng, signs.draw_face(thing.kind, rng, 256)), 0.95)


def _draw(frame: np.ndarray, thing: Thing, face: np.ndarray, box: np.ndarray, depth: float) -> None:
    """One thing, in place."""
    x0, y0, x1, y1 = box
    if not thing.kind:
        canvas.polygon(frame, np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]), face)
        return
    if thing.pole:
        middle, half = (x0 + x1) / 2, FOCAL / depth * 0.04
        foot = HORIZON * HEIGHT + FOCAL / depth * EYE
        top = (y0 + y1) / 2
        pole = [[middle - half, top], [middle + half, top], [middle + half, foot]]
        canvas.polygon(frame, np.array([*pole, [middle - half, foot]]), (128, 130, 132))
    outline = signs.outline(thing.kind)
    left, upper, right, lower = pose.bounds(outline)
    scale_x, scale_y = (x1 - x0) / (right - left), (y1 - y0) / (lower - upper)
    to_box = np.array(
        [[scale_x, 0, x0 - scale_x * left], [0, scale_y, y0 - scale_y * upper], [0, 0, 1]]
    )
    side = int(np.clip(2 * (x1 - x0), 24, 256))  # averaging beforehand avoids flickering
    sheet = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA)
    canvas.paste(frame, *pose.warp_face(sheet, to_box, outline))
