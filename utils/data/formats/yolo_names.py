"""Which class names count for which YOLO labels, where text files give them: ``names_by_folder``.

LabelImg writes a ``classes.txt`` into every folder of labels, in the order in which the classes
were first drawn there. So two such files may give one id to two classes, and one that was written
later may have more names.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from utils.errors import UserError
from utils.text import listed

Names = Mapping[int, str]  # by class id


@dataclass(frozen=True)
class NamesByFolder:
    """The class names of a YOLO folder.

    Attributes:
        names: of all labels; where files differ, of those in no folder of ``folders``.
        folders: folder of labels → their names, where files differ.
        notes: sentences on files that differ.
    """

    names: Names
    folders: Mapping[Path, Names] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def names_by_folder(
    root: Path,
    files: Sequence[tuple[Path, Names]],
    label_folders: Collection[Path],
    shown_as: Callable[[Path], str],
) -> NamesByFolder:
    """Choose among the files that name classes. One that adds names to another counts for both.

    Args:
        root: the data folder, for messages.
        files: with their names, the likeliest first; at least one.
        label_folders: the folders of label files.

    Raises:
        UserError: two files above the same labels name different classes.
    """
    of_folder: dict[Path, tuple[Path, Names]] = {}  # the files by their folder
    for path, names in files:
        if path.parent not in of_folder or _extends(names, of_folder[path.parent][1]):
            of_folder[path.parent] = path, names
    chosen: dict[Path, tuple[Path, Names]] = {}  # the files by the folder of labels
    for folder in sorted(label_folders):
        above = [of_folder[up] for up in (folder, *folder.parents) if up in of_folder]
        longest = max(above or files[:1], key=lambda item: len(item[1]))
        for path, names in above:
            if not _extends(longest[1], names):
                raise UserError(
                    f"{root}: {shown_as(path)} and {shown_as(longest[0])} name different classes "
                    f"for the labels in {shown_as(folder)}/; remove the one that is wrong"
                )
        chosen[folder] = longest
    used = dict(chosen.values()) or dict(files[:1])
    names = max(used.values(), key=len)
    notes = [
        f"{shown_as(path)}: names other classes; left out"
        for path, theirs in files
        if not any(_extends(ours, theirs) for ours in used.values())
    ]
    if all(_extends(names, theirs) for theirs in used.values()):
        return NamesByFolder(names, notes=tuple(notes))
    notes.append(
        f"{listed([*map(shown_as, used)])} name different classes; each counts for the labels "
        "below it"
    )
    folders = {folder: names for folder, (_, names) in chosen.items()}
    return NamesByFolder(files[0][1], folders, tuple(notes))


def _extends(names: Names, others: Names) -> bool:
    """Whether names are the same as others, or these and more."""
    return names.items() >= others.items()
