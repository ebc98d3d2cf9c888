"""``mutated``: inputs made of others at random, without Atheris; the same in every run."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence


def mutated(
    seeds: Sequence[bytes], words: Sequence[bytes], count: int, most_bytes: int, seed: int = 0
) -> Iterator[bytes]:
    """``count`` inputs of at most ``most_bytes`` bytes."""
    chance = random.Random(seed)
    for _ in range(count):
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.choice((1, 1, 2, 4, 8))):
            _change(data, seeds, words, chance)
        yield bytes(data[:most_bytes])


def _change(
    data: bytearray, seeds: Sequence[bytes], words: Sequence[bytes], chance: random.Random
) -> None:
    start = chance.randint(0, len(data))
    end = min(len(data), start + chance.choice((0, 1, 1, 2, 4, 16, 64)))
    kind = chance.randrange(6)
    if kind == 0 and end > start:
        data[start] = chance.randrange(256)
    elif kind == 1 and end > start:
        data[start] ^= 1 << chance.randrange(8)
    elif kind == 2:
        del data[start:end]
    elif kind == 3 and words:
        data[start:end] = chance.choice(words)
    elif kind == 4:
        data[start:start] = data[start:end] * chance.choice((1, 3, 100))
    else:
        other = chance.choice(seeds)
        place = chance.randint(0, len(other))
        data[start:end] = other[place : place + chance.choice((1, 4, 16, 64))]
