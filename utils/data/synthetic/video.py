"""A short video: a drive along a road with signs, in front of a background of the test split.

Signs stand at fixed points of a flat world, in metres: x to the right, y down, z ahead. A sign is
drawn once. Each frame projects it for the position of the camera.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from utils.data.synthetic import backgrounds_test, camera, canvas, pose, signs, wear
from utils.errors import UserError
from utils.files import check_utf8

WIDTH, HEIGHT = 640, 360
FOCAL = 520.0  # pixels
HORIZON = 0.52  # of the height
EYE = 1.2  # metres from the camera down to the road
SPEED = 7.0  # metres a second
SIGN_HALF = 0.45  # half the side of a sign in metres
NEAREST = 3.0  # metres; nearer signs are outside the picture
ROADS = (backgrounds_test.mountain_pass, backgrounds_test.carriageway)


@dataclass(frozen=True)
class StandingSign:
    """A sign in the world: its face, its rotation, and the position of its middle."""

    kind: str
    face: np.ndarray  # (S, S, 3) uint8
    tilt: np.ndarray  # (3, 3) plane → rotated plane
    position: np.ndarray  # (3,) metres


def write_video(path: Path, *, seconds: float = 4, fps: int = 12, seed: int = 0) -> None:
    """Write the drive as MP4, whole or not at all.

    Args:
        path: the file; its name should end in ``.mp4``.
        seconds, fps: length and frames a second.
        seed: other seeds give another road and other signs.

    Raises:
        UserError: the numbers are out of range or no video can be written there.
    """
    path = Path(path)
    if seconds <= 0 or fps < 1:
        raise UserError(f"a video of {seconds} seconds at {fps} frames a second has no frames.")
    check_utf8(path, str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    # OpenCV chooses the format by the suffix, so the unfinished file has it too.
    partial = path.with_name(f".part-{os.getpid()}-{path.stem}.mp4")
    writer = cv2.VideoWriter(str(partial), cv2.VideoWriter_fourcc(*"mp4v"), fps, (WIDTH, HEIGHT))
    try:
        if not writer.isOpened():
            raise UserError(f"{path}: OpenCV cannot write an MP4 video there.")
        for frame in draw_frames(round(seconds * fps), fps, seed):
            writer.write(frame[..., ::-1])
        writer.release()
        partial.replace(path)
    finally:
        writer.release()
        partial.unlink(missing_ok=True)


def draw_frames(count: int, fps: int, seed: int) -> Iterator[np.ndarray]:
    """Yield ``count`` frames, uint8 RGB (HEIGHT, WIDTH, 3)."""
    rng = np.random.default_rng([seed, 3])  # 0 to 2 are the splits
    scenery = canvas.pick(rng, ROADS)(rng, 2 * HEIGHT, 2 * WIDTH, round(2 * HEIGHT * HORIZON))
    reach = SPEED * count / fps
    standing = _plant_signs(rng, reach)
    for number in range(count):
        ahead = SPEED * number / fps
        frame = _scaled(scenery, 1 + 0.35 * ahead / reach)
        for sign in standing:  # far to near
            _draw_at(frame, sign, ahead)
        yield _shot(np.random.default_rng([seed, 3, number]), frame)


def _plant_signs(rng: np.random.Generator, reach: float) -> list[StandingSign]:
    """A sign every few metres on alternating sides, as far as the drive can see; far ones first."""
    standing = []
    z, side = rng.uniform(7, 9), 1.0 if rng.random() < 0.5 else -1.0
    kinds = rng.permutation(signs.CLASSES)
    while z < reach + 14:
        kind = str(kinds[len(standing) % len(kinds)])
        face = wear.lit(rng, wear.aged(rng, signs.draw_face(kind, rng, 256)), 0.95)
        tilt = pose.tilted_plane(
            float(np.clip(rng.normal(-0.15 * side, 0.2), -0.6, 0.6)),
            float(rng.normal(0, 0.04)),
            float(rng.normal(0, 0.04)),
            distance=z / SIGN_HALF,
        )
        position = np.array([side * rng.uniform(2.9, 3.6), EYE - rng.uniform(1.8, 2.3), z])
        standing.append(StandingSign(kind, face, tilt, position))
        z, side = z + rng.uniform(3.0, 5.5), -side
    return standing[::-1]


def _scaled(scenery: np.ndarray, factor: float) -> np.ndarray:
    """The background, which grows slowly around the point on the horizon ahead of the camera."""
    scale = factor / 2  # the scenery is painted at twice the size of the video
    x, y = WIDTH / 2, HORIZON * HEIGHT
    matrix = np.array([[scale, 0, x - scale * 2 * x], [0, scale, y - scale * 2 * y]])
    return cv2.warpAffine(scenery, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)


def _draw_at(frame: np.ndarray, sign: StandingSign, ahead: float) -> None:
    """The sign and its pole as seen ``ahead`` metres down the road, in place."""
    x, y, z = sign.position - [0, 0, ahead]
    if z < NEAREST:
        return
    scale = FOCAL / z
    u, v = WIDTH / 2 + scale * x, HORIZON * HEIGHT + scale * y
    foot = HORIZON * HEIGHT + scale * EYE
    half = scale * 0.04
    pole = np.array([[u - half, v], [u + half, v], [u + half, foot], [u - half, foot]])
    canvas.polygon(frame, pole, (128, 130, 132))
    homography = pose.shifted(np.diag([scale * SIGN_HALF] * 2 + [1.0]) @ sign.tilt, u, v)
    # Averaging beforehand keeps distant faces from flickering.
    side = int(np.clip(4 * scale * SIGN_HALF, 24, 256))
    face = cv2.resize(sign.face, (side, side), interpolation=cv2.INTER_AREA)
    patch, alpha, left, top = pose.warp_face(face, homography, signs.outline(sign.kind))
    canvas.paste(frame, patch, alpha, left, top)


def _shot(rng: np.random.Generator, frame: np.ndarray) -> np.ndarray:
    """Some sensor noise, and JPEG compression."""
    noise = rng.standard_normal(frame.shape, np.float32) * np.float32(3)
    return camera.jpeg_round_trip(cv2.add(frame, noise, dtype=cv2.CV_8U), 80)
