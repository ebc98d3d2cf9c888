"""Brightness, contrast, saturation, hue; blur and JPEG noise."""

from __future__ import annotations

import cv2
import numpy as np

from utils.data.augment.params import PhotoParams

# Luma weights of ITU-R BT.601; the plane orthogonal to them carries saturation and hue.
_LUMA = np.array([0.299, 0.587, 0.114])
# YIQ (FCC NTSC), in which a rotation of the last two axes is a rotation of hue.
_TO_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
_FROM_YIQ = np.linalg.inv(_TO_YIQ)


def recolour(image: np.ndarray, params: PhotoParams) -> None:
    """Change the colours of uint8 (H, W, 3) in place, by one affine map.

    The image may be a view into a larger one. One matrix product a pixel is several times faster
    than a conversion to HSV and back.
    """
    cos, sin = np.cos(params.hue), np.sin(params.hue)
    turn = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    turn[1:] *= params.saturation
    matrix = _FROM_YIQ @ turn @ _TO_YIQ * (params.contrast * params.brightness)
    if np.abs(matrix - np.eye(3)).max() < 1e-5:
        return
    # Contrast changes around the mean grey of this picture, not around a fixed level. Every fourth
    # row gives it well enough.
    grey = float(cv2.mean(image[::4])[:3] @ _LUMA)
    shift = np.full((3, 1), params.brightness * (1 - params.contrast) * grey)
    cv2.transform(image, np.hstack([matrix, shift]), dst=image)


def degrade(image: np.ndarray, params: PhotoParams) -> np.ndarray:
    """Blur, then JPEG noise, if the parameters ask for them."""
    if params.blur > 0:
        image = cv2.GaussianBlur(image, (0, 0), params.blur, borderType=cv2.BORDER_REPLICATE)
    if params.jpeg:
        # The codec expects blue, green, red. In the other order its luma would be wrong.
        done, data = cv2.imencode(
            ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, params.jpeg]
        )
        if not done:
            raise RuntimeError("OpenCV could not encode a JPEG")
        image = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)
    return image
