"""Finding the photos, their XML and the split lists of a VOC folder: ``find_layout``.

It reads a VOC folder (``Annotations``, ``JPEGImages``, with or without ``ImageSets/Main``),
a ``VOCdevkit`` with a folder for each year, a VOC folder for each split, and photos and XML side by
side or under other usual names, in ``train``/``val``/``test`` folders or not. Photo and XML belong
together when they have the same key (``voc_pairs``, ``pairing``). Nothing outside the data folder
is looked at, whatever links and XML say.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection
from functools import cached_property
from pathlib import Path

from utils.data.annotations import Entry, Layout, SplitList
from utils.data.folder.file_scan import FileScan
from utils.data.formats.foreign import foreign_labels
from utils.data.formats.list_file import list_lines
from utils.data.formats.naming import (
    Key,
    first_problems,
    formatted,
    list_note,
    unclear_note,
)
from utils.data.formats.split_folders import (
    assign_remaining_to_lists,
    merge_named_lists_and_folders,
    split_folders,
)
from utils.data.formats.voc_pairs import VocPairs, is_voc, not_read
from utils.data.splits.names import is_for_training, is_split_name, split_name
from utils.errors import UserError
from utils.image_kinds import photo_stem
from utils.images import IMAGE_SUFFIXES
from utils.text import listed, nfc

_FLAGGED = re.compile(r"(.*\S)\s+(-1|0|1)")  # a line of VOC's lists for one class, cat_train.txt


def find_layout(root: Path) -> Layout | None:
    """Look through a data folder; None where it holds no XML.

    Raises:
        UserError: there are XML files, but none belongs to a photo.
    """
    scan = FileScan(root)
    years, beside = _years(scan)
    parts = [_Part(scan, year, folder) for year, folder in sorted(years.items())]
    if not any(part.files.xmls for part in parts):
        return None
    if not any(part.pairs for part in parts):
        if foreign := foreign_labels(scan, (".xml",)):
            raise UserError(f"{root}: {foreign}")
        raise UserError(_no_pair(root, scan, parts))

    # A file stem where that is enough, otherwise with its folders and its year.
    stems = Counter(key[-1] for part in parts for key in part.pairs)
    entries: dict[str, Entry] = {}
    for part in parts:
        for key, (image, xml) in part.pairs.items():
            image_id = key[-1]
            if stems[image_id] > 1:
                image_id = "/".join([part.year, *key] if part.year else key)
            part.image_ids[key] = image_id
            entries[image_id] = Entry(image_id, image, xml)

    _keep_splits(parts)
    lists: dict[str, SplitList] = {}
    own_lists = [part.split_lists() for part in parts]
    for part, own in zip(parts, own_lists, strict=True):
        for name, found in own.items():
            if part.year and not part.split:
                lists[f"{part.year}:{name}"] = found
            before = lists.get(name, SplitList(()))
            lists[name] = SplitList(before.image_ids + found.image_ids, before.notes + found.notes)
    lists, unlisted = _assign_unlisted(parts, own_lists, lists)
    only_val = set(map(split_name, lists)) - {None} == {"val"}  # None: trainval, of the same photos
    if len(parts) == 1 and parts[0].lists_lie_beside and only_val:
        names = listed([parts[0].name(path) for path in parts[0].list_paths.values()])
        lists, unlisted = {}, [f"{names}: not used, as no photo is left to train on"]
    return Layout(
        format="voc",
        root=root,
        entries=dict(sorted(entries.items())),
        lists=dict(sorted(lists.items())),
        years=tuple(part.year for part in parts if part.year and not part.split),
        unlabelled=tuple(image for part in parts for image in part.files.unlabelled),
        unmatched_labels=tuple(scan.name(xml) for part in parts for xml in part.files.unmatched),
        notes=(
            *scan.notes,
            *not_read(scan, beside),
            *(note for part in parts for note in part.notes),
            *unlisted,
        ),
    )


def _keep_splits(parts: list[_Part]) -> None:
    """Forget that a folder is named like a split where that says nothing.

    Folders that are named like two splits or more are them. One alone is what ``--data`` means;
    beside other folders, it is a split only if it is none of training photos, and if its own lists
    do not tell more.
    """
    several = len({part.split for part in parts} - {""}) > 1
    for part in parts:
        plain = part.split.startswith("train") or any(map(is_split_name, part.given_lists))
        if len(parts) == 1 or (plain and not several):
            part.split = ""


def _assign_unlisted(
    parts: list[_Part], own_lists: list[dict[str, SplitList]], lists: dict[str, SplitList]
) -> tuple[dict[str, SplitList], list[str]]:
    """The lists with the photos of folders that have none, beside folders that have some or are
    splits."""
    if not any(map(is_split_name, lists)):
        return lists, []
    inside = {image_id for found in lists.values() for image_id in found.image_ids}
    remaining = {
        image_id: part.name(part.pairs[key][0])
        for part, own in zip(parts, own_lists, strict=True)
        if not any(map(is_split_name, own))
        for key, image_id in part.image_ids.items()
        if image_id not in inside
    }
    kind = "folder" if any(part.split for part in parts) else "list"
    if not any(part.trains_on_remaining for part in parts):
        return assign_remaining_to_lists(lists, remaining, kind)
    # Where the training photos of one folder are those in no list of it, so are these.
    others = {name: found for name, found in lists.items() if not is_for_training(name)}
    found, notes = assign_remaining_to_lists(others, remaining, kind)
    train = lists["train"].image_ids + found.get("train", SplitList(())).image_ids
    return {**lists, "train": SplitList(train, lists["train"].notes)}, notes


def _years(scan: FileScan) -> tuple[dict[str, Path], list[Path]]:
    """The year folders of a devkit by year, and the folders that are not read.

    VOC folders named like splits come by their names, too. In another folder the year is "" and
    its folder the root itself.
    """
    children = scan.folders(scan.root)
    if is_voc(scan, scan.root):
        return {"": scan.root}, []
    devkits = [scan.root, *(child for child in children if child.name.lower() == "vocdevkit")]
    for devkit in devkits:
        years = [child for child in scan.folders(devkit) if is_voc(scan, child)]
        if years:
            names = [re.sub("(?i)^voc(?=.)", "", year.name) for year in years]
            named = {  # VOC2007 beside 2007 keeps its whole name
                name if names.count(name) == 1 else year.name: year
                for name, year in zip(names, years, strict=True)
            }
            beside = dict.fromkeys([*children, *scan.folders(devkit)])
            return named, [folder for folder in beside if folder not in (devkit, *years)]
    return {"": scan.root}, []


class _Part:
    """One VOC folder (or the whole of another layout): its pairs of photo and XML, its lists.

    Attributes:
        split: the split that the folder is named like, "" for years and others.
        files: its photos and XML.
        pairs: key → photo and XML.
        image_ids: key → image id in the layout, filled in by ``find_layout``.
        list_paths: the files of its lists by their names.
        trains_on_remaining: no list or folder has training photos; those in none of them are.
        notes: a sentence for each further thing left out.
    """

    def __init__(self, scan: FileScan, year: str, folder: Path) -> None:
        self.year = year
        self.split = (split_name(year) or year.lower()) if is_split_name(year) else ""
        self.folder = folder
        self.scan = scan
        self.files = VocPairs(scan, folder)
        self.photos, self.pairs, self.notes = self.files.photos, self.files.pairs, self.files.notes
        self.image_ids: dict[Key, str] = {}
        self.list_paths: dict[str, Path] = {}
        self.trains_on_remaining = False

    def split_lists(self) -> dict[str, SplitList]:
        """The lists of the folder; where there are none, folders named train, val, test."""
        if self.split:
            return self._of_its_split(self.given_lists)
        if not self.given_lists:
            return self._with_remaining(self._split_folders(), "folder")
        if not self.lists_lie_beside:
            return self.given_lists
        lists, notes = merge_named_lists_and_folders(self.given_lists, self._split_folders())
        self.notes += notes
        return self._with_remaining(lists, "list")

    @property
    def lists_lie_beside(self) -> bool:
        """Whether its lists lie beside its folders of photos and XML, not under ``ImageSets``."""
        paths = self.list_paths.values()
        return bool(self.given_lists) and all(path.parent == self.folder for path in paths)

    @cached_property
    def given_lists(self) -> dict[str, SplitList]:
        """Lists under ``ImageSets``; where there are none, those beside the folders of photos and
        XML. They need ``image_ids``."""
        found = self._list_files()
        return found | self._lists_beside(found)

    def _with_remaining(self, lists: dict[str, SplitList], kind: str) -> dict[str, SplitList]:
        inside = {image_id for found in lists.values() for image_id in found.image_ids}
        remaining = {
            image_id: self.name(self.pairs[key][0])
            for key, image_id in self.image_ids.items()
            if image_id not in inside
        }
        found, notes = assign_remaining_to_lists(lists, remaining, kind)
        self.trains_on_remaining = found.keys() != lists.keys()
        self.notes += notes
        return found

    def _of_its_split(self, found: dict[str, SplitList]) -> dict[str, SplitList]:
        """The lists of a folder that is named like a split: as a rule one, of all its photos.

        A file of that split's name may list fewer of them, and a folder of training photos may
        have lists of its own for validation. No other name makes training photos of test photos.
        """
        training = self.split.startswith("train")
        lists = {
            name: part
            for name, part in found.items()
            if split_name(name) == self.split or (training and is_split_name(name))
        }
        everything = SplitList(tuple(self.image_ids.values()))
        if self.split == "trainval" and not lists:
            lists["train"] = everything
        if not any(name == self.split or split_name(name) == self.split for name in lists):
            lists[self.split] = everything
        unused = [
            self.name(path)
            for name, path in sorted(self.list_paths.items())
            if name not in lists and set(found[name].image_ids) != set(everything.image_ids)
        ]
        if unused:
            self.notes.append(
                f"{self.name(self.folder)}/ is the list {self.split}, as it is called so; not "
                f"used: {listed(unused)}"
            )
        return lists

    def _list_files(self) -> dict[str, SplitList]:
        found = {}
        for folder in self._list_folders():
            for path in self.scan.files(folder, (".txt",), deep=False):
                lines = list_lines(path, self.name(path))
                if lines is None:
                    self.notes.append(f"{self.name(path)}: not a text file; left out")
                elif path.stem not in found and not self._for_one_class(lines):
                    found[path.stem] = self._resolved(path, lines)
                    self.list_paths[path.stem] = path
        return found

    def _lists_beside(self, used: Collection[str]) -> dict[str, SplitList]:
        """Lists in the folder itself: named like a split, with a photo in some line. Where lists
        under ``ImageSets`` are used, they are only noted."""
        found = {}
        for path in self.scan.files(self.folder, (".txt",), deep=False):
            if not is_split_name(path.stem):
                continue
            try:
                lines = list_lines(path, self.name(path))
            except UserError:
                if not used:
                    raise
                continue
            if not lines or not any(self._lookup(line) in self.image_ids for line in lines):
                continue
            if used:
                self.notes.append(f"{self.name(path)}: left out, as ImageSets has lists")
            else:
                found[path.stem] = self._resolved(path, lines)
                self.list_paths[path.stem] = path
        return found

    def _list_folders(self) -> list[Path]:
        sets = [f for f in self.scan.folders(self.folder) if f.name.lower() == "imagesets"]
        mains = [m for f in sets for m in self.scan.folders(f) if m.name.lower() == "main"]
        return mains + sets

    def _for_one_class(self, lines: list[str]) -> bool:
        """Whether a list has VOC's second column, the presence of one class: no split."""
        flagged = bool(lines) and all(_FLAGGED.fullmatch(line) for line in lines)
        return flagged and not any(self._lookup(line) in self.image_ids for line in lines)

    def _resolved(self, path: Path, lines: list[str]) -> SplitList:
        image_ids: dict[str, None] = {}
        no_xml, no_photo, guessed = [], [], []
        unclear: dict[str, list[Path]] = {}
        for line in lines:
            key = self._lookup(line)
            if key not in self.image_ids:
                if key not in self.photos.by_key and len(meant := self.photos.ending_in(key)) > 1:
                    unclear[line] = meant
                    continue
                (no_xml if key in self.photos.by_key else no_photo).append(formatted(line))
                continue
            image_ids[self.image_ids[key]] = None
            if self._is_guess(line, key, path.stem):
                photo = self.name(self.pairs[key][0])
                guessed.append(f"{formatted(line)} (taken for {photo})")
        reasons = (
            (no_xml, "lacks an XML; left out", "lack an XML; left out"),
            (no_photo, "lacks a photo; left out", "lack a photo; left out"),
            (guessed, "lies elsewhere", "lie elsewhere"),
        )
        name = self.name(path)
        notes = [list_note(name, names, *reason) for names, *reason in reasons if names]
        if unclear:
            notes.append(unclear_note(name, unclear, self.name))
        return SplitList(tuple(image_ids), tuple(notes))

    def _lookup(self, line: str) -> Key:
        """The key of the photo that a line of a list means: an image id, a file name or a path."""
        key = self._key_of_line(line)
        if key in self.photos.by_key:
            return key
        if key in self.files.aliases:
            return self.files.aliases[key]
        return next((self.photos.key(image) for image in self.photos.elsewhere(key)), key)

    def _key_of_line(self, line: str) -> Key:
        line = _without_suffix(line, lambda name: bool(self.photos.called(name)))
        *folders, stem = [part for part in line.split("/") if part] or [line]
        return self.photos.key_of(folders, stem)

    def _is_guess(self, line: str, key: Key, split: str) -> bool:
        """Whether a photo was found for a line in other folders than the line has.

        For a line without folders only the folders of another split are other folders.
        """
        if (meant := self._key_of_line(line)) == key and len(key) > 1:
            return False
        asked, found = meant[:-1], key[:-1]
        if not asked:
            others = {split_name(folder) for folder in found} - {None, split_name(split)}
            return bool(others) and split_name(split) is not None
        return asked[len(asked) - len(found) :] != found if found else True

    def _split_folders(self) -> dict[str, SplitList]:
        keys = list(self.image_ids)
        xmls = [self.pairs[key][1] for key in keys]
        splits = split_folders(keys, [self.photos.key(xml) for xml in xmls])
        training = splits.get("train", [])
        partly = len(splits) == 1 and 0 < len(training) < len(keys)
        if partly and all(self.files.is_aside(xmls[index]) for index in training):
            return {}  # more photos beside the usual folders, which nobody divided
        return {
            split: SplitList(tuple(self.image_ids[keys[index]] for index in found))
            for split, found in splits.items()
        }

    def name(self, path: Path) -> str:
        """A path for messages."""
        return self.scan.name(path)


def list_line(image_id: str, photo: str, files: Collection[str]) -> str | None:
    """The line of a list that means a photo; None for a name that no line can hold.

    It is the image id or, where that would be read as the name of another photo, the file name.

    Args:
        image_id: of the photo.
        photo: its file name.
        files: the names of all photos.
    """
    folder, slash, _ = image_id.rpartition("/")
    for line in (image_id, folder + slash + photo):
        if is_line(line) and _without_suffix(line, files.__contains__) == nfc(image_id):
            return line
    return None


def is_line(text: str) -> bool:
    """Whether a text is read back from a list as it is."""
    one = [part.strip() for part in text.splitlines()] == [text]
    return one and not any(unicodedata.category(s) == "Cs" or s == "\ufeff" for s in text)


def _without_suffix(line: str, is_photo: Callable[[str], bool]) -> str:
    """A line of a list in one spelling, and without the suffix of a picture.

    Args:
        line: an image id, a file name or a path.
        is_photo: whether a photo has that file name; its suffix need not be a usual one.
    """
    line = nfc(line.replace("\\", "/").removeprefix("./"))
    if line.lower().endswith(IMAGE_SUFFIXES):
        return line.rsplit(".", 1)[0]
    folder, slash, name = line.rpartition("/")
    return folder + slash + (photo_stem(name) if is_photo(name) else name)


def _no_pair(root: Path, scan: FileScan, parts: list[_Part]) -> str:
    images = sum(len(part.photos.paths) for part in parts)
    xmls = sum(len(part.files.xmls) for part in parts)
    notes = [*scan.notes, *(note for part in parts for note in part.notes)]
    notes += [
        f"{scan.name(xml)}: looked for a photo {xml.stem}.jpg (or of another kind), and for the "
        "one that it names"
        for part in parts
        for xml in part.files.unmatched
    ]
    return (
        f"{root}: none of its {images} photos belongs to one of its {xmls} XML files. They belong "
        "together when their names are the same but for the suffix, or when the XML names the "
        f"photo{first_problems(notes)}"
    )
