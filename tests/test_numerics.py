"""How a run computes: bfloat16 convolutions, and the cores of exact runs."""

import subprocess
import sys
from pathlib import Path

import pytest

from utils.cores import available_cores
from utils.cpu import FAST_MATH_VARIABLE, has_bfloat16
from utils.training.numerics import (
    changed_cores,
    needs_casts,
    set_fast_math,
)

ROOT = Path(__file__).resolve().parent.parent


def test_asking_for_bfloat16_loads_nothing_heavy():
    """oneDNN reads its variable when TensorFlow loads, and --help must not wait for that."""
    code = (
        "import sys; import utils.training.numerics, utils.training.config, utils.training.legacy; "
        "print([name for name in ('tensorflow', 'keras', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def cpu(tmp_path, flags):
    cpuinfo = tmp_path / "cpuinfo"
    if flags:
        cpuinfo.write_text(f"processor\t: 0\nmodel name\t: any\nflags\t\t: {flags}\nbugs\t:\n")
    return cpuinfo


@pytest.mark.parametrize(
    ("flags", "there"),
    [("fpu avx512f avx512_bf16 amx_bf16", True), ("fpu avx2 avx512f", False), (None, False)],
)
def test_bfloat16_where_the_processor_says_so(tmp_path, flags, there):
    assert has_bfloat16(cpu(tmp_path, flags)) is there
    environment = {}
    assert set_fast_math(None, environment, cpu(tmp_path, flags)) is there
    assert environment == {FAST_MATH_VARIABLE: "BF16" if there else "STRICT"}


@pytest.mark.parametrize(
    ("flags", "casts"),
    [("avx512_bf16", True), ("avx512_bf16 amx_bf16", False), ("avx512f", False), (None, False)],
)
def test_without_amx_the_network_casts(tmp_path, flags, casts):
    assert needs_casts(cpu(tmp_path, flags)) is casts


@pytest.mark.parametrize(
    ("asked", "said", "fast", "left"),
    [
        (None, "STRICT", False, "STRICT"),
        (None, "bf16", True, "bf16"),
        (True, "STRICT", True, "BF16"),
        (False, "BF16", False, "STRICT"),
    ],
)
def test_the_environment_decides_where_nobody_asks(tmp_path, asked, said, fast, left):
    environment = {FAST_MATH_VARIABLE: said}
    assert set_fast_math(asked, environment, cpu(tmp_path, "avx512_bf16")) is fast
    assert environment == {FAST_MATH_VARIABLE: left}


def test_an_exact_run_warns_of_another_number_of_cores():
    cores = available_cores()
    assert changed_cores(cores) == ""
    warning = changed_cores(cores + 1)
    assert f"was {cores + 1}" in warning
    assert f"is {cores} now" in warning
