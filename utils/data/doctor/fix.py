"""``fix_dataset`` writes a cleaned copy of a dataset, in VOC format; nothing is changed in place.

What has one right answer is repaired. The rest is copied as it is and listed, for a person to
look at. The copy appears whole or not at all.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from utils.data.classes import write_classes
from utils.data.doctor.checked import CheckedFolder, CheckedPhoto
from utils.data.doctor.checks.box_checks import check_boxes, check_pairs
from utils.data.doctor.checks.class_checks import renames, similar_names
from utils.data.doctor.checks.photo_checks import right_suffix
from utils.data.doctor.doctor_report import DoctorReport
from utils.data.doctor.examine import with_labels
from utils.data.doctor.findings import KINDS, NOTE, Finding
from utils.data.doctor.repair import repaired_labels
from utils.data.output_names import list_names, output_names
from utils.data.record_maker import TOLERANCE
from utils.data.splits.names import split_name
from utils.errors import UserError
from utils.files import atomic_folder
from utils.label_files.voc import write_voc_annotation, write_voc_list
from utils.progress import progress
from utils.text import counted, listed

_DROPPED = {  # kinds whose objects are left out → why, in words
    "box-outside": "outside the photo",
    "box-normalised": "in fractions instead of pixels",
    "box-duplicate": "labelled twice",
}
# Changed in the copy, though only a person can tell whether rightly.
_CHANGED_BUT_UNSURE = ("labels-size", "photo-turned", "copy-labels")
_RANKS = ("test", "val", "train", "")  # the copy in the first of these lists is kept


@dataclass
class CleanedCopy:
    """What was written and what was changed.

    Attributes:
        out: the folder.
        photos, objects: how many it holds.
        changes: a sentence for each kind of change.
        manual_checks: a sentence for each kind of problem that a person has to look at.
    """

    out: Path
    photos: int = 0
    objects: int = 0
    changes: list[str] = field(default_factory=list)
    manual_checks: list[str] = field(default_factory=list)

    def text(self) -> str:
        size = f"{counted(self.photos, 'photo')}, {counted(self.objects, 'object')}"
        lines = [f"Cleaned copy: {self.out} ({size}, VOC)", *(f"  {line}" for line in self.changes)]
        if self.manual_checks:
            lines += ["Left for you to decide:", *(f"  {line}" for line in self.manual_checks)]
        return "\n".join(lines)


def fix_dataset(report: DoctorReport, out: str | Path) -> CleanedCopy:
    """Write the cleaned copy of a checked dataset.

    Photos are copied byte for byte, under the right suffix. Boxes are clipped. Objects without
    class or box, outside the photo, or labelled twice are left out. A rare class name that differs
    from a common one only in case or spaces becomes the common one. Of copies of a photo one
    stays. Split lists are written anew, and the class list into ``classes.txt``.

    Raises:
        UserError: ``out`` holds files, or lies inside the dataset; or no photo is left; or the
            class ids can be read in two ways.
    """
    out = Path(out)
    folder = report.folder
    check_output_folder(out, folder.name)
    if folder.class_id_shift_warning:
        raise UserError(f"{folder.name}: {folder.class_id_shift_warning}; no copy is written")
    result = CleanedCopy(out)
    photos = _photos_to_copy(folder, result)
    if not photos:
        raise UserError(f"{folder.name}: no photo is left to be copied")
    with atomic_folder(out) as work:
        _write(work, replace(folder, photos=tuple(photos)), result)
    result.manual_checks += _manual_checks(report)
    return result


def check_output_folder(out: str | Path, data: str | Path) -> None:
    """Make sure that a copy can be written to ``out``.

    Raises:
        UserError: it holds files, is a file, or lies inside the dataset.
    """
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"--fix {out}: is not empty; name a new folder for the cleaned copy")
    if Path(data).resolve() in (out.resolve(), *out.resolve().parents):
        raise UserError(f"--fix {out}: lies inside the dataset; name a folder outside it")


def _manual_checks(report: DoctorReport) -> Iterator[str]:
    """What the copy still has, beyond notes, and only a person can decide."""
    found = report.folder.class_counts()
    renamed = renames(found)
    for kind, findings in report.by_kind().items():
        about, count = KINDS[kind], len(findings)
        if kind == "class-similar-names":
            count = sum(rare not in renamed for rare, *_ in similar_names(found))
        elif kind == "box-two-classes":  # one class in the copy is an object labelled twice
            pairs = check_pairs(_with_names(report.folder, renamed))
            count = sum(pair.kind == kind for pair in pairs)
        elif about.severity == NOTE or (about.fix and kind not in _CHANGED_BUT_UNSURE):
            continue
        if count:
            yield f"{about.title}: {count:,}"


def _photos_to_copy(folder: CheckedFolder, result: CleanedCopy) -> list[CheckedPhoto]:
    """The photos that go into the copy, with their label files repaired where possible."""
    photos, repaired, unreadable, pixels = [], 0, 0, 0
    guessed: Counter[str] = Counter()
    for photo in folder.photos:
        if photo.content.error:
            pixels += 1
            continue
        if photo.annotation is None:
            voc = folder.layout.format == "voc"
            found = repaired_labels(photo.entry.label, photo.where) if voc else None
            if found is None:
                unreadable += 1
                continue
            repaired += 1
            guessed.update(found.guessed)
            photo = with_labels(photo, found.labels, folder)
        photos.append(photo)
    dropped = _copies(folder, photos)
    twice = sum(photo.image_id in dropped for photo in photos)
    photos = [photo for photo in photos if photo.image_id not in dropped]
    _note(result, pixels, "{} left out: cannot be read", "photo")
    _note(result, unreadable, "{} left out: their labels cannot be used", "photo")
    _note(result, len(folder.layout.unlabelled), "{} left out: no labels", "photo")
    _note(
        result,
        len(folder.layout.unmatched_labels),
        "labels of {} left out: the photo is missing",
        "photo",
    )
    _note(result, twice, "{} left out: copies of others", "photo")
    _note(result, repaired, "{} repaired", "label file")
    for name, count in sorted(guessed.items()):
        files = counted(count, "label file")
        result.manual_checks.append(f"class {name!r} as read from {files} in a guessed encoding")
    return photos


def _copies(folder: CheckedFolder, photos: Iterable[CheckedPhoto]) -> set[str]:
    """Of the photos with the same content, all but one.

    The photo in the test list stays, then that in val, then that in train. Within a list it is the
    photo with the most objects, since labels more often miss an object than invent one.
    """
    splits = folder.splits()
    first = folder.duplicates.exact
    groups: dict[str, list[CheckedPhoto]] = {}
    for photo in photos:
        groups.setdefault(first.get(photo.image_id, photo.image_id), []).append(photo)

    def rank(photo: CheckedPhoto) -> tuple:
        split = next((name for name in _RANKS if photo.image_id in splits.get(name, ())), "")
        return _RANKS.index(split), -len(photo.annotation.names), photo.image_id

    return {photo.image_id for group in groups.values() for photo in sorted(group, key=rank)[1:]}


def _write(out: Path, folder: CheckedFolder, result: CleanedCopy) -> None:
    """Write photos, XML and lists, and count the changes."""
    names = _flat_names(folder.photos, result)
    new_name = renames(folder.class_counts())
    renamed_folder = _with_names(folder, new_name)
    findings = [*check_boxes(renamed_folder), *check_pairs(renamed_folder)]
    dropped, unclipped = _objects_of(findings, _DROPPED), _objects_of(findings, {"box-swapped"})
    for kind, why in _DROPPED.items():
        count = sum(found.kind == kind for found in findings)
        _note(result, count, f"{{}} left out: {why}", "object")
    renamed: Counter[str] = Counter()
    written: Counter[str] = Counter()
    clipped = 0
    (out / "JPEGImages").mkdir()
    for photo in progress(folder.photos, "copying photos", len(folder.photos)):
        boxes, keep = _clipped_boxes(photo, dropped, unclipped)
        classes = [photo.annotation.names[i] for i in keep]
        renamed.update(name for name in classes if name in new_name)
        classes = [new_name.get(name, name) for name in classes]
        written.update(classes)
        clipped += int((np.abs(boxes - photo.boxes)[keep] > TOLERANCE).any(axis=1).sum())
        image = names[photo.image_id] + right_suffix(photo)
        shutil.copyfile(photo.entry.image, out / "JPEGImages" / image)
        try:
            write_voc_annotation(
                out / "Annotations" / f"{names[photo.image_id]}.xml", image, *photo.size[:2],
                boxes[keep], classes, photo.annotation.difficult[keep],
            )  # fmt: skip
        except ValueError as error:  # a class name that XML cannot hold
            raise UserError(f"{photo.where}: {error}") from error
        result.objects += len(keep)
    result.photos = len(folder.photos)
    errors = sum(len(photo.annotation.errors) for photo in folder.photos)
    _note(result, errors, "{} without a class or a proper box left out", "object")
    _note(result, clipped, "{} clipped to the photo", "box", "boxes")
    for old, count in sorted(renamed.items()):
        result.changes.append(
            f"class {old!r} renamed {new_name[old]!r} ({counted(count, 'object')})"
        )
    declared = [name for name in folder.layout.class_order or () if name not in new_name]
    _write_classes(out, declared, written, result)
    _write_lists(out, folder, names, result)


def _write_classes(
    out: Path, declared: Iterable[str], written: Iterable[str], result: CleanedCopy
) -> None:
    """``classes.txt``, as conversion to VOC writes it: XML cannot hold the order of the classes."""
    classes = list(dict.fromkeys([*declared, *sorted(written)]))
    write_classes(out / "classes.txt", classes)
    if classes != sorted(written):
        result.changes.append(
            "the order of the classes, which VOC cannot hold, is in classes.txt: "
            "train with --classes"
        )


def _clipped_boxes(
    photo: CheckedPhoto, dropped: set, unclipped: set
) -> tuple[np.ndarray, list[int]]:
    """The (N, 4) boxes of a photo, clipped except for those in ``unclipped``, and which stay."""
    numbers = photo.annotation.numbers
    boxes = photo.clipped()
    raw = np.array([(photo.image_id, number) in unclipped for number in numbers], bool)
    boxes[raw] = photo.boxes[raw]
    area = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    return boxes, [
        i for i, n in enumerate(numbers) if area[i] and (photo.image_id, n) not in dropped
    ]


def _with_names(folder: CheckedFolder, new_name: Mapping[str, str]) -> CheckedFolder:
    """The folder as it is when its classes have their new names."""

    def renamed(photo: CheckedPhoto) -> CheckedPhoto:
        labels = photo.annotation
        if labels is None or new_name.keys().isdisjoint(labels.names):
            return photo
        names = tuple(new_name.get(name, name) for name in labels.names)
        return replace(photo, annotation=replace(labels, names=names))

    return replace(folder, photos=tuple(map(renamed, folder.photos)))


def _objects_of(findings: Iterable[Finding], kinds: Container[str]) -> set[tuple[str, int | None]]:
    """(image id, number) of the objects that findings of these kinds are about."""
    return {(found.photo, found.number) for found in findings if found.kind in kinds}


def _write_lists(
    out: Path, folder: CheckedFolder, names: Mapping[str, str], result: CleanedCopy
) -> None:
    """The folder's lists, without photos that are gone; each in one of train, val and test."""
    own = _own_photos(folder)
    # Without the years of a devkit: the joined lists are there as well.
    lists = {name: found for name, found in folder.lists.items() if ":" not in name}
    file_name = list_names(lists, "voc")
    moved: set[str] = set()
    for name, image_ids in lists.items():
        allowed = own.get(split_name(name), names.keys())
        if name == "trainval":
            allowed = names.keys() - own["test"]
        present = [image_id for image_id in dict.fromkeys(image_ids) if image_id in names]
        kept = [names[image_id] for image_id in present if image_id in allowed]
        write_voc_list(out, file_name[name], kept)
        moved |= set(present) - allowed
        if file_name[name] != name:
            result.changes.append(f"list {name!r} renamed {file_name[name]!r}")
    _note(result, len(moved), "{} in two lists kept in one", "photo")


def _own_photos(folder: CheckedFolder) -> dict[str, set[str]]:
    """The photos that test, val and train keep: each in the first list that has it.

    A list with another name of a split, such as ``train2017``, belongs to that split.
    """
    splits, taken, own = folder.splits(), set(), {}
    for split in _RANKS[:-1]:
        named = (ids for name, ids in folder.lists.items() if split_name(name) == split)
        own[split] = set(splits.get(split, ())).union(*named) - taken
        taken |= own[split]
    return own


def _flat_names(photos: Iterable[CheckedPhoto], result: CleanedCopy) -> dict[str, str]:
    """A file stem for each photo that lists can name, unique even where case does not count."""
    bases = {}
    for photo in photos:
        flat = photo.image_id.replace("/", "_")
        bases[photo.image_id] = (output_names([flat])[flat], flat)
    names: dict[str, str] = {}
    renamed: list[str] = []
    taken: set[str] = set()
    # Names that can stay come first: no other photo may take them.
    for image_id, (base, flat) in sorted(bases.items(), key=lambda item: item[1][0] != item[1][1]):
        name, number = base, 2
        while name.casefold() in taken:
            name, number = f"{base}_{number}", number + 1
        taken.add(name.casefold())
        names[image_id] = name
        if name != flat:
            renamed.append(f"{image_id!r} to {name!r}")
    if renamed:
        count = counted(len(renamed), "photo")
        result.changes.append(
            f"{count} renamed, so that lists can name them: {listed(renamed, most=8)}"
        )
    return names


def _note(result: CleanedCopy, count: int, words: str, one: str, many: str | None = None) -> None:
    if count:
        result.changes.append(words.format(counted(count, one, many)))
