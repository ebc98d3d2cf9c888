"""The light of a picture: brightness, contrast, saturation, hue; blur and the noise of JPEGs."""

from __future__ import annotations

import cv2
import numpy as np

from utils.data.augment.draw import PhotoDraw

# Luma weights of ITU-R BT.601; the plane across them carries saturation and hue.
_LUMA = np.array([0.299, 0.587, 0.114])
# YIQ (FCC NTSC), in which a turn of the last two axes is a turn of hue.
_TO_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
_FROM_YIQ = np.linalg.inv(_TO_YIQ)


def recolour(image: np.ndarray, draw: PhotoDraw) -> None:
    """Change the colours of uint8 (H, W, 3) in place, by one affine map.

    The image may be a part of a larger one. A single matrix product a pixel is several times
    cheaper than going to HSV and back.
    """
    cos, sin = np.cos(draw.hue), np.sin(draw.hue)
    turn = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    turn[1:] *= draw.saturation
    matrix = _FROM_YIQ @ turn @ _TO_YIQ * (draw.contrast * draw.brightness)
    if np.abs(matrix - np.eye(3)).max() < 1e-5:
        return
    # Contrast turns about the mean grey of this picture, not about a fixed level. Every fourth row
    # tells it well enough.
    grey = float(cv2.mean(image[::4])[:3] @ _LUMA)
    shift = np.full((3, 1), draw.brightness * (1 - draw.contrast) * grey)
    cv2.transform(image, np.hstack([matrix, shift]), dst=image)


def degrade(image: np.ndarray, draw: PhotoDraw) -> np.ndarray:
    """Blur, then JPEG noise, where the draw says so; else the image itself."""
    if draw.blur > 0:
        image = cv2.GaussianBlur(image, (0, 0), draw.blur, borderType=cv2.BORDER_REPLICATE)
    if draw.jpeg:
        # The codec takes the channels for blue, green, red. Red and blue would weigh wrongly in
        # its luma, so they are exchanged for it.
        done, data = cv2.imencode(
            ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, draw.jpeg]
        )
        if not done:
            raise RuntimeError("OpenCV could not encode a JPEG")
        image = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)
    return image
