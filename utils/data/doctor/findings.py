"""What the doctor can find: ``KINDS``, and one ``Finding``.

A kind says how bad it is, what training does about it, what the user should do, and what ``--fix``
does. A finding is one place in the dataset with that problem.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from utils.data.folder.reasons import ADVICE

ERROR, WARNING, NOTE = "error", "warning", "note"
SEVERITIES = (ERROR, WARNING, NOTE)  # worst first


@dataclass(frozen=True)
class Kind:
    """One kind of finding.

    Attributes:
        severity: ``error``: labels or photos are lost, or almost certainly wrong; ``warning``:
            worth a look, often wrong; ``note``: good to know.
        title: the problem, as a heading.
        consequence: what training and scoring do about it.
        advice: what to do; "" where the consequence says enough.
        fix: what ``--fix`` does about it; "" where only a person can decide.
    """

    severity: str
    title: str
    consequence: str
    advice: str = ""
    fix: str = ""


@dataclass(frozen=True)
class Finding:
    """One place with a problem.

    Attributes:
        kind: a key of ``KINDS``.
        message: what is wrong there, in words, without file and object.
        photo: image id of the photo; "" where it is about the dataset.
        where: the file to look into (labels or photo), relative to the data folder.
        number: place of the object among those of its photo, from 1.
        boxes: what to draw on the photo, each ``x0, y0, x1, y1`` in its pixels.
        others: image ids of further photos concerned, such as a copy.
    """

    kind: str
    message: str
    photo: str = ""
    where: str = ""
    number: int | None = None
    boxes: tuple[tuple[float, float, float, float], ...] = ()
    others: tuple[str, ...] = ()

    @property
    def severity(self) -> str:
        return KINDS[self.kind].severity

    @property
    def place(self) -> str:
        """File and object, such as ``Annotations/7.xml, object 3``."""
        return self.where + (f", object {self.number}" if self.number is not None else "")

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" if self.where else self.message


def counts(findings: Sequence[Finding]) -> dict[str, int]:
    """How many there are of each severity."""
    return {level: sum(f.severity == level for f in findings) for level in SEVERITIES}


_LEFT_OUT = "The photo is left out of training and scoring."
_OBJECT_LEFT_OUT = "The object is left out; what it shows is trained as background."

KINDS: dict[str, Kind] = {
    # Photos
    "photo-empty": Kind(
        ERROR, "Empty photo files", _LEFT_OUT, "Copy the photo again.", "left out of the copy"
    ),
    "photo-unreadable": Kind(
        ERROR, "Photos that cannot be opened", _LEFT_OUT, "Copy or export the photo again.",
        "left out of the copy",
    ),
    "photo-damaged": Kind(
        ERROR, "Damaged or cut-off photos",
        "The file opens but its pixels end early: training takes another photo in its place each "
        "time.", "Copy the photo again.", "left out of the copy",
    ),
    "photo-suffix": Kind(
        NOTE, "Photos whose name says another format",
        "They are read all the same: the content counts, not the name. Other programs may refuse "
        "them.", "",
        "copied under the right suffix",
    ),
    "photo-pixels": Kind(
        NOTE, "Photos with unusual pixels",
        "They are converted to 8-bit RGB: transparency is laid on white, pixels of high bit "
        "depth are scaled by the bits in use, CMYK is converted without its colour profile.",
        "Look at one: if the converted colours are not what the camera saw, export it again.",
    ),
    "photo-small": Kind(
        WARNING, "Very small photos",
        "They are enlarged to the input size and become blurred.",
        "Use the originals if these are thumbnails.",
    ),
    "photo-large": Kind(
        NOTE, "Very large photos",
        "Reading them takes most of the time, and small objects vanish at the input size.",
        "Make smaller copies, or train with --tile if their objects are small.",
    ),
    "photo-shape": Kind(
        NOTE, "Very long photos",
        "The longer side is fitted to the input size, so objects become small.",
        "Train with --tile, or cut such photos into pieces.",
    ),
    "photo-turned": Kind(
        WARNING, "Photos turned by EXIF whose labels may not be",
        "The photo is turned upright. The size in the XML does not tell whether its boxes were "
        "drawn before or after that. They are read as in the rest of the dataset.",
        "Look at the boxes in the picture.",
        "the boxes as drawn here are written for the upright photo, and marked so",
    ),
    "photo-no-labels": Kind(
        WARNING, "Photos without labels", "They are not used.",
        "Label them. For photos without any object, save labels without objects: the detector "
        "learns from them what not to find.", "left out of the copy",
    ),
    "photo-no-objects": Kind(
        NOTE, "Photos without objects",
        "They are trained on as background.",
        "There are few of them, so labels may be missing: make sure that no object is on them.",
    ),
    # Label files
    "labels-no-photo": Kind(
        WARNING, "Labels without a photo", "They are not used.",
        "Add the photo, or give it the name of its labels.", "left out of the copy",
    ),
    "labels-unreadable": Kind(
        ERROR, "Label files that cannot be used", _LEFT_OUT,
        "Export the file again. Cut a photo with too many objects, and its labels, into parts.",
        "repaired where there is only one way, otherwise left out of the copy",
    ),
    "labels-size": Kind(
        ERROR, "Labels made for a photo of another size",
        "The boxes are taken as pixels of the photo as it is. If the photo was resized after "
        "labelling, they are all in the wrong place.",
        "Look at the picture: if the boxes miss, label the photo again or bring back the one "
        "that was labelled.",
        "the size is set to that of the photo, the boxes stay: look at them",
    ),
    "labels-no-size": Kind(
        NOTE, "Labels that do not say the photo's size",
        "They are used, but nothing shows whether the photo was resized or turned after "
        "labelling.", "", "the size is written",
    ),
    "labels-filename": Kind(
        NOTE, "Labels that name another photo",
        "The photo with the labels' own name is used.",
        "Look at some of them: files renamed by hand may have been mixed up.",
        "the right name is written",
    ),
    # Objects
    "object-no-class": Kind(
        ERROR, "Objects without a class", _OBJECT_LEFT_OUT, ADVICE["no-class"], "left out"
    ),
    "object-no-id": Kind(
        ERROR, "Objects without a class id", _OBJECT_LEFT_OUT, ADVICE["no-id"], "left out"
    ),
    "object-no-name": Kind(
        ERROR, "Class ids without a name", _OBJECT_LEFT_OUT, ADVICE["no-name"], "left out"
    ),
    "object-no-box": Kind(
        ERROR, "Objects without a box", _OBJECT_LEFT_OUT, ADVICE["no-box"], "left out"
    ),
    "object-outline": Kind(
        NOTE, "Objects labelled by an outline or a rotated box",
        "Its bounding box is trained on and scored.",
    ),
    "box-not-a-number": Kind(
        ERROR, "Boxes with coordinates that are not numbers", _OBJECT_LEFT_OUT,
        ADVICE["not-a-number"], "left out",
    ),
    "box-empty": Kind(
        ERROR, "Boxes without area, or with corners reversed", _OBJECT_LEFT_OUT,
        ADVICE["empty-box"], "left out",
    ),
    "box-normalised": Kind(
        ERROR, "Boxes in fractions instead of pixels",
        "They are read as pixels and lie in the photo's first pixel: the detector learns "
        "nothing from them.", "Export again with coordinates in pixels.",
        "left out",
    ),
    "box-swapped": Kind(
        ERROR, "Boxes that fit only with x and y swapped",
        "They are clipped to the photo as written, or left out where nothing remains.",
        "Correct the program that wrote them.",
    ),
    "box-outside": Kind(
        ERROR, "Boxes outside the photo", _OBJECT_LEFT_OUT, "Draw the box again.", "left out"
    ),
    "box-beyond": Kind(
        WARNING, "Boxes that reach beyond the photo", "They are clipped to the photo.",
        "A few pixels are harmless. With more, the photo may have been cropped after labelling.",
        "clipped",
    ),
    "box-tiny": Kind(
        WARNING, "Tiny boxes",
        "At the input size they are less than 3 pixels wide or high. They are trained on, but "
        "nothing can be recognised there.",
        "Remove accidental clicks; for objects that really are so small, use a larger "
        "--input-size or train with --tile.",
    ),
    "box-duplicate": Kind(
        WARNING, "Objects labelled twice",
        "Both are trained on; when scoring, one of the two always counts as missed. Difficult "
        "objects are neither trained on nor scored.",
        "Delete one.", "the second is dropped, or the one that is difficult",
    ),
    "box-two-classes": Kind(
        WARNING, "One object under two classes",
        "The detector learns both, and its scores for both fall. It learns nothing from difficult "
        "objects.",
        "Decide which one is right.",
    ),
    "box-whole-photo": Kind(
        NOTE, "Boxes around the whole photo",
        "They are trained on as they are.",
        "Right for close-ups. Photos that were classified rather than labelled with boxes look "
        "like this too.",
    ),
    "box-shape": Kind(
        WARNING, "Very long, thin boxes",
        "They are trained on. No anchor is near their shape, so they are found poorly.",
        "Often a slip of the mouse; poles and wires are better labelled in pieces.",
    ),
    "box-repeated": Kind(
        WARNING, "The same box in many photos",
        "They are trained on as they are.",
        "Right only where neither the camera nor the object moves. Otherwise the default box of "
        "the labelling tool was saved unchanged.",
    ),
    # Classes
    "class-similar-names": Kind(
        WARNING, "Class names that are probably one class",
        "They are trained as different classes, each with its share of the examples.",
        "Rename the objects of the rare one, unless they really differ.",
        "the rare one is renamed where they differ only in case, spaces, hyphens or underscores",
    ),
    "class-not-compared": Kind(
        NOTE, "Too many class names to look for typos",
        "Names that differ in case, spaces or hyphens only are found all the same.",
    ),
    "class-ids-from-1": Kind(
        ERROR, "Class ids that may all be one off",
        "Training and scoring stop: every object would get the name of another class.",
        "Say in the file that names the classes which reading is right.",
    ),
    "class-few": Kind(
        WARNING, "Classes with few examples",
        "They are trained, but with too few examples to be found reliably.",
        "Add photos: a hundred examples are a fair start, more where they look different.",
    ),
    "class-not-trained": Kind(
        ERROR, "Classes that are only in validation or test photos",
        "They are never found, and lower the score.",
        "Move photos of them to the training list.",
    ),
    "class-not-validated": Kind(
        WARNING, "Classes without validation photos",
        "The choice of the best checkpoint does not take them into account.",
        "Move some of their photos to the validation list.",
    ),
    "class-imbalance": Kind(
        NOTE, "Very unequal classes",
        "Classes on few photos are shown more often, up to four times as often. That teaches less "
        "than other photos would.", "Add photos of the rare ones.",
    ),
    # Splits
    "split-none": Kind(
        NOTE, "No split lists",
        "Training splits the photos 70 : 10 : 20 from its seed, stratified by class. It keeps "
        "duplicates together and writes the lists to the run directory.",
    ),
    "split-missing-photo": Kind(
        WARNING, "Lists that name missing photos", "The lines are skipped.",
        "Add the photos, or delete the lines.", "the lines are left out",
    ),
    "split-unlisted-photo": Kind(
        NOTE, "Labelled photos in none of the lists",
        "They are neither trained on nor scored.", "Add them to a list.",
    ),
    "split-two-lists": Kind(
        ERROR, "Photos in two lists",
        "A score on photos that were trained on says nothing. Where validation shares photos "
        "with training, a tenth of the training photos is held out instead.",
        "Keep each photo in one list.", "kept in the list for testing, otherwise for validation",
    ),
    "copy-across": Kind(
        ERROR, "The same photo under two names in different lists",
        "Training leaves out photos that are copies of validation or test photos.",
        "Delete one of the two.", "one of the two is left out",
    ),
    "copy-labels": Kind(
        WARNING, "The same photo under two names, with different labels",
        "Both are trained on, and contradict each other.", "Delete the worse one.",
        "the photo in the test list is kept, otherwise in val, then train; within a list the one "
        "with more objects",
    ),
    "copy-inside": Kind(
        NOTE, "The same photo under two names",
        "It counts twice.", "Delete one of the two.", "one of the two is left out",
    ),
    "near-across": Kind(
        WARNING, "Near-duplicates in different lists",
        "The score is better than it will be on new photos: the detector has seen these.",
        "Keep shots of one scene, and frames of one video, in one list.",
    ),
    "near-inside": Kind(
        NOTE, "Near-duplicates within a list",
        "Both are trained on; the second adds little.",
        "Frames of a video: take fewer of them.",
    ),
    # Sizes
    "objects-small": Kind(
        WARNING, "Objects too small for the input size",
        "Objects smaller than one cell of the finest grid (8 pixels) are found poorly.",
        "Use a larger --input-size, or train with --tile.",
    ),
    "anchors-poor": Kind(
        WARNING, "Objects that no anchor fits",
        "They are trained on with the nearest anchor, and found less precisely.",
        "Look at the longest and the smallest boxes.",
    ),
    "folder": Kind(NOTE, "About the folder", "What is left out is neither trained on nor scored."),
}  # fmt: skip
