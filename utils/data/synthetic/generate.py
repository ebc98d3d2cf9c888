"""``write_dataset``: draws scenes and writes them as a VOC folder.

``Annotations/ JPEGImages/ ImageSets/Main/{train,val,trainval,test}.txt classes.txt`` and
``synthetic.json``, which holds the seed, the number of scenes, and whether the folder is finished.
A finished folder stays as it is. An unfinished one is continued with the missing scenes: a scene
depends only on its seed, split and index.
"""

from __future__ import annotations

import json
import multiprocessing
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import cv2
from tqdm import tqdm

from utils.cores import available_cores
from utils.data.classes import write_classes
from utils.data.synthetic.scenes import SPLIT_IDS, Scene, draw_scene
from utils.data.synthetic.signs import CLASSES
from utils.errors import UserError
from utils.files import atomic_write
from utils.label_files.voc import write_voc_annotation, write_voc_list

GENERATOR_VERSION = 1  # raised when the same seed no longer gives the same scenes
MANIFEST = "synthetic.json"
JPEG_QUALITY = 90
SCENES_PER_WORKER = 16  # fewer scenes are drawn before another process has started

Job = tuple[str, int]  # split, index


def write_dataset(
    out: Path, *, train: int, val: int, test: int, seed: int = 0, workers: int | None = None
) -> bool:
    """Draw the scenes and write them under ``out`` as VOC, with a progress bar on stderr.

    Args:
        out: the folder; made if missing.
        train, val, test: number of scenes in each split.
        seed: other seeds give other scenes.
        workers: processes that draw; None for all cores. The files do not depend on it.

    Returns:
        False when ``out`` already held this dataset, finished, and nothing was written.

    Raises:
        UserError: a number is out of range, or ``out`` holds something else.
    """
    out = Path(out)
    counts = {"train": train, "val": val, "test": test}
    _check_numbers(counts, seed, workers)
    manifest = {"generator": GENERATOR_VERSION, "seed": seed, **counts}
    if _is_finished(out, manifest):
        return False
    _write_manifest(out, manifest, finished=False)
    image_ids = {split: [image_id(split, i) for i in range(counts[split])] for split in SPLIT_IDS}
    _draw_missing(out, counts, seed, workers or available_cores())
    for split, names in image_ids.items():
        write_voc_list(out, split, names)
    write_voc_list(out, "trainval", sorted(image_ids["train"] + image_ids["val"]))
    write_classes(out / "classes.txt", CLASSES)
    _write_manifest(out, manifest, finished=True)
    return True


def image_id(split: str, index: int) -> str:
    """Name of a scene's files without ending."""
    return f"{split}_{index:05d}"


def write_scene(out: Path, seed: int, job: Job) -> None:
    """Draw one scene and write it."""
    split, index = job
    save_scene(draw_scene(seed, split, index), out, image_id(split, index))


def save_scene(scene: Scene, out: Path, name: str) -> None:
    """Write a scene's picture, then its annotation: if both exist, it is complete."""
    height, width = scene.image.shape[:2]
    code = cv2.imencode(".jpg", scene.image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    with atomic_write(out / "JPEGImages" / f"{name}.jpg", "wb") as file:
        file.write(code.tobytes())
    write_voc_annotation(
        out / "Annotations" / f"{name}.xml",
        f"{name}.jpg",
        width,
        height,
        scene.boxes,
        scene.names,
        scene.difficult,
    )


def _draw_missing(out: Path, counts: dict[str, int], seed: int, workers: int) -> None:
    jobs = [(split, i) for split, count in counts.items() for i in range(count)]
    missing = [
        job
        for job in jobs
        if not (out / "Annotations" / f"{image_id(*job)}.xml").exists()
        or not (out / "JPEGImages" / f"{image_id(*job)}.jpg").exists()
    ]
    done = _run(partial(write_scene, out, seed), missing, workers)
    for _ in tqdm(
        done,
        "drawing scenes",
        len(jobs),
        unit="scene",
        initial=len(jobs) - len(missing),
        disable=None,
    ):
        pass


def _run(work: partial, jobs: list[Job], workers: int) -> Iterator[None]:
    """Do the jobs in this process or in several, yielding once for each one done."""
    workers = min(workers, len(jobs) // SCENES_PER_WORKER + 1)
    if workers <= 1:
        yield from map(work, jobs)
        return
    # Spawned, not forked: the caller may have threads running, TensorFlow's for instance.
    with multiprocessing.get_context("spawn").Pool(workers, _quiet_worker) as pool:
        yield from pool.imap_unordered(work, jobs, chunksize=4)


def _quiet_worker() -> None:
    """One thread a process; the parent process handles Ctrl-C."""
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _check_numbers(counts: dict[str, int], seed: int, workers: int | None) -> None:
    for split, count in counts.items():
        if not 0 <= count <= 99_999:
            raise UserError(f"--{split} {count}: the number of scenes must be from 0 to 99999.")
    if not any(counts.values()):
        raise UserError("--train, --val and --test are all 0: there is nothing to draw.")
    if seed < 0:
        raise UserError(f"--seed {seed}: the seed must be 0 or more.")
    if workers is not None and workers < 1:
        raise UserError(f"--workers {workers}: at least one process must draw.")


def _is_finished(out: Path, manifest: dict[str, int]) -> bool:
    """Whether ``out`` holds all of this dataset; refuses a folder that holds something else."""
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file; --out must be a folder.")
    path = out / MANIFEST
    if not path.exists():
        if out.is_dir() and any(out.iterdir()):
            raise UserError(
                f"{out} is not empty and was not made by this command; choose another --out."
            )
        return False
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        finished = bool(found.pop("finished"))
    except (OSError, ValueError, AttributeError, KeyError):
        raise UserError(f"{path} cannot be read; remove {out} or choose another --out.") from None
    if found != manifest:
        made_with = ", ".join(f"{key} {value}" for key, value in found.items())
        raise UserError(
            f"{out} holds another generated dataset ({made_with}); "
            "remove it or choose another --out."
        )
    return finished


def _write_manifest(out: Path, manifest: dict[str, int], *, finished: bool) -> None:
    with atomic_write(out / MANIFEST) as file:
        json.dump({**manifest, "finished": finished}, file, indent=2)
        file.write("\n")
