"""Which classes of a checkpoint a run keeps: those of the same name, or renamed by ``--rename``."""

from __future__ import annotations

from collections.abc import Sequence

from utils.errors import UserError
from utils.text import listed, nfc

CheckpointIds = tuple[int | None, ...]  # per class: its id in the checkpoint, None for a new class


def match_classes(
    old: Sequence[str], new: Sequence[str], rename: Sequence[str] = ()
) -> CheckpointIds:
    """For each class of the data its index among the checkpoint's classes, or None.

    Names match where they differ in case, white space and the spelling of accents only. A name
    that is the same to the letter comes first.

    Args:
        old: classes of the checkpoint.
        new: classes of the data.
        rename: ``OLD=NEW`` each. An old class may become several new ones.

    Raises:
        UserError: ``rename`` names a class that is not there, or one new class twice; or a name
            matches several.
    """
    renamed = dict(_read(text, old, new) for text in rename)
    if len(renamed) < len(rename):
        raise UserError(
            f"--rename {' '.join(rename)}: a new class can come from one old class only"
        )
    taken = set(renamed.values())
    checkpoint_ids: list[int | None] = []
    for index, name in enumerate(new):
        if index in renamed:
            checkpoint_ids.append(renamed[index])
        elif name in old:
            checkpoint_ids.append(None if old.index(name) in taken else old.index(name))
        else:
            found = [i for i in _like(name, old) if i not in taken and old[i] not in new]
            unclear = [i for i in _like(name, new) if i not in renamed and new[i] not in old]
            rivals = _names(new, unclear)
            if len(found) > 1 or (found and len(rivals) > 1):
                raise UserError(
                    f"--weights: {listed(_names(old, found))} of the checkpoint and "
                    f"{listed(rivals)} of the data differ in case or white space only; say which "
                    f"is which with --rename, such as --rename {old[found[0]]!r}={name!r}"
                )
            checkpoint_ids.append(found[0] if found else None)
    return tuple(checkpoint_ids)


def in_order_of_checkpoint(
    classes: Sequence[str], checkpoint_ids: CheckpointIds
) -> tuple[str, ...]:
    """The data's classes: first those that the checkpoint knows, in its order, then the new."""
    known = sorted(
        (index for index, old_id in enumerate(checkpoint_ids) if old_id is not None),
        key=lambda index: checkpoint_ids[index],
    )
    new = [index for index, old_id in enumerate(checkpoint_ids) if old_id is None]
    return tuple(classes[index] for index in (*known, *new))


def class_texts(old: Sequence[str], new: Sequence[str], checkpoint_ids: CheckpointIds) -> list[str]:
    """What is kept, new and dropped, a line each."""
    kept = [
        name if old[old_id] == name else f"{name} (was {old[old_id]})"
        for name, old_id in zip(new, checkpoint_ids, strict=True)
        if old_id is not None
    ]
    added = [name for name, old_id in zip(new, checkpoint_ids, strict=True) if old_id is None]
    dropped = [name for index, name in enumerate(old) if index not in checkpoint_ids]
    lines = [f"  classes kept: {', '.join(kept) if kept else 'none'}"]
    if added:
        lines.append(f"  classes new: {', '.join(added)}")
    if dropped:
        lines.append(f"  classes dropped: {', '.join(dropped)} (the data does not name them)")
    if not kept:  # measured with `python -m bench.finetune transfer`, see docs/training.md
        lines.append("  no class in common: starting without --weights is often better")
    return lines


def class_origins(
    checkpoint: str,
    old: Sequence[str],
    before: dict[str, list],
    new: Sequence[str],
    checkpoint_ids: CheckpointIds,
) -> dict[str, list[dict[str, str]]]:
    """For each class the checkpoints that it came through, the oldest first; [] for a new one.

    Args:
        checkpoint: that the run starts from.
        old: its classes.
        before: where these came from.
        new, checkpoint_ids: classes of the run, and their indices in ``old``.
    """
    return {
        name: []
        if old_id is None
        else [*before.get(old[old_id], []), {"checkpoint": checkpoint, "class": old[old_id]}]
        for name, old_id in zip(new, checkpoint_ids, strict=True)
    }


def _read(text: str, old: Sequence[str], new: Sequence[str]) -> tuple[int, int]:
    """(new index, old index) of ``OLD=NEW``; names may hold an equals sign themselves."""
    places = [i for i, character in enumerate(text) if character == "="]
    if not places:
        raise UserError(
            f"--rename {text}: must be OLD=NEW, a class of the checkpoint and its new name"
        )
    for i in places:
        olds, news = _one(text[:i], old), _one(text[i + 1 :], new)
        if olds is not None and news is not None:
            return news, olds
    left, _, right = text.partition("=")
    if _one(left, old) is None:
        raise UserError(
            f"--rename {text}: the checkpoint has no class {left!r}; it has {listed(old, 8)}"
        )
    raise UserError(f"--rename {text}: the data has no class {right!r}; it has {listed(new, 8)}")


def _one(name: str, names: Sequence[str]) -> int | None:
    """The index of a name to the letter, or else of the only one like it."""
    if name in names:
        return names.index(name)
    found = _like(name, names)
    return found[0] if len(found) == 1 else None


def _like(name: str, names: Sequence[str]) -> list[int]:
    return [i for i, other in enumerate(names) if _folded(other) == _folded(name)]


def _names(names: Sequence[str], indices: Sequence[int]) -> list[str]:
    return [names[i] for i in indices]


def _folded(name: str) -> str:
    return nfc(" ".join(name.split()).casefold())
