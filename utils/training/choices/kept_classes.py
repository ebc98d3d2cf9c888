"""``--keep-classes``: a run also keeps the checkpoint's classes that its photos do not label."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from utils.errors import UserError
from utils.text import listed
from utils.training.choices.classes import CheckpointIds


@dataclass(frozen=True)
class KeptClasses:
    """The classes of a run that keeps all of the checkpoint's.

    Attributes:
        classes: their names.
        checkpoint_ids: for each class its index in the checkpoint; None for a new class.
        ids: for each class of the data its id in the run.
        unlabelled: ids in the run of the checkpoint's classes that the training photos do not
            label.
    """

    classes: tuple[str, ...]
    checkpoint_ids: CheckpointIds
    ids: tuple[int, ...]
    unlabelled: tuple[int, ...]


def keep_all_classes(
    old: Sequence[str],
    new: Sequence[str],
    checkpoint_ids: CheckpointIds,
    labelled: Collection[int],
    *,
    in_given_order: bool,
) -> KeptClasses:
    """Add the classes of a checkpoint that the data does not name.

    Args:
        old: classes of the checkpoint.
        new, checkpoint_ids: classes of the data, and for each its index in ``old`` or None.
        labelled: indices of the data's classes that its training photos label.
        in_given_order: the data's classes keep their order and others follow. Otherwise the
            checkpoint's classes come first, in its order.

    Raises:
        UserError: a class that is added has the name of a new class or of a renamed one.
    """
    added = [index for index in range(len(old)) if index not in checkpoint_ids]
    if twice := [old[index] for index in added if old[index] in new]:
        raise UserError(
            f"--keep-classes: the checkpoint has a class {twice[0]!r} that would be kept beside "
            f"the class {twice[0]!r} that --rename makes of another one; give that one another "
            "name in the data, or leave --keep-classes out"
        )
    names, places = (*new, *(old[index] for index in added)), (*checkpoint_ids, *added)
    order = list(range(len(names)))
    if not in_given_order:
        order.sort(key=lambda i: len(old) if places[i] is None else places[i])
    ids = tuple(order.index(i) for i in range(len(new)))
    return KeptClasses(
        classes=tuple(names[i] for i in order),
        checkpoint_ids=tuple(places[i] for i in order),
        ids=ids,
        unlabelled=tuple(
            run_id for run_id, i in enumerate(order) if places[i] is not None and i not in labelled
        ),
    )


def unlabelled_text(kept: KeptClasses, *, classes_given: bool) -> str:
    """Which of the kept classes the training photos do not label; a line of the start's block.

    ``classes_given``: ``--classes`` has said which are labelled.
    """
    if not kept.unlabelled:
        return "  --keep-classes: the training photos label all classes of the checkpoint"
    names = listed([kept.classes[i] for i in kept.unlabelled], 30)
    if classes_given:
        return f"  classes that --classes does not name, so not labelled here: {names}"
    return (
        f"  classes without an object in the training photos, so not labelled here: {names} (a "
        "--classes file can name the labelled classes instead)"
    )
