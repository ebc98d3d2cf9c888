"""Which photo and which XML of a VOC folder belong together: ``VocPairs``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from utils.data.folder.file_scan import FileScan
from utils.data.formats.naming import IMAGE_FOLDERS, XML_FOLDERS, Key
from utils.data.formats.pairing import Photos, suffix_rank
from utils.data.formats.voc_xml import read_annotation
from utils.image_kinds import photo_stem
from utils.text import counted, listed, nfc


def is_voc(scan: FileScan, folder: Path) -> bool:
    """Whether a folder has VOC's own folders of photos and XML."""
    names = {child.name.lower() for child in scan.folders(folder)}
    return {"annotations", "jpegimages"} <= names


def not_read(scan: FileScan, folders: list[Path]) -> Iterator[str]:
    """A note for each folder that is not read although it holds XML."""
    for folder in folders:
        if count := len(scan.files(folder, (".xml",))):
            yield (
                f"{scan.name(folder)}/ holds {counted(count, 'XML file')}, but lies beside the VOC "
                "folders that are read; left out"
            )


class VocPairs:
    """The photos and XML of a folder, in pairs.

    Attributes:
        photos: all photos.
        xmls: all XML files.
        pairs: key → photo and XML.
        aliases: key of an XML → key of its photo.
        unlabelled: photos without an XML.
        unmatched: XML files without a photo.
        notes: a sentence for each further thing left out.
    """

    def __init__(self, scan: FileScan, folder: Path) -> None:
        self._scan, self._folder = scan, folder
        self.notes: list[str] = []
        self.unmatched: list[Path] = []
        self.pairs: dict[Key, tuple[Path, Path]] = {}
        self.aliases: dict[Key, Key] = {}
        more = self._more_folders()
        photos = self._find(scan.photos, IMAGE_FOLDERS, more)
        self.photos = Photos(photos, folder, XML_FOLDERS, scan.links)
        self.xmls = self._find(self._xml_files, (*XML_FOLDERS, *IMAGE_FOLDERS), more)
        tops = {self._top(xml).lower() for xml in self.xmls}
        self._has_usual = "" not in tops and not tops.isdisjoint(XML_FOLDERS)
        # Other folders that have photos of their own.
        self._own_photos = {
            top for top in map(self._top, photos) if top.lower() not in IMAGE_FOLDERS
        }
        self._left_aside: list[Path] = []  # XML outside the usual folders, without a photo there
        self._pair()
        self.notes += self._other_folders()
        self.unlabelled = [
            image
            for key, images in self.photos.by_key.items()
            if key not in self.pairs
            for image in images
        ]

    def _xml_files(self, folder: Path, deep: bool = True) -> list[Path]:
        return self._scan.files(folder, (".xml",), deep)

    def _more_folders(self) -> list[Path]:
        """The folders with XML beside those of usual names. A VOC folder has none: there they are
        noted, and not read."""
        usual = (*IMAGE_FOLDERS, *XML_FOLDERS, "imagesets")
        others = [f for f in self._scan.folders(self._folder) if f.name.lower() not in usual]
        if is_voc(self._scan, self._folder):
            self.notes += not_read(self._scan, others)
            return []
        return [folder for folder in others if self._xml_files(folder)]

    def _find(
        self, files: Callable[..., list[Path]], usual: tuple[str, ...], more: list[Path]
    ) -> list[Path]:
        """The files under folders of a usual name and ``more`` of them; where others lie outside
        all folders, or none under those of a usual name, the files under all."""
        folders = [f for f in self._scan.folders(self._folder) if f.name.lower() in usual]
        found = [path for folder in folders for path in files(folder)]
        if not found or files(self._folder, deep=False):
            return files(self._folder)
        return sorted([*found, *(path for folder in more for path in files(folder))])

    def _top(self, path: Path) -> str:
        """The first folder below that of the part; "" for a file in that itself."""
        return self.photos.parts(path)[0] if path.parent != self._folder else ""

    def is_aside(self, xml: Path) -> bool:
        """Whether an XML lies outside the folders for XML, where there are some."""
        return self._has_usual and self._top(xml).lower() not in XML_FOLDERS

    def _allowed(self, xml: Path, key: Key, images: list[Path]) -> list[Path]:
        """Of the photos that an XML can mean by its name, those that it may label.

        Labels that were put aside (``rejected/``, ``annotations_old/``) must not come back. So an
        XML outside the folders for XML labels photos of its own folder, or of exactly its key.
        """
        if not self.is_aside(xml):
            return images
        top = self._top(xml)
        own = top.lower() not in IMAGE_FOLDERS
        return [
            image
            for image in images
            if self.photos.key(image) == key or (own and self._top(image) == top)
        ]

    def _other_folders(self) -> Iterator[str]:
        """Notes on the XML outside the usual folders: what it labels, and what it does not."""
        used = {xml for _, xml in self.pairs.values()}
        aside = [xml for xml in self.xmls if self.is_aside(xml)]
        more = [xml for xml in aside if xml in used and self._top(xml).lower() not in IMAGE_FOLDERS]
        if more:
            have = counted(len(more), "photo has its", "photos have their")
            folders = dict.fromkeys(f"{self._scan.name(xml.parent)}/" for xml in more)
            yield f"{have} labels from {listed(list(folders))}"
        for folder, count in Counter(xml.parent for xml in self._left_aside).items():
            yield (
                f"{self._scan.name(folder)}/ holds {counted(count, 'XML file')} for no photo "
                "there; left out"
            )

    def _pair(self) -> None:
        by_key, alone, repeated = self.photos.by_key, [], []
        keys = [(xml, self.photos.key(xml)) for xml in self.xmls]
        # A photo's own XML first: a namesake in another folder must not take its place. One in a
        # folder of XML comes before one beside the photo.
        for xml, key in sorted(keys, key=self._pairing_order):
            candidates = by_key.get(key) or self._allowed(xml, key, self.photos.meant_by(key))
            if len({self.photos.key(image) for image in candidates}) != 1:
                alone.append((xml, key))
            elif not self._claim(image := self._best(candidates, xml), xml, key):
                other = self._scan.name(self.pairs[self.photos.key(image)][1])
                repeated.append(f"{self._scan.name(xml)} beside {other}")
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
                f"{self._scan.name(other)}: another photo of the same name, "
                f"{self._scan.name(best)}, is used"
            )
        return best

    def _pair_by_filename(self, xml: Path, key: Key) -> None:
        """Pair an XML that has no photo of its own name with the photo that it names."""
        if self.is_aside(xml) and self._top(xml) not in self._own_photos:
            self._left_aside.append(xml)
            return
        try:
            named = read_annotation(xml).filename
        except ValueError as error:
            self.notes.append(f"{self._scan.name(xml)}: {error}; skipped")
            return
        name = nfc(PurePosixPath(named.replace("\\", "/")).name)
        candidates = self.photos.by_stem.get(photo_stem(name), []) if name else []
        exact = [image for image in candidates if nfc(image.name) == name] or candidates
        exact = self._allowed(xml, key, exact)
        if len(exact) > 1:
            photos = listed([self._scan.name(image) for image in exact])
            self.notes.append(f"{self._scan.name(xml)}: it may belong to {photos}; left out")
        if len(exact) != 1 or not self._claim(exact[0], xml, key):
            self.unmatched.append(xml)

    def _claim(self, image: Path, xml: Path, key_of_xml: Key) -> bool:
        """Pair the two unless the photo has its XML already: no photo counts twice."""
        key = self.photos.key(image)
        if key in self.pairs:
            return False
        self.pairs[key] = (image, xml)
        self.aliases[key_of_xml] = key
        return True
