"""Importing TensorFlow without its start-up chatter."""

from __future__ import annotations

import os
import re
import sys
import tempfile

# What TensorFlow's C++ says before its log level counts, whatever TF_CPP_MIN_LOG_LEVEL holds
# (tensorflow issue 100442), and that no CUDA driver was found on a machine without one.
_CHATTER = re.compile(
    rb"WARNING: All log messages before absl|[IWE]\d{4} [\d:.]+ +\d+ \S+\]|"
    rb"\d{4}-\d\d-\d\d [\d:.]+: [IWE] |To enable the following instructions|\s*$"
)


def import_tensorflow() -> None:
    """Import TensorFlow and look for devices; only what is no chatter reaches stderr.

    With ``TF_CPP_MIN_LOG_LEVEL=0`` in the environment everything does. When the import fails,
    everything does too, and the error is raised.
    """
    if os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") == "0":
        import tensorflow as tf

        tf.config.list_physical_devices()
        return
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as heard:
        os.dup2(heard.fileno(), 2)
        failed = True
        try:
            import tensorflow as tf

            tf.config.list_physical_devices()
            failed = False
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            heard.seek(0)
            for line in heard:
                if failed or not _CHATTER.match(line):
                    os.write(2, line)
