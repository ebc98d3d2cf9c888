"""Checks of classes: names that are probably one class, and classes with too few examples."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from itertools import combinations

from utils.data.doctor.checked import CheckedFolder
from utils.data.doctor.findings import Finding

FEW = 20  # training examples
UNEQUAL = 50  # times
RARE = 0.2  # of the examples of the right name: a typo has no more
LETTERS = 3  # with fewer, a name may stand for a letter or a sign: A and a, E-1 and E1

# Hyphens and spaces with a meaning: of a negative number, and between two numbers.
_SIGN = "\0"  # stands for one of them
_MEANINGFUL = re.compile(r"^\s*-(?=\d)|(?<=\d)[\s_-]+(?=\d)")


def check_names(folder: CheckedFolder) -> Iterator[Finding]:
    """Pairs of names that differ only in case, spacing, plural or one or two letters."""
    found = folder.class_counts()
    for rare, common, why in similar_names(found):
        message = f"{rare!r} ({_times(found[rare])}) and {common!r} ({_times(found[common])}) {why}"
        photos = [photo for photo in folder.usable() if rare in photo.annotation.names]
        photo = photos[0]
        index = photo.annotation.names.index(rare)
        yield Finding(
            "class-twins", message, photo.image_id, photo.where, photo.annotation.numbers[index],
            (tuple(photo.boxes[index].tolist()),), tuple(other.image_id for other in photos[1:]),
        )  # fmt: skip


def check_classes(folder: CheckedFolder) -> Iterator[Finding]:
    """Classes with few examples, or missing from a list; misspelt names are no classes here."""
    parts = folder.parts()
    train = parts.get("train")
    everything = folder.class_counts()
    if folder.ids_shifted:
        yield Finding("class-ids-from-1", folder.ids_shifted)
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
    if "val" in parts:
        validated = folder.class_counts(parts["val"])
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
    """(the rarer name, the commoner name, how they differ) of classes that are probably one."""
    renamed = renames(found)
    for rare, common in sorted(renamed.items()):
        yield rare, common, "differ only in case, spaces or hyphens"
    rest = sorted(name for name in found if name not in renamed)
    for first, second in combinations(rest, 2):
        rare, common = sorted((first, second), key=lambda name: (found[name], name))
        if why := _resemblance(_bare(rare), _bare(common), found[rare] <= RARE * found[common]):
            yield rare, common, why


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


def _bare(name: str) -> str:
    """A name without case, and without spaces, hyphens and underscores that mean nothing."""
    name = _MEANINGFUL.sub(_SIGN, name.casefold())
    return "".join(name.replace("-", "").replace("_", "").split())


def _is_word(bare: str) -> bool:
    return sum(character.isalpha() for character in bare) >= LETTERS


def _resemblance(first: str, second: str, rare: bool) -> str:
    """How two bare names resemble each other; "" where they do not."""
    if first == second:
        return "differ only in case, spaces or hyphens" if _is_word(first) else ""
    if _digits(first) != _digits(second):  # speed30 and speed50 are two classes
        return ""
    short, long = sorted((first, second), key=len)
    if len(short) >= 3 and long in (f"{short}s", f"{short}es"):
        return "look like singular and plural"
    # Longer names may have more typos; letters in another order count as one.
    allowed = 2 if len(short) >= (6 if Counter(first) == Counter(second) else 9) else 1
    if rare and len(short) >= 5 and len(long) - len(short) <= allowed:
        letters = Counter(first), Counter(second)  # a quick test that rules most pairs out
        other = (letters[0] - letters[1]).total() + (letters[1] - letters[0]).total()
        if other <= 2 * allowed and _edits(first, second) <= allowed:
            return "differ by a typo"
    return ""


def _digits(bare: str) -> str:
    return "".join(c for c in bare if c.isdigit() or c == _SIGN)


def _edits(first: str, second: str) -> int:
    """Letters to add, drop, change or swap with their neighbour (Damerau 1964, restricted)."""
    before: list[int] = []
    row = list(range(len(second) + 1))
    for i, a in enumerate(first, start=1):
        before, last, row = row, before, [i]
        for j, b in enumerate(second, start=1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == second[j - 2] and first[i - 2] == b:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def _examples(count: int) -> str:
    return "1 example" if count == 1 else f"{count:,} examples"
