"""Whether this machine seems to have an NVIDIA GPU, and a warning where nothing can use it.

The ordinary installation has no CUDA libraries, and TensorFlow's own message about that is not
shown (``utils.quiet``). Imports no TensorFlow.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path


def gpu_likely() -> bool:
    """Whether an NVIDIA driver is there; asking the libraries takes seconds."""
    return any(Path("/dev").glob("nvidia[0-9]*")) or Path("/dev/dxg").exists()


@cache
def warn_of_unused_gpu() -> None:
    """Say, once, how to make a GPU usable where ``--device auto`` found a driver but no GPU.

    Not where the environment hides the GPUs.
    """
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0") in ("", "-1") or not gpu_likely():
        return
    print(
        "warning: this machine seems to have an NVIDIA GPU that TensorFlow cannot use, so the CPU "
        'computes; install CUDA\'s libraries with: pip install -e ".[gpu]" (--device cpu avoids '
        "this warning, TF_CPP_MIN_LOG_LEVEL=0 shows TensorFlow's reasons)",
        file=sys.stderr,
    )
