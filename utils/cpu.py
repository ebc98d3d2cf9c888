"""What this machine's CPU is and can do, as Linux tells of it. Imports nothing heavy."""

from __future__ import annotations

import platform
import re
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
# oneDNN reads this variable when TensorFlow loads: how it may compute float32 convolutions.
FAST_MATH_VARIABLE = "ONEDNN_DEFAULT_FPMATH_MODE"


def describe_cpu(cpuinfo: Path = CPUINFO) -> str:
    """The model of the CPU, and whether it multiplies bfloat16."""
    model = _line("model name", cpuinfo) or platform.processor() or platform.machine()
    return f"{model}{' with bfloat16' if has_bfloat16(cpuinfo) else ''}"


def has_bfloat16(cpuinfo: Path = CPUINFO) -> bool:
    """Whether an x86 CPU multiplies bfloat16 numbers; False where the system does not say.

    ``avx512_bf16`` and ``amx_bf16`` are the names of the instructions in Linux' list of flags.
    """
    return bool({"avx512_bf16", "amx_bf16"} & cpu_flags(cpuinfo))


def cpu_flags(cpuinfo: Path = CPUINFO) -> set[str]:
    """Linux' names of what the CPU can do; empty where the system does not say."""
    return set(_line("flags", cpuinfo).split())


def _line(key: str, cpuinfo: Path) -> str:
    """What stands behind the first ``key``; "" without it."""
    try:
        found = re.search(rf"^{key}[ \t]*:[ \t]*(.*)$", cpuinfo.read_text(), re.MULTILINE)
    except OSError:
        return ""
    return found[1] if found else ""
