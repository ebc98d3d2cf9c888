"""Pseudo labels: objects of kept classes that the starting detector finds on the training photos.

Photos for new classes often show objects of the old ones without a label. Trained on as they are,
they teach that these are background, and the detector forgets them (Shmelkov et al., Incremental
learning of object detectors without catastrophic forgetting, 2017). So the detector that the run
starts from labels its own classes first. It looks at each training photo once, before training.
Its boxes are then objects like others, and augmentation moves them with the photo.

Detections that are less sure become difficult objects: what overlaps them is taught neither as an
object nor as background.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path

import numpy as np

from utils.data.records import Dataset
from utils.detections import Detections
from utils.detector import Detector
from utils.errors import UserError
from utils.evaluation.run_detector import detect_records, views_of
from utils.files import atomic_write
from utils.overlap import iou
from utils.progress import progress
from utils.runtime.distribution import Cluster
from utils.text import counted, listed
from utils.tiling import NO_TILES, Tiling

SURE, UNSURE = 0.3, 0.1  # scores from which a detection is an object, or a difficult one
SAME_OBJECT = 0.5  # IoU above which two boxes are of one object
NMS_IOU = 0.45
MAX_TIME_SHARE = 0.25  # of --minutes; photos that there is no time for are left out
_RNG_STREAM = 4  # keeps this draw independent of other draws with the same seed


@dataclass(frozen=True)
class PseudoLabels:
    """What the starting detector has found; plain JSON values.

    Attributes:
        photos: image ids of the training photos that it has searched, sorted.
        photo: for each object the index of its photo in ``photos``, rising.
        boxes: ``x0, y0, x1, y1`` in pixels of the upright photo.
        class_ids: of the run.
        sure: whether it is an object; otherwise it is a difficult one.
    """

    photos: list[str]
    photo: list[int]
    boxes: list[list[float]]
    class_ids: list[int]
    sure: list[bool]

    def with_pseudo_labels(self, train: Dataset) -> Dataset:
        """The training photos that were searched, with these objects too.

        Raises:
            UserError: a photo has gone since.
        """
        records = self.with_searched_photos_only(train).records.with_objects(
            np.array(self.photo, np.int64),
            np.array(self.boxes, np.float32).reshape(-1, 4),
            np.array(self.class_ids, np.int32),
            ~np.array(self.sure, bool),
        )
        return replace(train, records=records)

    def with_searched_photos_only(self, train: Dataset) -> Dataset:
        """The training photos that were searched, with their own labels only.

        Raises:
            UserError: a photo has gone since.
        """
        places = {image_id: i for i, image_id in enumerate(train.records.image_ids())}
        if gone := [image_id for image_id in self.photos if image_id not in places]:
            raise UserError(
                f"--resume: {counted(len(gone), 'training photo')} of the run "
                f"{'is' if len(gone) == 1 else 'are'} missing ({listed(gone)}); give the same "
                "data, or another --out"
            )
        records = train.records.selected([places[image_id] for image_id in self.photos])
        return replace(train, records=records)

    def digest(self) -> str:
        """Differs where anything differs."""
        return sha256(json.dumps(asdict(self)).encode()).hexdigest()[:16]

    def text(self, classes: Sequence[str], unlabelled: Sequence[int], all_photos: int) -> str:
        """How many objects of each class were found; a line of the block at the start.

        ``unlabelled``: ids of the classes that were looked for.
        """
        sure = np.array(self.sure, bool)
        counts = np.bincount(np.array(self.class_ids, np.int64)[sure], minlength=len(classes))
        found = [f"{name} {counts[i]:,}" for i, name in enumerate(classes) if counts[i]]
        text = (
            f"  labelled by the checkpoint on {counted(len(self.photos), 'training photo')}: "
            f"{', '.join(found) or 'nothing'}; {counted(int((~sure).sum()), 'box', 'boxes')} "
            "less sure, taught neither as object nor as background"
        )
        if found and (without := [classes[i] for i in unlabelled if not counts[i]]):
            text += f"; nothing of {listed(without, 8)}"
        if len(found) < len(unlabelled):
            text += "; classes without an object here may be forgotten"
        if left_out := all_photos - len(self.photos):
            text += (
                f"; {counted(left_out, 'photo')} left out, as --minutes leave no time to look at "
                "them"
            )
        return text

    def save(self, path: Path) -> None:
        """Write a JSON file, atomically."""
        with atomic_write(path, durable=True) as file:
            json.dump(asdict(self), file)

    @classmethod
    def read(cls, path: Path) -> PseudoLabels:
        """
        Raises:
            UserError: the file is missing or damaged.
        """
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise UserError(
                f"{path}: cannot be read ({error}); start again in another --out"
            ) from None


def make_pseudo_labels(
    weights: Path,
    train: Dataset,
    class_ids: Mapping[int, int],
    cluster: Cluster,
    *,
    seed: int,
    minutes: float | None,
    tiling: Tiling = NO_TILES,
) -> PseudoLabels:
    """Look for objects of some of a detector's classes on training photos.

    Several hosts divide the photos among them, and all get the whole result.

    Args:
        weights: the detector's checkpoint.
        train: the photos, with the labels that they have.
        class_ids: class id of the detector → class id of the run, for the classes looked for.
        cluster: the devices.
        seed: chooses the photos where there is no time for all.
        minutes: of the whole run; None without limit.
        tiling: whether large photos are searched in tiles, as those of the run are trained on.
    """
    detector = Detector(weights, runtime="tensorflow", device=cluster)
    if cluster.local_replicas > 1:  # one shape, squares, fills the batches of all of them
        detector = Detector(replace(detector.runtime, any_shape=False))
    indices = np.arange(len(train))
    if minutes:
        seconds = cluster.broadcast_number(_seconds_a_photo(detector)) / cluster.hosts
        most = max(detector.batch_size, int(MAX_TIME_SHARE * 60 * minutes / seconds))
        views = views_of(train.records, tiling, max(detector.input_size), detector.training_sizes)
        if most < views.sum():
            drawn = np.random.default_rng([seed, _RNG_STREAM]).permutation(len(indices))
            count = np.searchsorted(np.cumsum(views[drawn]), most, side="right")
            indices = np.sort(drawn[: max(count, 1)])
    records = [train.records[i] for i in indices.tolist()]
    mine = [records[i] for i in cluster.local_indices(len(records)).tolist()]
    found = detect_records(
        detector,
        mine,
        conf=UNSURE,
        ious=(NMS_IOU,),
        max_det=300,
        progress=lambda photos: progress(photos, "looking for kept classes", len(mine)),
        on_unreadable=_said_later,
        tiling=tiling,
    )[NMS_IOU]
    image_ids = [record.image_id for record in records]
    if cluster.hosts > 1:
        found = cluster.gather_detections(image_ids, found, detector.class_names)

    labels = PseudoLabels(image_ids, [], [], [], [])
    for place, record in enumerate(records):
        if record.image_id not in found:
            continue
        for one in unlabelled_objects(found[record.image_id], record.boxes, class_ids):
            labels.photo.append(place)
            labels.boxes.append(list(one.box))
            labels.class_ids.append(class_ids[one.class_id])
            labels.sure.append(one.score >= SURE)
    return labels


def unlabelled_objects(
    found: Detections, labelled: np.ndarray, wanted: Iterable[int]
) -> Detections:
    """The detections that stand for objects without a label.

    An object has one class. So a detection on a labelled object is left out: a detector often takes
    a new class for one that it knows. Of detections on the same object the best one stays.

    Args:
        found: the detections, best score first.
        labelled: (N, 4) boxes of the labelled objects.
        wanted: class ids of the detector that are looked for.
    """
    found = found[np.isin(found.class_ids, list(wanted))]
    taken = list(labelled)
    kept = []
    for row, box in enumerate(found.boxes):
        if not taken or iou(np.array(taken), box).max() <= SAME_OBJECT:
            taken.append(box)
            kept.append(row)
    return found[np.array(kept, np.int64)]


def _seconds_a_photo(detector: Detector) -> float:
    """Of a photo without tiles; measured with a grey batch, with some time for reading photos."""
    height, width = detector.input_size
    grey = np.full((detector.batch_size, height, width, 3), 128, np.uint8)
    detector.runtime.infer(grey)  # compiles
    began = time.monotonic()
    detector.runtime.infer(grey)
    return 1.3 * (time.monotonic() - began) / detector.batch_size


def _said_later(message: str) -> None:
    """Training says which photos cannot be read."""
