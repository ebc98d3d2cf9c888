"""What ``metrics.json`` holds under ``analysis``, and what the report, CSV and summary show.

Everything here is plain data, so that ``dataclasses.asdict`` gives JSON. The field names are the
keys of ``metrics.json``, which other programs read: do not rename them. Every number that cannot
be computed, because there are too few objects or detections, is None. Shares, precisions, recalls,
APs and scores lie between 0 and 1. Boxes are ``[x0, y0, x1, y1]`` in pixels of the photo.
``utils.evaluation.analysis.analyse`` computes it all.
"""

from __future__ import annotations

from dataclasses import dataclass, field

IOUS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
SIZE_GROUPS = ("small", "medium", "large")  # area below 32², 32² to 96², above 96² pixels
ASPECTS = ("tall", "square", "wide")  # width / height below 2/3, 2/3 to 3/2, above 3/2
ERROR_KINDS = ("class", "location", "both", "duplicate", "background", "missed")
LABEL_ERROR_KINDS = ("not labelled", "other class", "other box")


@dataclass(frozen=True)
class Estimate:
    """A score and the 95 % interval around it, by bootstrap over images.

    Attributes:
        value: the score on the images as they are; None without objects.
        low, high: the interval; None with too few images, or without a bootstrap.
    """

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class OperatingPoint:
    """The detections from a confidence on, matched at IoU 0.5 as COCO does.

    Attributes:
        confidence: lowest score kept; None without detections or objects.
        precision, recall, f1: shares; precision is None without detections, recall without
            objects, F1 without both.
        true_positives, false_positives, missed: counts; difficult objects are in none of them.
    """

    confidence: float | None
    precision: float | None
    recall: float | None
    f1: float | None
    true_positives: int
    false_positives: int
    missed: int


@dataclass(frozen=True)
class Curve:
    """Precision and recall by falling confidence, at IoU 0.5; three lists of one length.

    At most about 200 points, the first with the highest confidence. Precision is as measured, not
    made monotone. Empty without objects or detections.
    """

    confidence: list[float]
    precision: list[float]
    recall: list[float]


@dataclass(frozen=True)
class Reliability:
    """Calibration (Guo et al., "On Calibration of Modern Neural Networks", 2017).

    With good calibration, 8 in 10 detections with a score of 0.8 are right. Detections are counted
    in ten bins of score, 0 to 0.1 … 0.9 to 1. One is right when it matches an object of its class
    at IoU 0.5.

    Attributes:
        edges: 11 bounds of score.
        counts: detections in each bin (10).
        confidence: mean score in each bin; None in an empty one.
        precision: share that is right in each bin; None in an empty one.
        error: expected calibration error: mean distance between confidence and precision over
            these detections; None without any.
        lowest: detections with a lower score are left out. Otherwise thousands of detections that
            nobody keeps would dominate the error.
    """

    edges: list[float]
    counts: list[int]
    confidence: list[float | None]
    precision: list[float | None]
    error: float | None
    lowest: float


@dataclass(frozen=True)
class ClassAnalysis:
    """One class, or all of them together (``Analysis.overall``).

    Attributes:
        name: class name; "all" for all together.
        objects: objects that are not difficult.
        images: images with at least one of them.
        detections: detections given (for one image and class COCO counts the best 100).
        ap: COCO AP, mean over IoU 0.50 to 0.95. Overall: mean over the classes with objects.
        ap50: COCO AP at IoU 0.50, likewise.
        ap_by_iou: COCO AP at each of ``IOUS`` (10), likewise; all None without objects.
        voc2007, voc2010: VOC AP (overall: mAP).
        best: the operating point with the highest F1. Overall: one confidence for all classes,
            objects and detections of all classes counted together.
        at_confidence: the same measures at ``Analysis.confidence``, one for all classes.
        curve: precision against recall. Overall: all classes together.
        log_average_miss_rate: of Dollár et al., "Pedestrian Detection: An Evaluation of the State
            of the Art", 2012; 0 is best. Overall: mean over the classes with objects.
        ap_by_size: COCO AP (0.50 to 0.95) of small, medium and large objects (``SIZE_GROUPS``).
        ap_by_aspect: the same for tall, square and wide objects (``ASPECTS``).
        objects_by_size, objects_by_aspect: number of objects in each of these groups.
        errors: number of errors of each of ``ERROR_KINDS``; a detection counts for its predicted
            class, a missed object for its own.
    """

    name: str
    objects: int
    images: int
    detections: int
    ap: Estimate
    ap50: Estimate
    ap_by_iou: list[float | None]
    voc2007: float | None
    voc2010: float | None
    best: OperatingPoint
    at_confidence: OperatingPoint
    curve: Curve
    log_average_miss_rate: float | None
    ap_by_size: dict[str, float | None]
    ap_by_aspect: dict[str, float | None]
    objects_by_size: dict[str, int]
    objects_by_aspect: dict[str, int]
    errors: dict[str, int]


@dataclass(frozen=True)
class Confusion:
    """Confusion matrix of the detections from ``confidence`` on.

    A detection that matches an object of its own class counts on the diagonal. The others are
    matched with free objects of other classes, the highest IoU first, from ``iou`` on. Unmatched
    detections and objects count as background.

    Of more than 2,000 classes, those with the fewest objects share the name "other classes". If one
    of them is taken for another, the detection and the object count as background.

    Attributes:
        names: class names, then "background".
        counts: ``counts[true][predicted]``, (classes + 1) lists of (classes + 1). The last row
            holds unmatched detections, the last column unmatched objects.
        confidence: lowest score that counts.
        iou: lowest IoU of a match.
    """

    names: list[str]
    counts: list[list[int]]
    confidence: float
    iou: float


@dataclass(frozen=True)
class ErrorKind:
    """Number and effect of the errors of one kind.

    Attributes:
        kind: ``class`` (right place, wrong class), ``location`` (right class, IoU 0.1 to 0.5),
            ``both`` (wrong class, IoU 0.1 to 0.5), ``duplicate`` (an object found twice),
            ``background`` (IoU below 0.1 with every object) or ``missed`` (an object without true
            positive that no class or location error concerns).
        count: how many.
        ap50: AP50 with all of them corrected and nothing else changed.
        gain: ``ap50`` minus the AP50 as it is.
    """

    kind: str
    count: int
    ap50: float | None
    gain: float | None


@dataclass(frozen=True)
class ErrorItem:
    """One error, for a gallery.

    Attributes:
        kind: of ``ERROR_KINDS``.
        image_id: number in ``ground_truth.json``.
        stem: the record's ``image_id``.
        file_name: file name of the photo.
        predicted_class: of the detection; None for a missed object.
        score: of the detection; None for a missed object.
        box: of the detection; None for a missed object.
        true_class: class of the object concerned; None for background.
        true_box: box of the object concerned; None for background.
        iou: of the two boxes; None where one is missing.
        cost: first-order rise of AP50 (mean over the classes) if only this error were corrected;
            errors are sorted by it.
    """

    kind: str
    image_id: int
    stem: str
    file_name: str
    predicted_class: str | None
    score: float | None
    box: list[float] | None
    true_class: str | None
    true_box: list[float] | None
    iou: float | None
    cost: float


@dataclass(frozen=True)
class ImageCost:
    """One image and the cost of all its errors.

    Attributes:
        image_id, stem, file_name: which photo.
        cost: sum of the costs of its errors, in AP50.
        errors: number of its errors of each of ``ERROR_KINDS``.
    """

    image_id: int
    stem: str
    file_name: str
    cost: float
    errors: dict[str, int]


@dataclass(frozen=True)
class SuspectedLabelError:
    """A confident detection that contradicts the labels: the label may be wrong.

    Attributes:
        kind: ``not labelled`` (no object there), ``other class`` (the label there has another
            class) or ``other box`` (the label lies elsewhere, IoU 0.1 to 0.5).
        image_id, stem, file_name: which photo.
        predicted_class, score, box: of the detection.
        true_class, true_box: the label concerned; None for ``not labelled``.
        precision: of this class's other detections with at least this score; the list is sorted by
            it.
    """

    kind: str
    image_id: int
    stem: str
    file_name: str
    predicted_class: str
    score: float
    box: list[float]
    true_class: str | None
    true_box: list[float] | None
    precision: float


@dataclass(frozen=True)
class Errors:
    """The error breakdown of Bolya et al., "TIDE: A General Toolbox for Identifying Object
    Detection Errors", 2020, with IoU 0.5 for a match and 0.1 for background.

    Attributes:
        ap50: COCO AP50 as it is.
        kinds: one each of ``ERROR_KINDS``, in that order.
        worst: the costliest errors of each kind and class, worst first.
        images: images with errors, the costliest first (at most 100).
        suspicions: suspected label errors, the likeliest first (at most 200).
    """

    ap50: float | None
    kinds: list[ErrorKind]
    worst: list[ErrorItem]
    images: list[ImageCost]
    suspicions: list[SuspectedLabelError]


@dataclass(frozen=True)
class Difference:
    """A score of this detector minus that of the other, on the same images.

    Attributes:
        this, other: the two scores.
        value: this minus other; None without objects.
        low, high: 95 % interval of the difference, by paired bootstrap over images.
        more_than_luck: whether the difference is significant at 95 %: its interval excludes 0; None
            without an interval.
    """

    this: float | None
    other: float | None
    value: float | None
    low: float | None
    high: float | None
    more_than_luck: bool | None


@dataclass(frozen=True)
class Comparison:
    """This detector against another on the same images.

    Attributes:
        other: the file compared with.
        ap, ap50: differences over all classes.
        classes: class name → difference of COCO AP. With many classes some intervals exclude 0
            by chance.
    """

    other: str
    ap: Difference
    ap50: Difference
    classes: dict[str, Difference]


@dataclass(frozen=True)
class Tuning:
    """The best operating point over all confidence and NMS thresholds.

    Attributes:
        split: photos it was found on.
        goal: ``best F1`` or ``precision of at least 0.95``.
        confidence, iou: the thresholds for ``predict.py``.
        point: precision, recall and F1 on that split, all classes together.
        thresholds_tried: the best point for each NMS threshold: ``{"iou": …, "confidence": …,
            "precision": …, "recall": …, "f1": …}``.
    """

    split: str
    goal: str
    confidence: float
    iou: float
    point: OperatingPoint
    thresholds_tried: list[dict[str, float]]


@dataclass(frozen=True)
class Analysis:
    """Everything about one evaluation beside the scores of ``metrics.compute_metrics``.

    Attributes:
        overall: all classes together.
        classes: one for each class, in order of class id.
        confidence: the confidence of the confusion matrix and of ``at_confidence``: the one with
            the best F1 overall; 0 where there is none.
        confusion: see ``Confusion``.
        reliability: see ``Reliability``; all classes together.
        errors: see ``Errors``.
        resamples: number of bootstrap resamples; 0 without intervals.
        comparison: set with ``--compare``.
        tuning: set with ``--tune``.
        seconds: duration of each phase, by its name.
    """

    overall: ClassAnalysis
    classes: list[ClassAnalysis]
    confidence: float
    confusion: Confusion
    reliability: Reliability
    errors: Errors
    resamples: int
    comparison: Comparison | None = None
    tuning: Tuning | None = None
    seconds: dict[str, float] = field(default_factory=dict)
