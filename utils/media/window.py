"""Showing frames in a window, if there is a screen."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import cv2
import numpy as np

from utils.errors import UserError

_QUIT_KEYS = (ord("q"), ord("Q"), 27)  # 27 is Esc
_MAX_SIZE = (1600, 900)  # pixels; larger pictures are shown smaller


class Window:
    """One window for all frames. Pictures wait for a key; q or Esc ends the command.

    Raises:
        UserError: no window can be opened here.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        # Tried in another process: without a screen, the window library would end this one.
        code = "import cv2; cv2.namedWindow('test'); cv2.destroyAllWindows()"
        tried = subprocess.run([sys.executable, "-c", code], capture_output=True)
        if tried.returncode:
            raise UserError(
                "--show: no window can be opened here (no screen, or the headless build of "
                "OpenCV); leave --show out and look at the pictures in the output folder"
            )
        cv2.namedWindow(title, cv2.WINDOW_AUTOSIZE)

    def show(
        self, image: np.ndarray, *, wait: bool, ended: Callable[[], bool] = lambda: False
    ) -> bool:
        """Show uint8 (H, W, 3) RGB; false when the user wants to end.

        Args:
            image: the frame, drawn.
            wait: stay until a key is pressed.
            ended: asked while it stays; true ends that.
        """
        cv2.imshow(self.title, cv2.cvtColor(_fitted(image), cv2.COLOR_RGB2BGR))
        while True:
            key = cv2.waitKey(50 if wait else 1)
            if key & 0xFF in _QUIT_KEYS and key >= 0:
                return False
            if cv2.getWindowProperty(self.title, cv2.WND_PROP_VISIBLE) < 1:
                return False
            if key >= 0 or not wait or ended():
                return True

    def close(self) -> None:
        cv2.destroyAllWindows()


def _fitted(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    scale = min(1.0, _MAX_SIZE[0] / width, _MAX_SIZE[1] / height)
    if scale == 1.0:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)
