"""Finding the photos, their XML and the split lists of a VOC folder: ``find_layout``.

It reads a VOC folder (``Annotations``, ``JPEGImages``, with or without ``ImageSets/Main``),
a ``VOCdevkit`` with a folder for each year, a VOC folder for each split, and photos and XML side by
side or under other usual names, in ``train``/``val``/``test`` folders or not. Photo and XML belong
together when they have the same key (``pairing``). Nothing outside the data folder is looked at,
whatever links and XML say.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from pathlib import Path, PurePosixPath

from utils.data.annotations import Entry, Layout, SplitList
from utils.data.folder.file_scan import FileScan
from utils.data.formats.foreign import foreign_labels
from utils.data.formats.list_file import list_lines
from utils.data.formats.naming import (
    IMAGE_FOLDERS,
    XML_FOLDERS,
    Key,
    first_problems,
    formatted,
    list_note,
    unclear_note,
)
from utils.data.formats.pairing import Photos, suffix_rank
from utils.data.formats.split_folders import split_folders, with_the_rest
from utils.data.formats.voc_xml import read_annotation
from utils.data.splits.names import is_usual, split_name
from utils.errors import UserError
from utils.image_kinds import photo_stem
from utils.images import IMAGE_SUFFIXES
from utils.text import counted, listed, nfc

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

    lists: dict[str, SplitList] = {}
    for part in parts:
        for name, found in part.split_lists().items():
            if part.year and not part.split:
                lists[f"{part.year}:{name}"] = found
            before = lists.get(name, SplitList(()))
            lists[name] = SplitList(before.image_ids + found.image_ids, before.notes + found.notes)
    return Layout(
        format="voc",
        root=root,
        entries=dict(sorted(entries.items())),
        lists=dict(sorted(lists.items())),
        years=tuple(part.year for part in parts if part.year and not part.split),
        unlabelled=tuple(image for part in parts for image in part.unlabelled),
        unmatched_labels=tuple(scan.name(xml) for part in parts for xml in part.unmatched),
        notes=(*scan.notes, *_not_read(scan, beside), *(n for p in parts for n in p.notes)),
    )


def _years(scan: FileScan) -> tuple[dict[str, Path], list[Path]]:
    """The year folders of a devkit by year, and the folders that are not read.

    VOC folders called like splits come by their names, too. In another folder the year is "" and
    its folder the root itself.
    """
    children = scan.folders(scan.root)
    if _is_voc(scan, scan.root):
        return {"": scan.root}, []
    devkits = [scan.root, *(child for child in children if child.name.lower() == "vocdevkit")]
    for devkit in devkits:
        years = [child for child in scan.folders(devkit) if _is_voc(scan, child)]
        if years:
            names = [re.sub("(?i)^voc(?=.)", "", year.name) for year in years]
            named = {  # VOC2007 beside 2007 keeps its whole name
                name if names.count(name) == 1 else year.name: year
                for name, year in zip(names, years, strict=True)
            }
            beside = dict.fromkeys([*children, *scan.folders(devkit)])
            return named, [folder for folder in beside if folder not in (devkit, *years)]
    return {"": scan.root}, []


def _is_voc(scan: FileScan, folder: Path) -> bool:
    names = {child.name.lower() for child in scan.folders(folder)}
    return {"annotations", "jpegimages"} <= names


def _not_read(scan: FileScan, folders: list[Path]) -> Iterator[str]:
    """A note for each folder that is not read although it holds XML."""
    for folder in folders:
        if count := len(scan.files(folder, (".xml",))):
            yield (
                f"{scan.name(folder)}/ holds {counted(count, 'XML file')}, but lies beside the VOC "
                "folders that are read; left out"
            )


class _Part:
    """One VOC folder (or the whole of another layout): its pairs of photo and XML, its lists.

    Attributes:
        split: the split that the folder is called like, "" for years and others.
        pairs: key → photo and XML.
        image_ids: key → image id in the layout, filled in by ``find_layout``.
        unlabelled: photos without an XML.
        unmatched: XML files without a photo.
        notes: a sentence for each further thing left out.
    """

    def __init__(self, scan: FileScan, year: str, folder: Path) -> None:
        self.year = year
        self.split = (split_name(year) or year.lower()) if is_usual(year) else ""
        self.folder = folder
        self.scan = scan
        self.notes: list[str] = []
        self.unmatched: list[Path] = []
        self.pairs: dict[Key, tuple[Path, Path]] = {}
        self.image_ids: dict[Key, str] = {}
        self._files: dict[str, Path] = {}  # by the names of lists
        self._aliases: dict[Key, Key] = {}  # key of an XML → key of its photo
        more = self._more_folders()
        photos = self._find(scan.photos, IMAGE_FOLDERS, more)
        self.photos = Photos(photos, folder, XML_FOLDERS, scan.links)
        self.xmls = self._find(self._xml_files, (*XML_FOLDERS, *IMAGE_FOLDERS), more)
        self._pair()
        self.unlabelled = [
            image
            for key, images in self.photos.by_key.items()
            if key not in self.pairs
            for image in images
        ]

    def _xml_files(self, folder: Path, deep: bool = True) -> list[Path]:
        return self.scan.files(folder, (".xml",), deep)

    def _more_folders(self) -> list[Path]:
        """The folders with XML beside those of usual names. A VOC folder has none: there they are
        noted, and not read."""
        usual = (*IMAGE_FOLDERS, *XML_FOLDERS, "imagesets")
        others = [f for f in self.scan.folders(self.folder) if f.name.lower() not in usual]
        if _is_voc(self.scan, self.folder):
            self.notes += _not_read(self.scan, others)
            return []
        return [folder for folder in others if self._xml_files(folder)]

    def _find(
        self, files: Callable[..., list[Path]], usual: tuple[str, ...], more: list[Path]
    ) -> list[Path]:
        """The files under folders of a usual name and ``more`` of them; where others lie outside
        all folders, or none under those of a usual name, the files under all."""
        folders = [f for f in self.scan.folders(self.folder) if f.name.lower() in usual]
        found = [path for folder in folders for path in files(folder)]
        if not found or files(self.folder, deep=False):
            return files(self.folder)
        return sorted([*found, *(path for folder in more for path in files(folder))])

    def _pair(self) -> None:
        by_key, alone, repeated = self.photos.by_key, [], []
        keys = [(xml, self.photos.key(xml)) for xml in self.xmls]
        # A photo's own XML first: a namesake in another folder must not take its place. One in a
        # folder of XML comes before one beside the photo.
        for xml, key in sorted(keys, key=self._pairing_order):
            candidates = by_key.get(key) or self.photos.meant_by(key)
            if len({self.photos.key(image) for image in candidates}) != 1:
                alone.append((xml, key))
            elif not self._claim(image := self._best(candidates, xml), xml, key):
                other = self._name(self.pairs[self.photos.key(image)][1])
                repeated.append(f"{self._name(xml)} beside {other}")
        if repeated:
            have = counted(len(repeated), "photo has", "photos have")
            self.notes.append(f"{have} a second XML file ({listed(repeated)}); left out")
        for xml, key in alone:
            self._pair_by_filename(xml, key)

    def _pairing_order(self, pair: tuple[Path, Key]) -> tuple[bool, bool]:
        xml, key = pair
        folders = self.photos.parts(xml)[:-1]
        return key not in self.photos.by_key, bool(folders) and folders[0].lower() in IMAGE_FOLDERS

    def _best(self, candidates: list[Path], xml: Path) -> Path:
        """Of several photos of one name: beside the XML first, then by kind of file."""
        best, *others = sorted(
            candidates,
            key=lambda image: (image.parent != xml.parent, suffix_rank(image), str(image)),
        )
        for other in others:
            self.notes.append(
                f"{self._name(other)}: another photo of the same name, {self._name(best)}, is used"
            )
        return best

    def _pair_by_filename(self, xml: Path, key: Key) -> None:
        """Pair an XML that has no photo of its own name with the photo that it names."""
        try:
            named = read_annotation(xml).filename
        except ValueError as error:
            self.notes.append(f"{self._name(xml)}: {error}; skipped")
            return
        name = nfc(PurePosixPath(named.replace("\\", "/")).name)
        candidates = self.photos.by_stem.get(photo_stem(name), []) if name else []
        exact = [image for image in candidates if nfc(image.name) == name] or candidates
        if len(exact) > 1:
            photos = listed([self._name(image) for image in exact])
            self.notes.append(f"{self._name(xml)}: it may belong to {photos}; left out")
        if len(exact) != 1 or not self._claim(exact[0], xml, key):
            self.unmatched.append(xml)

    def _claim(self, image: Path, xml: Path, key_of_xml: Key) -> bool:
        """Pair the two unless the photo has its XML already: no photo counts twice."""
        key = self.photos.key(image)
        if key in self.pairs:
            return False
        self.pairs[key] = (image, xml)
        self._aliases[key_of_xml] = key
        return True

    def split_lists(self) -> dict[str, SplitList]:
        """Lists under ``ImageSets``; where there are none, those beside the folders of photos and
        XML, or else folders named train, val, test."""
        found = self._list_files()
        found |= self._lists_beside(found)
        return self._of_its_split(found) if self.split else found or self._split_folders()

    def _of_its_split(self, found: dict[str, SplitList]) -> dict[str, SplitList]:
        """The lists of a folder that is called like a split: as a rule one, of all its photos.

        A file of that split's name may list fewer of them, and a folder of training photos may
        have lists of its own for validation. No other name makes training photos of test photos.
        """
        training = self.split.startswith("train")
        lists = {
            name: part
            for name, part in found.items()
            if split_name(name) == self.split or (training and is_usual(name))
        }
        if not any(name == self.split or split_name(name) == self.split for name in lists):
            lists[self.split] = SplitList(tuple(self.image_ids.values()))
        everything = set(self.image_ids.values())
        unused = [
            self._name(path)
            for name, path in sorted(self._files.items())
            if name not in lists and set(found[name].image_ids) != everything
        ]
        if unused:
            self.notes.append(
                f"{self._name(self.folder)}/ is the list {self.split}, as it is called so; not "
                f"used: {listed(unused)}"
            )
        return lists

    def _list_files(self) -> dict[str, SplitList]:
        found = {}
        for folder in self._list_folders():
            for path in self.scan.files(folder, (".txt",), deep=False):
                lines = list_lines(path, self._name(path))
                if lines is None:
                    self.notes.append(f"{self._name(path)}: not a text file; left out")
                elif path.stem not in found and not self._for_one_class(lines):
                    found[path.stem] = self._resolved(path, lines)
                    self._files[path.stem] = path
        return found

    def _lists_beside(self, used: Collection[str]) -> dict[str, SplitList]:
        """Lists in the folder itself: called like a split, with a photo in some line. Where lists
        under ``ImageSets`` are used, they are only noted."""
        found = {}
        for path in self.scan.files(self.folder, (".txt",), deep=False):
            if not is_usual(path.stem):
                continue
            try:
                lines = list_lines(path, self._name(path))
            except UserError:
                if not used:
                    raise
                continue
            if not lines or not any(self._lookup(line) in self.image_ids for line in lines):
                continue
            if used:
                self.notes.append(f"{self._name(path)}: left out, as ImageSets has lists")
            else:
                found[path.stem] = self._resolved(path, lines)
                self._files[path.stem] = path
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
                photo = self._name(self.pairs[key][0])
                guessed.append(f"{formatted(line)} (taken for {photo})")
        reasons = (
            (no_xml, "lacks an XML; left out", "lack an XML; left out"),
            (no_photo, "lacks a photo; left out", "lack a photo; left out"),
            (guessed, "lies elsewhere", "lie elsewhere"),
        )
        name = self._name(path)
        notes = [list_note(name, names, *reason) for names, *reason in reasons if names]
        if unclear:
            notes.append(unclear_note(name, unclear, self._name))
        return SplitList(tuple(image_ids), tuple(notes))

    def _lookup(self, line: str) -> Key:
        """The key of the photo that a line of a list means: an image id, a file name or a path."""
        key = self._key_of_line(line)
        if key in self.photos.by_key:
            return key
        if key in self._aliases:
            return self._aliases[key]
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
        places = split_folders(keys, [self.photos.key(self.pairs[key][1]) for key in keys])
        splits = {split: [keys[place] for place in found] for split, found in places.items()}
        inside = {key for found in splits.values() for key in found}
        rest = [key for key in keys if key not in inside]
        splits, note = with_the_rest(splits, rest, lambda key: self._name(self.pairs[key][0]))
        self.notes += filter(None, [note])
        return {
            split: SplitList(tuple(self.image_ids[key] for key in found))
            for split, found in splits.items()
        }

    def _name(self, path: Path) -> str:
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
    xmls = sum(len(part.xmls) for part in parts)
    notes = [*scan.notes, *(note for part in parts for note in part.notes)]
    notes += [
        f"{scan.name(xml)}: looked for a photo {xml.stem}.jpg (or of another kind), and for the "
        "one that it names"
        for part in parts
        for xml in part.unmatched
    ]
    return (
        f"{root}: none of its {images} photos belongs to one of its {xmls} XML files. They belong "
        "together when their names are the same but for the suffix, or when the XML names the "
        f"photo{first_problems(notes)}"
    )
