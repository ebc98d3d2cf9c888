"""What this machine is: GPUs, driver, processor and versions, as a bug report needs them."""

from __future__ import annotations

import platform
import subprocess
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from utils.cores import available_cores
from utils.runtime.fastest import processor

_PACKAGES = ("tensorflow", "keras", "numpy", "openvino", "onnxruntime", "onnxruntime-gpu")
_QUERY = "index,name,driver_version,memory.total,memory.used"


@dataclass(frozen=True)
class DriverGpu:
    """A GPU as NVIDIA's driver describes it; memory in MiB."""

    number: int
    name: str
    driver: str
    memory: int
    used: int


def driver_gpus() -> list[DriverGpu]:
    """The GPUs that ``nvidia-smi`` lists; none where there is no such program."""
    try:
        done = subprocess.run(
            ["nvidia-smi", f"--query-gpu={_QUERY}", "--format=csv,noheader,nounits"],
            capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return []
    return read_driver_gpus(done.stdout)


def read_driver_gpus(text: str) -> list[DriverGpu]:
    """The lines that ``nvidia-smi`` prints for ``_QUERY``; a line of another kind is left out."""
    found = []
    for line in text.splitlines():
        parts = [part.strip() for part in line.split(",")]
        try:
            number, name, driver, memory, used = parts
            found.append(DriverGpu(int(number), name, driver, int(memory), int(used)))
        except ValueError:
            continue
    return found


def versions() -> str:
    """Python's version and those of the packages that compute."""
    found = [f"Python {platform.python_version()}"]
    for package in _PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def host() -> str:
    """System, processor and cores."""
    cores = available_cores()
    return f"{platform.system()} {platform.release()}, {processor()}, {cores} cores"
