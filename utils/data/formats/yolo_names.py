"""Which class names count for which YOLO labels, where text files give them: ``names_by_folder``.

LabelImg writes a ``classes.txt`` into every folder of labels, in the order in which the classes
were first drawn there. So two such files may give one id to two classes, and one that was written
later may have more names.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from utils.errors import UserError
from utils.text import listed

Names = Mapping[int, str]  # by class id
_TEMPLATE = "predefined_classes.txt"  # labelImg's choices of names; their order gives no ids


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


@dataclass(frozen=True)
class NamesFile:
    """A file that names classes.

    Attributes:
        path: of the file.
        names: what it says.
    """

    path: Path
    names: Names

    @cached_property
    def _folded(self) -> Set[tuple[int, str]]:
        return frozenset((number, name.casefold()) for number, name in self.names.items())

    def extends(self, other: NamesFile) -> bool:
        """Whether it has the names of another but for capitals, or these and more."""
        return self._folded >= other._folded


def names_by_folder(
    root: Path,
    files: Sequence[NamesFile],
    label_folders: Collection[Path],
    shown_as: Callable[[Path], str],
) -> NamesByFolder:
    """Choose among the files that name classes. One that adds names to another counts for both.

    Args:
        root: the data folder, for messages.
        files: the likeliest first; at least one.
        label_folders: the folders of label files.

    Raises:
        UserError: two files above the same labels name different classes.
    """
    usable = [file for file in files if file.path.name.lower() != _TEMPLATE] or files
    of_folder: dict[Path, NamesFile] = {}  # the files by their folder
    for file in usable:
        known = of_folder.setdefault(file.path.parent, file)
        if len(file.names) > len(known.names) and file.extends(known):
            of_folder[file.path.parent] = file
    chosen: dict[Path, NamesFile] = {}  # the files by the folder of labels
    for folder in sorted(label_folders):
        above = [of_folder[up] for up in (folder, *folder.parents) if up in of_folder]
        # Of two that only differ in capitals, the one nearest to the top.
        longest = max(above[::-1] or usable[:1], key=lambda file: len(file.names))
        for file in above:
            if not longest.extends(file):
                raise UserError(
                    f"{root}: {shown_as(longest.path)} and {shown_as(file.path)} name different "
                    f"classes for the labels in {shown_as(folder)}/; remove the one that is wrong"
                )
        chosen[folder] = longest
    used = {file.path: file for file in chosen.values()} or {usable[0].path: usable[0]}
    longest = max(used.values(), key=lambda file: len(file.names))
    notes = [
        f"{shown_as(file.path)}: names other classes; left out"
        for file in files
        if not any(ours.extends(file) for ours in used.values())
    ]
    if all(map(longest.extends, used.values())):
        return NamesByFolder(longest.names, notes=tuple(notes))
    notes.append(
        f"{listed([*map(shown_as, used)])} name different classes; each counts for the labels "
        "below it"
    )
    folders = {folder: file.names for folder, file in chosen.items()}
    return NamesByFolder(usable[0].names, folders, tuple(notes))
