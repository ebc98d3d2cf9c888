"""What this machine is: GPUs, driver, processor and versions, as a bug report needs them."""

from __future__ import annotations

import ctypes
import platform
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from utils.cores import available_cores
from utils.cpu import describe_cpu

_PACKAGES = ("tensorflow", "keras", "numpy", "openvino", "onnxruntime", "onnxruntime-gpu")
_CUDA = "libcuda.so.1"  # of the driver
_QUERY = "index,name,driver_version,memory.total,memory.used,pci.bus_id"


@dataclass(frozen=True)
class DriverGpu:
    """A GPU as NVIDIA's driver describes it; memory in MiB, ``pci`` as in ``pci_id``."""

    number: int
    name: str
    driver: str
    memory: int
    used: int
    pci: str


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
            number, name, driver, memory, used, pci = parts
            gpu = DriverGpu(int(number), name, driver, int(memory), int(used), pci_id(pci))
            found.append(gpu)
        except ValueError:
            continue
    return found


def pci_id(text: str) -> str:
    """``0000:3b:00.0`` as CUDA and the driver write it, which differ in case and zeros; "" for
    another text."""
    match = re.fullmatch(r"([0-9a-f]+):([0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f])", text.strip().lower())
    return f"{int(match[1], 16):04x}:{match[2]}" if match else ""


def cuda_pci_ids() -> list[str]:
    """The PCI ids of the GPUs in CUDA's order, which TensorFlow's is; none where CUDA cannot say.

    CUDA puts the fastest GPU first, and knows only those that ``CUDA_VISIBLE_DEVICES`` names;
    ``nvidia-smi`` lists all in the order of their PCI ids.
    """
    try:
        cuda = ctypes.CDLL(_CUDA)
    except OSError:
        return []
    count, device, text = ctypes.c_int(), ctypes.c_int(), ctypes.create_string_buffer(32)
    if cuda.cuInit(0) or cuda.cuDeviceGetCount(ctypes.byref(count)):
        return []
    found = []
    for place in range(count.value):
        if cuda.cuDeviceGet(ctypes.byref(device), place):
            return []
        if cuda.cuDeviceGetPCIBusId(text, len(text), device):
            return []
        found.append(pci_id(text.value.decode()))
    return found


def paired(
    driver: Sequence[DriverGpu], seen: Sequence[dict[str, str]]
) -> list[tuple[DriverGpu, dict[str, str] | None]]:
    """Each GPU of the driver with what TensorFlow says of it, None where it does not see it.

    The same PCI id is the same GPU; where one of them has none, those of one name go in order.
    """
    left, found = list(seen), {}
    for same in (
        lambda gpu, other: gpu.pci and gpu.pci == other["pci"],
        lambda gpu, other: not (gpu.pci and other["pci"]) and gpu.name == other["name"],
    ):
        for gpu in driver:
            match = next((other for other in left if same(gpu, other)), None)
            if gpu.number not in found and match:
                found[gpu.number] = match
                left.remove(match)
    return [(gpu, found.get(gpu.number)) for gpu in driver]


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
    return f"{platform.system()} {platform.release()}, {describe_cpu()}, {cores} cores"
