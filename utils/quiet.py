"""Messages that C++ libraries print whatever they are told, kept from the terminal."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress

# What TensorFlow's C++ prints before it reads TF_CPP_MIN_LOG_LEVEL (tensorflow issue 100442), and
# that no CUDA driver was found on a machine without one.
_START_UP = re.compile(
    rb"WARNING: All log messages before absl|[IWE]\d{4} [\d:.]+ +\d+ \S+\]|"
    rb"\d{4}-\d\d-\d\d [\d:.]+: [IWE] |To enable the following instructions|\s*$"
)


def import_tensorflow() -> None:
    """Import TensorFlow and list its devices, without its usual messages on stderr.

    All messages are printed if the import fails, or with ``TF_CPP_MIN_LOG_LEVEL=0`` in the
    environment.
    """
    # Threads of its own start the kernels of a GPU. Otherwise they wait behind the decoding of
    # photos (TensorFlow's guide "Optimize TensorFlow GPU performance", on host thread contention).
    os.environ.setdefault("TF_GPU_THREAD_MODE", "gpu_private")
    if os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") == "0":
        _import()
        return
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as messages:
        os.dup2(messages.fileno(), 2)
        failed = True
        try:
            _import()
            failed = False
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            messages.seek(0)
            for line in messages:
                if failed or not _START_UP.match(line):
                    os.write(2, line)


def _import() -> None:
    """Import TensorFlow, and let it allocate the memory of GPUs as needed: after its first
    computation that cannot be changed any more."""
    import tensorflow as tf

    for device in tf.config.list_physical_devices():
        if device.device_type == "GPU":
            with suppress(RuntimeError, ValueError):  # the program has set it up itself
                tf.config.experimental.set_memory_growth(device, True)


@contextmanager
def silent_stderr() -> Iterator[None]:
    """Drop everything that is printed to stderr in the block. Keep the block short: what other
    threads print is dropped, too."""
    sys.stderr.flush()
    stderr, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nothing)
