"""Finding photos, their XML and the split lists in the folder that somebody has: ``find_layout``.

Understood are a VOC folder (``Annotations``, ``JPEGImages``, with or without ``ImageSets/Main``),
a ``VOCdevkit`` with a folder for each year, and photos and XML side by side or under other usual
names, in ``train``/``val``/``test`` folders or not.

Photo and XML belong together when their paths are the same but for the suffix and for folders
that only say what is in them (``images/night/7.jpg`` and ``annotations/night/7.xml``). Nothing
outside the data folder is looked at, whatever links and XML say.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path, PurePosixPath

from utils.data.annotations import Entry, Layout, SplitList
from utils.data.folder.file_scan import FileScan
from utils.data.formats.list_file import list_lines
from utils.data.formats.voc_xml import read_annotation
from utils.data.splits.names import split_name
from utils.errors import UserError
from utils.images import IMAGE_SUFFIXES

IMAGE_FOLDERS = ("jpegimages", "images", "image", "imgs", "img", "photos", "pictures", "pics")
XML_FOLDERS = ("annotations", "annotation", "annots", "anns", "labels", "label", "xmls", "xml")
_FLAGGED = re.compile(r"(.*\S)\s+(-1|0|1)")  # a line of VOC's lists for one class, cat_train.txt


def find_layout(root: Path) -> Layout | None:
    """Look through a data folder; None where it holds no XML.

    Raises:
        UserError: there are XML files, but none belongs to a photo.
    """
    scan = FileScan(root)
    years, beside = _years(scan)
    parts = [_Part(scan, year, folder) for year, folder in sorted(years.items())]
    if not any(part.xmls for part in parts):
        return None
    if not any(part.pairs for part in parts):
        raise UserError(_no_pair(root, scan, parts))

    # A bare file stem where that is enough, else with its folders and its year.
    bare = Counter(key.rsplit("/", 1)[-1] for part in parts for key in part.pairs)
    entries: dict[str, Entry] = {}
    for part in parts:
        for key, (image, xml) in part.pairs.items():
            image_id = key.rsplit("/", 1)[-1]
            if bare[image_id] > 1:
                image_id = f"{part.year}/{key}" if part.year else key
            part.image_ids[key] = image_id
            entries[image_id] = Entry(image_id, image, xml)

    lists: dict[str, SplitList] = {}
    for part in parts:
        for name, found in part.split_lists().items():
            if part.year:
                lists[f"{part.year}:{name}"] = found
            before = lists.get(name, SplitList(()))
            lists[name] = SplitList(before.image_ids + found.image_ids, before.notes + found.notes)
    return Layout(
        format="voc",
        root=root,
        entries=dict(sorted(entries.items())),
        lists=dict(sorted(lists.items())),
        years=tuple(part.year for part in parts if part.year),
        unlabelled=tuple(image for part in parts for image in part.unlabelled),
        unmatched_labels=tuple(scan.name(xml) for part in parts for xml in part.unmatched_labels),
        notes=(*scan.notes, *_passed_over(scan, beside), *(n for p in parts for n in p.notes)),
    )


def _years(scan: FileScan) -> tuple[dict[str, Path], list[Path]]:
    """The year folders of a devkit by year, and the folders beside them; elsewhere the root itself
    under "", with the folders beside its own."""

    def is_voc(folder: Path) -> bool:
        names = {child.name.lower() for child in scan.folders(folder)}
        return {"annotations", "jpegimages"} <= names

    children = scan.folders(scan.root)
    if is_voc(scan.root):
        usual = (*IMAGE_FOLDERS, *XML_FOLDERS, "imagesets")
        return {"": scan.root}, [child for child in children if child.name.lower() not in usual]
    devkits = [scan.root, *(child for child in children if child.name.lower() == "vocdevkit")]
    for devkit in devkits:
        years = [child for child in scan.folders(devkit) if is_voc(child)]
        if years:
            names = [re.sub("(?i)^voc(?=.)", "", year.name) for year in years]
            named = {  # VOC2007 beside 2007 keeps its whole name
                name if names.count(name) == 1 else year.name: year
                for name, year in zip(names, years, strict=True)
            }
            beside = dict.fromkeys([*children, *scan.folders(devkit)])
            return named, [folder for folder in beside if folder not in (devkit, *years)]
    return {"": scan.root}, []


def _passed_over(scan: FileScan, folders: list[Path]) -> Iterator[str]:
    """A note for each folder beside those that are read that holds XML, too."""
    for folder in folders:
        if count := len(scan.files(folder, (".xml",))):
            yield (
                f"{scan.name(folder)}/ holds {count} XML {'file' if count == 1 else 'files'}, but "
                "lies beside the VOC folders that are read; left out"
            )


class _Part:
    """One VOC folder (or the whole of another layout): its pairs of photo and XML, its lists."""

    def __init__(self, scan: FileScan, year: str, folder: Path) -> None:
        self.year = year
        self.folder = folder
        self.scan = scan
        self.notes: list[str] = []
        self.unlabelled: list[Path] = []  # photos without an XML
        self.unmatched_labels: list[Path] = []  # XML files without a photo
        self.pairs: dict[str, tuple[Path, Path]] = {}  # key → photo, XML
        self.image_ids: dict[str, str] = {}  # key → image id in the layout, filled by find_layout
        self.aliases: dict[str, str] = {}  # key of an XML → key of its photo, where they differ
        self.images = self._find(IMAGE_SUFFIXES, IMAGE_FOLDERS)
        self.xmls = self._find((".xml",), XML_FOLDERS)
        self._by_key = _grouped(self.images, self._key)
        self._by_bare = _grouped(self.images, lambda path: _nfc(path.stem))
        self._by_end: dict[str, str | None] = {}  # end of a key → the key; None for several
        self._folders: set[str] = set()  # names of the folders that keys have
        for key in self._by_key:
            *folders, _ = parts = key.split("/")
            self._folders.update(folders)
            for start in range(len(parts) - 1):
                end = "/".join(parts[start:])
                self._by_end[end] = None if end in self._by_end else key
        self._pair()

    def _find(self, suffixes: tuple[str, ...], usual: tuple[str, ...]) -> list[Path]:
        """The files under folders of a usual name; where others lie outside them, under all."""
        folders = [f for f in self.scan.folders(self.folder) if f.name.lower() in usual]
        found = [path for folder in folders for path in self.scan.files(folder, suffixes)]
        beside = self.scan.files(self.folder, suffixes, deep=False)
        return found if found and not beside else self.scan.files(self.folder, suffixes)

    def _key(self, path: Path) -> str:
        return _key(path.relative_to(self.folder).parts[:-1], path.stem)

    def _pair(self) -> None:
        unmatched_labels = []
        # A photo's own XML first: a namesake in another folder must not take its place.
        own = [xml for xml in self.xmls if self._key(xml) in self._by_key]
        others = [xml for xml in self.xmls if self._key(xml) not in self._by_key]
        for xml in own + others:
            candidates = self._by_key.get(self._key(xml)) or self._elsewhere(self._key(xml))
            if not candidates:
                unmatched_labels.append(xml)
            elif not self._claim(image := self._best(candidates, xml), xml):
                other = self._name(self.pairs[self._key(image)][1])
                self.notes.append(f"{self._name(xml)}: {other} describes the same photo; left out")
        for xml in unmatched_labels:
            self._pair_by_filename(xml)
        for key, images in sorted(self._by_key.items()):
            if key not in self.pairs:
                self.unlabelled += images

    def _elsewhere(self, key: str) -> list[Path]:
        """The one photo that a key without photo can mean, as from another machine.

        That is the one whose key ends as this one does; else the only one of that file stem,
        unless a folder of this key has photos: then its own is missing, and another's must not
        take its place.
        """
        *folders, image_id = parts = key.split("/")
        for start in range(1, len(parts) - 1):
            end = self._by_end.get("/".join(parts[start:]))
            if end:
                return self._by_key[end]
        images = self._by_bare.get(image_id, [])
        return images if len(images) == 1 and self._folders.isdisjoint(folders) else []

    def _best(self, candidates: list[Path], xml: Path) -> Path:
        """Of several photos of one name: beside the XML first, then by kind of file."""

        def order(image: Path) -> tuple[bool, int, str]:
            return (
                image.parent != xml.parent,
                IMAGE_SUFFIXES.index(image.suffix.lower()),
                str(image),
            )

        best, *others = sorted(candidates, key=order)
        for other in others:
            self.notes.append(
                f"{self._name(other)}: another photo of the same name, {self._name(best)}, is used"
            )
        return best

    def _pair_by_filename(self, xml: Path) -> None:
        """Pair an XML that has no photo of its own name with the photo that it names."""
        try:
            named = read_annotation(xml).filename
        except ValueError as error:
            self.notes.append(f"{self._name(xml)}: {error}; skipped")
            return
        # Only the last component counts, and only among the photos found: no path is made of it.
        name = _nfc(PurePosixPath(named.replace("\\", "/")).name)
        candidates = self._by_bare.get(PurePosixPath(name).stem, []) if name else []
        exact = [image for image in candidates if _nfc(image.name) == name]
        if not any(self._claim(image, xml) for image in exact or candidates):
            self.unmatched_labels.append(xml)

    def _claim(self, image: Path, xml: Path) -> bool:
        """Pair the two unless the photo has its XML already: no photo counts twice."""
        key = self._key(image)
        if key in self.pairs:
            return False
        self.pairs[key] = (image, xml)
        self.aliases[self._key(xml)] = key
        return True

    def split_lists(self) -> dict[str, SplitList]:
        """Lists under ``ImageSets``; where there are none, folders named train, val, test."""
        return self._list_files() or self._split_folders()

    def _list_files(self) -> dict[str, SplitList]:
        found = {}
        for folder in self._list_folders():
            for path in self.scan.files(folder, (".txt",), deep=False):
                lines = list_lines(path, self._name(path))
                if lines is None:
                    self.notes.append(f"{self._name(path)}: not a text file; left out")
                elif path.stem not in found and not self._for_one_class(lines):
                    found[path.stem] = self._resolved(path, lines)
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
        lacking: dict[str, list[str]] = {"an XML": [], "a photo": []}
        guessed: list[str] = []
        for line in lines:
            key = self._lookup(line)
            if key in self.image_ids and self._is_guess(line, key, path.stem):
                guessed.append(f"{line[:80]} (taken for {self._name(self.pairs[key][0])})")
            if key in self.image_ids:
                image_ids[self.image_ids[key]] = None
            else:
                lacking["an XML" if key in self._by_key else "a photo"].append(line[:80])
        notes = []
        for what, names in lacking.items():
            if names:
                lack = f"{'lacks' if len(names) == 1 else 'lack'} {what}"
                notes.append(f"{self._name(path)} names {_some(names)}, which {lack}; left out")
        if guessed:
            lie = "lies" if len(guessed) == 1 else "lie"
            notes.append(f"{self._name(path)} names {_some(guessed)}, which {lie} elsewhere")
        return SplitList(tuple(image_ids), tuple(notes))

    def _lookup(self, line: str) -> str:
        """The key of the photo that a line of a list means: an image id, a file name or a path."""
        key = _line_key(line)
        if key in self._by_key:
            return key
        if key in self.aliases:
            return self.aliases[key]
        return next((self._key(image) for image in self._elsewhere(key)), key)

    def _is_guess(self, line: str, key: str, split: str) -> bool:
        """Whether a photo was found for a line in other folders than the line has.

        For a line without folders any will do, but for those of another split.
        """
        if (meant := _line_key(line)) == key and "/" in key:
            return False
        asked, found = meant.split("/")[:-1], key.split("/")[:-1]
        if not asked:
            others = {split_name(folder) for folder in found} - {None, split_name(split)}
            return bool(others) and split_name(split) is not None
        return asked[len(asked) - len(found) :] != found if found else True

    def _split_folders(self) -> dict[str, SplitList]:
        lists: dict[str, list[str]] = {}
        keys = [tuple(key.split("/")) for key in self.image_ids]
        top = common_top(keys)
        for key, image_id in zip(keys, self.image_ids.values(), strict=True):
            name = split_name(key[top])
            if len(key) > top + 1 and name:
                lists.setdefault(name, []).append(image_id)
        return {name: SplitList(tuple(image_ids)) for name, image_ids in lists.items()}

    def _name(self, path: Path) -> str:
        return self.scan.name(path)


def common_top(keys: Collection[tuple[str, ...]]) -> int:
    """How many of their first folders all keys share, down to one that is called like a split."""
    first = min(keys, default=("",))
    shared = 0
    while (
        all(len(key) > shared + 1 and key[shared] == first[shared] for key in keys)
        and keys
        and not split_name(first[shared])
    ):
        shared += 1
    return shared


def _line_key(line: str) -> str:
    """The key that a line of a list stands for."""
    line = _nfc(line.replace("\\", "/").removeprefix("./"))
    if line.lower().endswith(IMAGE_SUFFIXES):
        line = line.rsplit(".", 1)[0]
    *folders, image_id = (part for part in line.split("/") if part) if line.strip("/") else [line]
    return _key(folders, image_id)


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" * (len(names) > 3))


def _key(folders: Iterable[str], image_id: str) -> str:
    """A relative path without suffix and without the folders that only say what is in them."""
    usual = IMAGE_FOLDERS + XML_FOLDERS
    return _nfc("/".join([*(name for name in folders if name.lower() not in usual), image_id]))


def _nfc(text: str) -> str:
    """One spelling for letters that file systems spell in two ways (é as one sign or as two)."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _grouped(paths: list[Path], key: Callable[[Path], str]) -> dict[str, list[Path]]:
    groups: dict[str, list[Path]] = {}
    for path in paths:
        groups.setdefault(key(path), []).append(path)
    return groups


def _no_pair(root: Path, scan: FileScan, parts: list[_Part]) -> str:
    images = sum(len(part.images) for part in parts)
    xmls = sum(len(part.xmls) for part in parts)
    unmatched_labels = [scan.name(xml) for part in parts for xml in part.unmatched_labels]
    notes = [*scan.notes, *(note for part in parts for note in part.notes)]
    notes += [f"{unmatched_labels[0]}: no photo of this name"] if unmatched_labels else []
    return (
        f"{root}: none of its {images} photos belongs to one of its {xmls} XML files. They belong "
        "together when their names are the same but for the suffix, or when the XML names the "
        f"photo. First problem: {notes[0]}"
    )
