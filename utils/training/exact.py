"""``--exact``: the same weights bit for bit, whatever happens on the way.

On the CPU, TensorFlow's op determinism alone does not give it: sums from several operations that
run at the same time may still be added in another order. One operation at a time, each with a
fixed number of threads, does.
"""

from __future__ import annotations

import tensorflow as tf

from utils.cores import available_cores


def make_exact(threads: int | None = None) -> int:
    """Make everything computed from here on exact; call before anything is computed.

    Args:
        threads: of each operation; the run that is resumed had them. By itself one a core.

    Returns:
        The number of threads, to be stored with the run: another number adds in another order.
    """
    threads = threads or available_cores()
    tf.config.experimental.enable_op_determinism()
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    return threads


def other_cores(threads: int) -> str:
    """A warning that a run goes on with other cores than it was started with; "" if it does not.

    The same number of threads on one core of two has ended in other bits.
    """
    now = available_cores()
    if now == threads:
        return ""
    return (
        f"the number of cores was {threads} when the run was started and is {now} now: its weights "
        "may differ in their last bits from those of a run where it did not change"
    )
