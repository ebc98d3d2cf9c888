"""How a run computes: bfloat16 convolutions, op determinism, the dtype policy.

TensorFlow and Keras are imported inside functions: the CPU is asked for bfloat16 before they load.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from pathlib import Path

from utils.cores import available_cores
from utils.cpu import CPUINFO, FAST_MATH_VARIABLE, cpu_flags, has_bfloat16
from utils.errors import UserError


def set_fast_math(
    asked: bool | None,
    environment: MutableMapping[str, str] = os.environ,
    cpuinfo: Path = CPUINFO,
) -> bool:
    """``--fast-math``: let convolutions round their inputs to bfloat16, or not.

    Call before TensorFlow loads.

    Args:
        asked: None for what the environment says already, otherwise for what the CPU can do.
        environment: of this process.
        cpuinfo: what the system says about the CPU.

    Returns:
        Whether they may.
    """
    if asked is None and FAST_MATH_VARIABLE in environment:
        return environment[FAST_MATH_VARIABLE].upper() in ("BF16", "ANY")
    fast = has_bfloat16(cpuinfo) if asked is None else asked
    environment[FAST_MATH_VARIABLE] = "BF16" if fast else "STRICT"
    return fast


def needs_casts(cpuinfo: Path = CPUINFO) -> bool:
    """Whether a CPU multiplies bfloat16 numbers in convolutions only if they are cast to it.

    oneDNN's fast math rounds float32 convolutions where there is ``amx_bf16``. With ``avx512_bf16``
    alone it computes them in float32 as before, and the network has to cast (``nets.bfloat16``).
    """
    return has_bfloat16(cpuinfo) and "amx_bf16" not in cpu_flags(cpuinfo)


def one_dnn_rounds(cpuinfo: Path = CPUINFO) -> bool:
    """Whether oneDNN's fast math may round float32 convolutions of this CPU without a cast: with
    ``amx_bf16``, or where the system does not say what the CPU can do."""
    flags = cpu_flags(cpuinfo)
    return not flags or "amx_bf16" in flags


def rounds_convolutions(fast_math: bool | None, *, on_gpu: bool) -> bool:
    """Whether convolutions of a run round their inputs to bfloat16.

    Args:
        fast_math: whether they may.
        on_gpu: whether the run computes on GPUs.
    """
    return bool(fast_math) and has_bfloat16() and not on_gpu


def make_deterministic(threads: int | None = None) -> int:
    """``--exact``: the same options and seed give the same weights bit for bit.

    TensorFlow's op determinism alone is not enough on the CPU: operations that run at the same
    time may still add their results in another order. So one operation runs at a time, with a
    fixed number of threads. Call before anything is computed.

    Args:
        threads: of each operation, as in the run that is resumed; default: one a core.

    Returns:
        The number of threads. It belongs to the run: another number adds in another order.

    Raises:
        UserError: this process has computed something with other threads.
    """
    import tensorflow as tf

    threads = threads or available_cores()
    try:
        tf.config.threading.set_inter_op_parallelism_threads(1)
        tf.config.threading.set_intra_op_parallelism_threads(threads)
    except RuntimeError:
        raise UserError(
            "--exact: TensorFlow already computes with other threads in this process; start another"
        ) from None
    tf.config.experimental.enable_op_determinism()
    return threads


def changed_cores(threads: int) -> str:
    """A warning that an exact run resumes on another number of cores; "" if it does not.

    The same number of threads on one core instead of two gave other bits.
    """
    now = available_cores()
    if now == threads:
        return ""
    return (
        f"the number of cores was {threads} when the run was started and is {now} now: its weights "
        "may differ in their last bits from those of an uninterrupted run"
    )


def set_precision(precision: str) -> None:
    """``--precision``: layers built from here on compute in it; their weights stay float32."""
    import keras

    keras.config.set_dtype_policy(precision)
