"""What the processor can do. Imports nothing, for it is asked before TensorFlow loads."""

from __future__ import annotations

import re
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")


def has_bfloat16(cpuinfo: Path = CPUINFO) -> bool:
    """Whether an x86 processor multiplies bfloat16 numbers; False where the system does not say.

    ``avx512_bf16`` and ``amx_bf16`` are the names of the instructions in Linux' list of flags.
    """
    try:
        flags = re.search(r"^flags\s*:(.*)$", cpuinfo.read_text(), re.MULTILINE)
    except OSError:
        return False
    return bool(flags and {"avx512_bf16", "amx_bf16"} & set(flags[1].split()))
