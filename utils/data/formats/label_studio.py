"""The Label Studio format: JSON files of tasks (``label_studio_json``), as it exports them and as
``predict.py --save-label-studio`` writes them.

The photos lie anywhere below the folder; their addresses are only compared with the paths of those
that are there. A file that is named like a split, or lies in a folder named so, is a split list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from utils.data.annotations import Annotation, AnnotationError, Entry, Layout, SplitList
from utils.data.folder.file_scan import FileScan, real_folder
from utils.data.formats.json_files import mentions
from utils.data.formats.label_studio_json import Task, read_tasks
from utils.data.formats.naming import first_problems, formatted, unique_image_ids
from utils.data.formats.pairing import NameResolver, Photos
from utils.data.formats.split_folders import assign_unlisted, splits_of_files
from utils.data.splits.names import split_name
from utils.errors import UserError
from utils.images import image_size
from utils.text import counted, listed

NAME = "label-studio"
TITLE = "Label Studio"
OWN_FILES = False  # a JSON has the labels of many photos
LOOKS_FOR = "Label Studio JSON (its export, or predictions, and the photos anywhere below)"

# A file holds all the words of one of these.
_WORDS = (
    (b'"data"', b'"annotations"', b'"result"'),
    (b'"data"', b'"predictions"', b'"result"'),
    (b'"original_width"', b'labels"'),
)
# What Label Studio puts before an uploaded file's name.
_UPLOADED = re.compile(r"[0-9a-f]{8}-(?=.)")


@dataclass(frozen=True)
class LabelStudioLayout(Layout):
    """A layout with the task of each photo."""

    tasks: dict[str, Task] = field(default_factory=dict)  # by image id

    def is_human_labelled(self, image_id: str) -> bool:
        """Whether the task of a photo was labelled by people, not by a detector."""
        return self.tasks[image_id].by_human


def find_layout(root: Path) -> LabelStudioLayout | None:
    """Look for Label Studio JSON and its photos; None where there is no such file.

    Raises:
        UserError: none of the files can be read, or none of the photos is there.
    """
    scan = FileScan(real_folder(root))
    candidates = [
        path
        for path in scan.files(scan.root, (".json",))
        if any(mentions(path, words) for words in _WORDS)
    ]
    tasks: dict[Path, list[Task]] = {}
    failures = []
    for path in candidates:
        try:
            tasks[path] = read_tasks(path)
        except ValueError as error:
            failures.append(f"{scan.name(path)}: {error}")
    if not candidates:
        return None
    if not tasks:
        raise UserError(f"{scan.root}: no Label Studio JSON can be read ({failures[0]})")
    return _Finder(scan, tasks, [f"{failure}; left out" for failure in failures]).layout()


def read_annotations(
    layout: LabelStudioLayout,
) -> Iterator[tuple[str, Annotation | AnnotationError]]:
    """The labels of every entry, in order."""
    for image_id, entry in layout.entries.items():
        task = layout.tasks[image_id]
        try:
            size = task.size or image_size(entry.image)[:2]
        except UserError as error:
            message = f"the size of its photo is not known: {error}"
            yield image_id, AnnotationError("unreadable", message)
            continue
        where = f"{layout.name(entry.label)}, task {task.number}"
        yield image_id, task.annotation(size, where)


class _Finder:
    """Brings the tasks of a folder and its photos together."""

    def __init__(self, scan: FileScan, tasks: dict[Path, list[Task]], notes: list[str]) -> None:
        self.scan, self.notes = scan, notes
        self.photos = Photos(scan.photos(scan.root), scan.root, links=scan.links)
        self.unmatched: list[str] = []
        self.labelled: dict[Path, tuple[Path, Task]] = {}  # photo → JSON, task
        self.repeated: dict[Path, None] = {}  # photos that several tasks label
        self.lists: dict[str, dict[Path, None]] = {}  # split → photos
        # The folders below the root: what the data folder itself is called says nothing.
        below = {path: path.relative_to(scan.root) for path in tasks}
        splits = splits_of_files({below[path]: split_name(path.stem) for path in tasks})
        for path, found in tasks.items():
            self._match(path, found, splits[below[path]])

    def _match(self, path: Path, tasks: list[Task], split: str | None) -> None:
        names = {task.number: self._name(task.name) for task in tasks}
        resolver = NameResolver(self.photos, list(names.values()), path.parent)
        for task in tasks:
            if task.results is None:
                continue
            photo = resolver.find(names[task.number], task.size)
            if photo is None:
                where = f"{self.scan.name(path)}, task {task.number}"
                self.unmatched.append(f"{where} ({formatted(task.name)})")
                continue
            if split:
                self.lists.setdefault(split, {})[photo] = None
            if photo in self.labelled:
                self.repeated[photo] = None
                if self.labelled[photo][1].by_human or not task.by_human:
                    continue
            self.labelled[photo] = path, task
        self.notes += resolver.notes(self.scan.name(path), self.scan.name)

    def _name(self, name: str) -> str:
        """The name of a photo before it was uploaded, where only that is here."""
        folder, slash, file = name.rpartition("/")
        plain = _UPLOADED.sub("", file, count=1)
        return folder + slash + plain if not self.photos.called(file) else name

    def layout(self) -> LabelStudioLayout:
        if not self.labelled:
            raise UserError(self._nothing_found())
        if self.repeated:
            photos = listed([self.scan.name(photo) for photo in self.repeated])
            has = counted(len(self.repeated), "photo has", "photos have")
            self.notes.append(
                f"{has} several tasks ({photos}); what people drew counts before what a detector "
                "found, then the first task"
            )
        image_ids = unique_image_ids(self.scan.root, self.labelled)
        entries = sorted((image_id, photo) for photo, image_id in image_ids.items())
        lists = {
            name: SplitList(tuple(image_ids[photo] for photo in photos))
            for name, photos in self.lists.items()
        }
        names = {image_id: self.scan.name(photo) for image_id, photo in entries}
        lists, unlisted = assign_unlisted(lists, names)
        return LabelStudioLayout(
            format=NAME,
            root=self.scan.root,
            entries={i: Entry(i, photo, self.labelled[photo][0]) for i, photo in entries},
            lists=dict(sorted(lists.items())),
            unlabelled=tuple(photo for photo in self.photos.paths if photo not in self.labelled),
            unmatched_labels=tuple(self.unmatched),
            notes=(*self.scan.notes, *self.notes, *unlisted),
            tasks={image_id: self.labelled[photo][1] for image_id, photo in entries},
        )

    def _nothing_found(self) -> str:
        first = f" (first: {self.unmatched[0]})" if self.unmatched else ""
        what = (
            f"none of the photos of its Label Studio tasks is there{first}; they must lie below "
            f"{self.scan.root.name}"
            if self.unmatched
            else "none of its Label Studio tasks is labelled yet"
        )
        return f"{self.scan.root}: {what}{first_problems([*self.scan.notes, *self.notes])}"
