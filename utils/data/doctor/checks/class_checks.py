"""Checks of classes: names that are probably one class, and classes with too few examples."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import combinations
from typing import NamedTuple

from utils.data.doctor.checked import CheckedFolder
from utils.data.doctor.findings import Finding

FEW = 20  # training examples
UNEQUAL = 50  # times
RARE = 0.2  # of the examples of the right name: a typo has no more
MAX_NAMES_COMPARED = 1250  # names, each with each other; more take too long
MAX_COMPARED_LENGTH = 100  # characters
LETTERS = 3  # with fewer, a name may stand for a letter or a sign: A and a, E-1 and E1

# Hyphens and spaces with a meaning: of a negative number, and between two numbers.
_SIGN = "\0"  # stands for one of them
_MEANINGFUL = re.compile(r"^\s*-(?=\d)|(?<=\d)[\s_-]+(?=\d)")


def check_names(folder: CheckedFolder) -> Iterator[Finding]:
    """Pairs of names that differ only in case, spacing, plural or one or two letters."""
    found = folder.class_counts()
    if len(found) > MAX_NAMES_COMPARED:
        yield Finding(
            "class-not-compared",
            f"{len(found):,} class names, more than the {MAX_NAMES_COMPARED:,} that are compared",
        )
    for rare, common, why in similar_names(found):
        message = f"{rare!r} ({_times(found[rare])}) and {common!r} ({_times(found[common])}) {why}"
        photos = [photo for photo in folder.usable() if rare in photo.annotation.names]
        photo = photos[0]
        index = photo.annotation.names.index(rare)
        yield Finding(
            "class-similar-names", message, photo.image_id, photo.where,
            photo.annotation.numbers[index],
            (tuple(photo.boxes[index].tolist()),), tuple(other.image_id for other in photos[1:]),
        )  # fmt: skip


def check_classes(folder: CheckedFolder) -> Iterator[Finding]:
    """Classes with few examples, or missing from a list; misspelt names are no classes here."""
    splits = folder.splits()
    train = splits.get("train")
    everything = folder.class_counts()
    if folder.class_id_shift_warning:
        yield Finding("class-ids-from-1", folder.class_id_shift_warning)
    misspelt = {rare for rare, *_ in similar_names(everything)}
    found = folder.class_counts(train)
    for name in misspelt:
        found.pop(name, None)
    for name in sorted(everything.keys() - misspelt):
        if train is not None and name not in found:
            yield Finding("class-not-trained", f"{name!r} ({_times(everything[name])})")
        elif found[name] < FEW:
            where = " in training photos" if train is not None else ""
            yield Finding("class-few", f"{name!r}: {_examples(found[name])}{where}")
    if "val" in splits:
        validated = folder.class_counts(splits["val"])
        for name in sorted(found.keys() - validated.keys()):
            yield Finding("class-not-validated", f"{name!r}")
    if found:
        (most, many), (least, few) = found.most_common()[0], found.most_common()[-1]
        if few >= FEW and many > UNEQUAL * few:
            yield Finding(
                "class-imbalance",
                f"{many:,} examples of {most!r}, {few:,} of {least!r}: {many / few:.0f} to 1",
            )


def similar_names(found: Mapping[str, int]) -> Iterator[tuple[str, str, str]]:
    """(the rarer name, the commoner name, how they differ) of classes that are probably one.

    Typos and plurals are looked for among ``MAX_NAMES_COMPARED`` names at most, and not in those of
    more than ``MAX_COMPARED_LENGTH`` characters.
    """
    yield from _similar_names(tuple(sorted(found.items())))


@lru_cache(maxsize=2)  # two checks ask
def _similar_names(counts: tuple[tuple[str, int], ...]) -> tuple[tuple[str, str, str], ...]:
    found = dict(counts)
    renamed = renames(found)
    similar = [
        (rare, common, "differ only in case, spaces or hyphens")
        for rare, common in sorted(renamed.items())
    ]
    if len(found) > MAX_NAMES_COMPARED:
        return tuple(similar)
    rest = [
        _Name.of(name, count)
        for name, count in counts
        if name not in renamed and len(name) <= MAX_COMPARED_LENGTH
    ]
    for first, second in combinations(rest, 2):
        if first.digits != second.digits:  # speed30 and speed50 are two classes
            continue
        rare, common = (first, second) if first.times <= second.times else (second, first)
        if why := _resemblance(rare, common, rare.times <= RARE * common.times):
            similar.append((rare.text, common.text, why))
    return tuple(similar)


def renames(found: Mapping[str, int]) -> dict[str, str]:
    """Rare name → the commonest name with the same letters, where that is beyond doubt."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in sorted(found):
        if _is_word(bare := _bare(name)):
            groups[bare].append(name)
    result = {}
    for names in groups.values():
        best = max(names, key=lambda name: found[name])
        result |= {
            name: best for name in names if name != best and found[name] <= RARE * found[best]
        }
    return result


class _Name(NamedTuple):
    """A class with what is compared of its name: without case, its digits, its letters' counts."""

    text: str
    times: int
    bare: str
    digits: str
    letters: Counter[str]

    @classmethod
    def of(cls, text: str, times: int) -> _Name:
        bare = _bare(text)
        return cls(text, times, bare, _digits(bare), Counter(bare))


def _bare(name: str) -> str:
    """A name without case, and without spaces, hyphens and underscores that mean nothing."""
    name = _MEANINGFUL.sub(_SIGN, name.casefold())
    return "".join(name.replace("-", "").replace("_", "").split())


def _is_word(bare: str) -> bool:
    return sum(character.isalpha() for character in bare) >= LETTERS


def _resemblance(first: _Name, second: _Name, rare: bool) -> str:
    """How two names of the same digits resemble each other; "" where they do not."""
    if first.bare == second.bare:
        return "differ only in case, spaces or hyphens" if _is_word(first.bare) else ""
    short, long = sorted((first.bare, second.bare), key=len)
    if len(short) >= 3 and long in (f"{short}s", f"{short}es"):
        return "look like singular and plural"
    if not rare or len(short) < 5 or len(long) - len(short) > 2:
        return ""
    # Longer names may have more typos; letters in another order count as one.
    allowed = 2 if len(short) >= (6 if first.letters == second.letters else 9) else 1
    # A quick test that rules most pairs out.
    other = (first.letters - second.letters).total() + (second.letters - first.letters).total()
    if other <= 2 * allowed and _within(first.bare, second.bare, allowed):
        return "differ by a typo"
    return ""


def _digits(bare: str) -> str:
    return "".join(c for c in bare if c.isdigit() or c == _SIGN)


def _within(first: str, second: str, edits: int) -> bool:
    """Whether so few letters to add, drop, change or swap with their neighbour make one text of the
    other (Damerau 1964, restricted). What both begin with needs none."""
    pairs = enumerate(zip(first, second, strict=False))
    same = next((i for i, (a, b) in pairs if a != b), min(len(first), len(second)))
    first, second = first[same:], second[same:]
    if not edits or not first or not second:
        return max(len(first), len(second)) <= edits
    return (
        _within(first[1:], second[1:], edits - 1)
        or _within(first[1:], second, edits - 1)
        or _within(first, second[1:], edits - 1)
        or (first[:2] == second[1::-1] and _within(first[2:], second[2:], edits - 1))
    )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def _examples(count: int) -> str:
    return "1 example" if count == 1 else f"{count:,} examples"
