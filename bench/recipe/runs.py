"""Train and score one recipe on one fold, keep the result, and go on where a run was cut off."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

from utils.errors import UserError

CODE = ("nets", "utils", "model_data", "train.py", "get_map.py")
ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "docs" / "recipe" / "results.jsonl"
HELD_OUT_OF_TRAINING = 0.9  # of a training list is trained on; train.py validates on the rest


@dataclass(frozen=True)
class Job:
    """One training run and what it is scored on.

    Attributes:
        variant: name of the recipe.
        data: name of the dataset; ``folder`` is where this fold lies.
        fold: of the training list; -1 where there are none.
        photos: length of the run in photos seen; or
        minutes: in minutes of wall time at most, on a machine that does nothing else.
        options: of train.py.
        split: list that is scored.
        count: photos in the list that is trained on.
        commit: the last one that changed what is run; see ``commit_of``.
    """

    variant: str
    data: str
    folder: str
    fold: int
    seed: int
    size: int | str
    photos: int | None
    minutes: float | None
    options: tuple[str, ...]
    split: str
    count: int
    commit: str = ""

    @property
    def name(self) -> str:
        length = f"{self.minutes:g}min" if self.minutes else f"{self.photos}photos"
        digest = hashlib.sha256(json.dumps(self.key()).encode()).hexdigest()[:6]
        return f"{self.variant}-{self.data}-{self.size}-{length}-f{self.fold}-s{self.seed}-{digest}"

    def training(self) -> list[str]:
        """Options of train.py but for --out."""
        if self.minutes:
            length = ["--minutes", str(self.minutes)]
        else:
            length = ["--epochs", str(max(round(self.photos / self.count), 1))]
        return [
            "--data", self.folder, "--backbone", "efficientnet_lite0", "--input-size",
            str(self.size), *length, "--seed", str(self.seed), *self.options,
        ]  # fmt: skip

    def key(self) -> dict:
        """What makes two jobs the same: everything but where the data lies."""
        facts = asdict(self)
        del facts["folder"], facts["count"]
        return {**facts, "options": list(self.options)}


def done() -> list[dict]:
    """All results so far; a last line that was cut off while it was written is left out."""
    if not RESULTS.exists():
        return []
    *lines, rest = RESULTS.read_text(encoding="utf-8").split("\n")
    if rest:
        RESULTS.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return [json.loads(line) for line in lines]


def commit_of(code: Path) -> str:
    """The last commit that changed training or scoring, with a + where files differ from it.

    Results of other commits are of other code: they are not taken for those of a new run.
    """

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", *words, "--", *CODE], cwd=code, capture_output=True, text=True
        )
        if done.returncode:
            raise UserError(f"{code}: {done.stderr.strip()}")
        return done.stdout.strip()

    return git("log", "-1", "--format=%h") + ("+" if git("status", "--porcelain") else "")


def run_jobs(jobs: Sequence[Job], code: Path, work: Path, workers: int) -> None:
    """Run what has no result yet; several at a time with one thread each.

    Raises:
        UserError: a run failed; the others are finished first.
    """
    have = [{k: row.get(k) for k in jobs[0].key()} for row in done()] if jobs else []
    waiting = [job for job in jobs if job.key() not in have]
    print(f"{len(jobs) - len(waiting)} of {len(jobs)} runs are done", flush=True)
    failed = []
    with ThreadPoolExecutor(workers) as pool:
        running = {pool.submit(_run, job, code, work, workers): job for job in waiting}
        for future in as_completed(running):
            try:
                row = future.result()
            except subprocess.CalledProcessError as error:
                failed.append(f"{running[future].name}: {(error.stderr or '')[-500:]}")
                print(f"FAILED {failed[-1]}", flush=True)
                continue
            RESULTS.parent.mkdir(exist_ok=True)
            with open(RESULTS, "a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            print(f"{running[future].name}: AP {row['AP']:.3f} AP50 {row['AP50']:.3f}", flush=True)
    if failed:
        raise UserError(f"{len(failed)} runs failed: {'; '.join(failed)}")


def _run(job: Job, code: Path, work: Path, workers: int) -> dict:
    out, scores = work / "runs" / job.name, work / "scores" / job.name
    environment = dict(os.environ)
    if workers > 1:
        environment |= dict.fromkeys(
            ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"), "1"
        )
    resumed = out.exists()
    began, before = time.monotonic(), _processor_seconds()

    def call(*words: str) -> None:
        subprocess.run(
            [sys.executable, *words], cwd=code, env=environment, check=True, text=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip

    call("train.py", *job.training(), "--out", str(out), "--resume")
    trained, used = time.monotonic() - began, _processor_seconds() - before
    shutil.rmtree(scores, ignore_errors=True)
    call(
        "get_map.py", "--weights", str(out / "best.keras"), "--data", job.folder, "--split",
        job.split, "--out", str(scores), "--no-report", "--resamples", "0",
    )  # fmt: skip
    coco = json.loads((scores / "metrics.json").read_text())["coco"]
    rows = (out / "metrics.csv").read_text().splitlines()
    result = {name: round(coco[name], 4) for name in ("AP", "AP50", "AP75", "APs", "APm", "APl")}
    shutil.rmtree(out / "state", ignore_errors=True)
    # Of a run that had the machine to itself, and was not cut off before.
    alone = {"seconds": round(trained), "processor_seconds": round(used)}
    return {
        **job.key(), **result, "epochs": len(rows) - 1,
        **(alone if workers == 1 and not resumed else {}),
        "date": time.strftime("%Y-%m-%d"),
    }  # fmt: skip


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
