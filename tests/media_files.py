"""Small pictures, and videos whose frames carry their number."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
from PIL import Image


def coded(number: int, width: int = 160, height: int = 96) -> np.ndarray:
    """A frame that carries its number as eight black or white columns."""
    bits = [(number >> bit) & 1 for bit in range(8)]
    row = np.repeat(np.array(bits, np.uint8) * 255, width // 8)
    return np.ascontiguousarray(np.broadcast_to(row[None, :, None], (height, width, 3)))


def number_of(image: np.ndarray) -> int:
    """The number of a ``coded`` frame, also after lossy compression."""
    width = image.shape[1] // 8
    means = [image[:, i * width : (i + 1) * width].mean() for i in range(8)]
    return sum((mean > 128) << bit for bit, mean in enumerate(means))


def write_video(path: Path, frames: int | list[np.ndarray], fps: float = 30.0) -> Path:
    """A video of those frames, RGB and of even size; a number stands for ``coded`` ones, 160×96."""
    pictures = [coded(i) for i in range(frames)] if isinstance(frames, int) else frames
    height, width = pictures[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), fps, (width, height))
    for picture in pictures:
        writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    writer.release()
    return path


def rotate(path: Path) -> None:
    """Note in an MP4 file that its pictures are shown rotated by a quarter turn."""
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 44
    one = 1 << 16
    content[matrix : matrix + 36] = struct.pack(">9i", 0, one, 0, -one, 0, 0, 0, 0, 1 << 30)
    path.write_bytes(content)


def write_picture(path: Path, width: int = 40, height: int = 30, value: int = 90) -> Path:
    """A grey picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height), (value, value, value)).save(path)
    return path
