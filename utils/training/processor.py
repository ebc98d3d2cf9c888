"""bfloat16 convolutions on the processor. Imports nothing heavy: asked before TensorFlow loads."""

from __future__ import annotations

import os
import re
from collections.abc import MutableMapping
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
# Read by oneDNN when TensorFlow loads: how convolutions of float32 may be computed.
VARIABLE = "ONEDNN_DEFAULT_FPMATH_MODE"


def set_fast_math(
    asked: bool | None,
    environment: MutableMapping[str, str] = os.environ,
    cpuinfo: Path = CPUINFO,
) -> bool:
    """Let convolutions round their inputs to bfloat16, or not; call before TensorFlow loads.

    Args:
        asked: None for what the environment says already, or else what the processor can do.
        environment: of this process.
        cpuinfo: what the system says about the processor.

    Returns:
        Whether they may.
    """
    if asked is None and VARIABLE in environment:
        return environment[VARIABLE].upper() in ("BF16", "ANY")
    fast = has_bfloat16(cpuinfo) if asked is None else asked
    environment[VARIABLE] = "BF16" if fast else "STRICT"
    return fast


def has_bfloat16(cpuinfo: Path = CPUINFO) -> bool:
    """Whether an x86 processor multiplies bfloat16 numbers; False where the system does not say.

    ``avx512_bf16`` and ``amx_bf16`` are the names of the instructions in Linux' list of flags.
    """
    try:
        flags = re.search(r"^flags\s*:(.*)$", cpuinfo.read_text(), re.MULTILINE)
    except OSError:
        return False
    return bool(flags and {"avx512_bf16", "amx_bf16"} & set(flags[1].split()))
