"""``python -m utils.opencv_check``: check that OpenCV loads, and repair it if not.

The ordinary opencv-python needs window-system libraries (libGL and others) that servers and
containers often lack. There the headless build, which is the same but for windows, takes its
place. Run by ``make setup``.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version


def main() -> int:
    loads, reason = _opencv_loads()
    if loads:
        return 0
    try:
        wanted = version("opencv-python")
    except PackageNotFoundError:
        print(f"OpenCV cannot be loaded: {reason}", file=sys.stderr)
        return 1
    print(
        f"opencv-python cannot be loaded here ({reason}); installing opencv-python-headless "
        f"{wanted} instead. All works the same but predict.py --show, which needs a window."
    )
    pip = [sys.executable, "-m", "pip"]
    headless = f"opencv-python-headless=={wanted}"
    for step in (
        ["uninstall", "--quiet", "--yes", "opencv-python"],
        # The two packages share their files: one installed before has just lost them.
        ["install", "--quiet", "--force-reinstall", "--no-deps", headless],
    ):
        if subprocess.run([*pip, *step], check=False).returncode:
            print(f"pip {' '.join(step)} failed; its message is above", file=sys.stderr)
            return 1
    loads, reason = _opencv_loads()
    if not loads:
        print(f"OpenCV still cannot be loaded: {reason}", file=sys.stderr)
    return 0 if loads else 1


def _opencv_loads() -> tuple[bool, str]:
    """Whether ``import cv2`` works in a fresh interpreter, and the last line of why not."""
    done = subprocess.run([sys.executable, "-c", "import cv2"], capture_output=True, text=True)
    lines = done.stderr.strip().splitlines()
    return done.returncode == 0, lines[-1] if lines else ""


if __name__ == "__main__":
    sys.exit(main())
