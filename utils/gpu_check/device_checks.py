"""Checks of the devices: seen, memory that grows, batches that are there ahead of time."""

from __future__ import annotations

from utils.gpu_check.machine import driver_gpus, paired
from utils.gpu_check.processes import Place
from utils.gpu_check.result import Result, judged, skipped
from utils.gpu_check.session import Session
from utils.text import counted

GROWTH = 0.5  # of a GPU's memory: less than that must be taken after a small computation


def devices_seen(session: Session) -> Result:
    """TensorFlow sees the GPUs that the driver lists."""
    name = "devices"
    driver, seen = driver_gpus(), session.machine["gpus"]
    rows = [
        {
            "GPU": gpu.number,
            "name": gpu.name,
            "driver": gpu.driver,
            "memory MiB": gpu.memory,
            "in TensorFlow": there["name"] if there else "no",
            "compute capability": there["compute capability"] if there else "–",
        }
        for gpu, there in paired(driver, seen)
    ]
    if not driver and not seen:
        return skipped(name, "nvidia-smi lists no GPU, and TensorFlow sees none")
    words = f"the driver lists {counted(len(driver), 'GPU')}, TensorFlow sees {len(seen)}"
    if not seen:
        words += '; install CUDA for TensorFlow with: pip install -e ".[gpu]"'
    return judged(name, bool(seen), words, rows)


def memory_growth(session: Session) -> Result:
    """TensorFlow takes a GPU's memory as it needs it, so that other programs can use the card."""
    name = "memory growth"
    if session.stand_in:
        return skipped(name, "a CPU's memory is not reserved")
    rows, good = [], session.machine["growth"]
    for gpu in driver_gpus():
        taken = session.machine["reserved"].get(str(gpu.number), 0)
        good = good and taken < GROWTH * gpu.memory
        rows.append({"GPU": gpu.number, "memory MiB": gpu.memory, "taken MiB": taken})
    summary = (
        "memory growth is on, and a small convolution took less than "
        f"{GROWTH:.0%} of the memory of each GPU"
    )
    return judged(name, good, summary if good else f"not so: {summary}", rows)


def input_pipeline(session: Session) -> Result:
    """Batches that are copied to the device ahead of time are those of main memory."""
    plan = session.plan
    place = Place("cpu", logical_cpus=2) if session.stand_in else session.one
    target = "CPU:1" if session.stand_in else "GPU:0"
    found = session.task(
        "prefetch", place, "pipeline", data=str(session.data), device=f"/{target}",
        batch=plan.batch, input_size=plan.input_size, steps=max(plan.speed_steps, 4),
    )  # fmt: skip
    good = found["equal"] and found["device"] == target
    rows = [
        {"loader": threads, "photos a second": round(found[threads], 1)}
        for threads in ("one thread", "all threads")
    ]
    summary = f"three batches copied ahead of time lie on {found['device']} and are "
    return judged(
        "input pipeline", good,
        summary + ("equal bit for bit" if found["equal"] else "not equal") + " to those in main "
        "memory",
        rows,
    )  # fmt: skip
