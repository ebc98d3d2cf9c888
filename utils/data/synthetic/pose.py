"""The pose of a flat thing: a tilted plane seen by a pinhole camera, as a 3×3 homography.

``H @ (x, y, 1)`` takes a point of the plane (units of ``signs``: the sign fills ``[-1, 1]²``) to
continuous pixels of the photo.
"""

from __future__ import annotations

import cv2
import numpy as np

from utils.data.synthetic import canvas

SUPERSAMPLING = 2  # sub-pixels per pixel, each way, when a face is warped into the photo


def tilted_plane(yaw: float, pitch: float, roll: float, distance: float) -> np.ndarray:
    """Homography of a plane turned by three angles (radians), ``distance`` half-widths away.

    The origin of the plane maps to (0, 0); without tilt the map is the identity. Short distances
    give strong perspective: the near edge looks longer than the far one.
    """
    cy, sy = np.cos(yaw), np.sin(yaw)
    cp, sp = np.cos(pitch), np.sin(pitch)
    cr, sr = np.cos(roll), np.sin(roll)
    turn = (
        np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
        @ np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
        @ np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    )
    homography = turn.copy()
    homography[:, 2] = 0
    homography[2] = [turn[2, 0] / distance, turn[2, 1] / distance, 1]
    return homography


def scaled_to(homography: np.ndarray, points: np.ndarray, side: float) -> np.ndarray:
    """The homography followed by the scale that makes the longest side of ``points``' box
    ``side`` pixels, and by the shift that puts the middle of that box at (0, 0)."""
    box = bounds(project(homography, points))
    scale = side / max(box[2] - box[0], box[3] - box[1])
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return np.array([[scale, 0, -scale * x], [0, scale, -scale * y], [0, 0, 1]]) @ homography


def shifted(homography: np.ndarray, x: float, y: float) -> np.ndarray:
    """The homography followed by a shift in pixels."""
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], np.float64) @ homography


def project(homography: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(P, 2) points of the plane → (P, 2) pixels."""
    result = points @ homography[:, :2].T + homography[:, 2]
    return result[:, :2] / result[:, 2:]


def bounds(points: np.ndarray) -> np.ndarray:
    """float64 (4,) ``x0, y0, x1, y1``: the box around (P, 2) points."""
    return np.concatenate([points.min(0), points.max(0)])


def warp_face(
    face: np.ndarray, homography: np.ndarray, edge: np.ndarray
) -> tuple[np.ndarray, np.ndarray, int, int]:
    """A face on its plane as the camera sees it.

    Args:
        face: (S, S, 3) uint8 sheet covering ``[-1, 1]²`` of the plane.
        homography: plane → pixels.
        edge: (P, 2) outline in the plane; what lies outside is transparent.

    Returns:
        ``patch`` (h, w, 3) uint8, ``alpha`` (h, w) float32, and the corner ``x, y`` of the patch
        in whole pixels. Computed at twice the resolution and averaged, so that small signs keep
        their colours and the edge is smooth.
    """
    box = bounds(project(homography, edge))
    x, y = int(np.floor(box[0])) - 1, int(np.floor(box[1])) - 1
    width, height = int(np.ceil(box[2])) + 1 - x, int(np.ceil(box[3])) + 1 - y
    fine = np.diag([SUPERSAMPLING, SUPERSAMPLING, 1.0]) @ shifted(homography, -x, -y)
    half = face.shape[0] / 2
    to_plane = np.array([[1 / half, 0, -1], [0, 1 / half, -1], [0, 0, 1]])
    # OpenCV counts from pixel centres: half a pixel's shift on either side of the map.
    centre = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    matrix = np.linalg.inv(centre) @ fine @ to_plane @ centre
    size = (width * SUPERSAMPLING, height * SUPERSAMPLING)
    warped = cv2.warpPerspective(
        face, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    mask = np.zeros(size[::-1], np.uint8)
    canvas.polygon(mask, project(fine, edge), 255)
    patch = cv2.resize(warped, (width, height), interpolation=cv2.INTER_AREA)
    cover = cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA)
    return patch, canvas.alpha(cover), x, y
