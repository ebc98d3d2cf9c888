"""What the results say: mean AP by recipe and dataset, and the gain over the default."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

BASE = "default"
RESAMPLES = 10_000


def table(rows: Sequence[dict]) -> str:
    """Markdown: one table for each dataset, size, length and state of the code.

    Differences are paired: a run against the base recipe's run on the same fold with the same
    seed. Their 95 % interval comes from resampling the pairs, and is left out below three.
    """
    groups: dict[tuple, list[dict]] = defaultdict(list)
    for row in rows:
        length = f"{row['minutes']:g} minutes" if row["minutes"] else f"{row['photos']:,} photos"
        groups[(row["data"], row["size"], length, row["commit"])].append(row)
    return "\n\n".join(_one(*key, found) for key, found in sorted(groups.items(), key=str))


def _one(data: str, size: int | str, length: str, commit: str, rows: list[dict]) -> str:
    lines = [f"**{data}**, input size {size}, {length}, code of {commit}", ""]
    lines += ["| recipe | runs | AP | AP50 | gain in AP | |", "|---|--:|--:|--:|--:|---|"]
    by_name: dict[str, dict[tuple, dict]] = defaultdict(dict)
    for row in rows:
        by_name[row["variant"]][(row["fold"], row["seed"])] = row
    base = by_name.get(BASE, {})
    order = sorted(by_name, key=lambda name: (name != BASE, name))
    for name in order:
        own = by_name[name]
        scores = [np.mean([row[metric] for row in own.values()]) for metric in ("AP", "AP50")]
        gains = np.array([own[key]["AP"] - base[key]["AP"] for key in own if key in base])
        lines.append(
            f"| {name} | {len(own)} | {scores[0]:.3f} | {scores[1]:.3f} | "
            f"{_gain(gains) if name != BASE else ''} | {_interval(gains) if name != BASE else ''} |"
        )
    return "\n".join(lines)


def _gain(gains: np.ndarray) -> str:
    return f"{100 * gains.mean():+.1f}" if len(gains) else ""


def _interval(gains: np.ndarray) -> str:
    if len(gains) < 3:
        return " ".join(f"{100 * gain:+.1f}" for gain in gains)
    rng = np.random.default_rng(0)
    means = rng.choice(gains, (RESAMPLES, len(gains))).mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return f"{100 * low:+.1f} to {100 * high:+.1f}"
