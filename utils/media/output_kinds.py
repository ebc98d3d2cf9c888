"""What predict.py can write: ``KINDS``, with the option that asks for each.

Another kind of output needs its option in ``PredictConfig`` and an entry here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from utils.drawing.colours import colour
from utils.media import label_outputs
from utils.media.drawn_videos import DrawnVideos
from utils.media.frame_photos import FramePhotos
from utils.media.outputs import Crops, CsvFile, Draw, DrawnPictures, JsonFile, Output, close_all
from utils.media.predict_config import PredictConfig
from utils.media.saved_frames import SavedFrames
from utils.media.summary import Summary
from utils.text import counted

if TYPE_CHECKING:
    from utils.media.video_tracking import VideoTracking


@dataclass(frozen=True)
class OutputSetting:
    """What outputs are made from.

    Attributes:
        config: the options.
        out: the folder for results.
        class_names: those of the detector.
        weights: its file.
        photos: which photo the labels of a frame belong to.
        draw: gives the drawn picture of a frame.
        tracking: what follows and counts objects, if asked for.
    """

    config: PredictConfig
    out: Path
    class_names: Sequence[str]
    weights: Path
    photos: FramePhotos
    draw: Draw
    tracking: VideoTracking | None

    @property
    def drawn(self) -> Path:
        """The folder for drawn pictures."""
        return drawing_folder(self.config, self.out)

    @property
    def label_studio_root(self) -> Path:
        """The folder that Label Studio has to serve."""
        return (self.config.label_studio_root or self.photos.folder.parent).resolve()


@dataclass(frozen=True)
class OutputKind:
    """One kind of output.

    Attributes:
        option: the field of ``PredictConfig`` that asks for it.
        make: opens it.
        called: its name in the last line of a run; None for a file that the option itself names.
        protected: what it writes below ``--out`` and must not overwrite; folders end in ``/``.
        written: whether a run wrote any of it.
    """

    option: str
    make: Callable[[OutputSetting], Output]
    called: str | None
    protected: tuple[str, ...] = ()
    written: Callable[[Summary], int] = lambda summary: summary.total


def _label_studio(run: OutputSetting) -> Output:
    colours = {name: colour(class_id) for class_id, name in enumerate(run.class_names)}
    return label_outputs.LabelStudioTasks(
        run.out, colours, run.photos, run.label_studio_root, model=run.weights.name
    )


def _heat_sheets(run: OutputSetting) -> Output:
    from utils.quiet import import_tensorflow

    import_tensorflow()  # takes its time
    from utils.media.heat_sheets import HeatSheets

    return HeatSheets(run.out, run.weights, run.config)


def _counts(run: OutputSetting) -> Output:
    from utils.media.video_tracking import CountsFile  # SciPy takes its time

    return CountsFile(run.out / "counts.csv", run.tracking)


LABELS = (
    OutputKind(
        "save_txt",
        lambda run: label_outputs.YoloLabels(
            run.out, run.class_names, run.photos, with_scores=run.config.save_conf
        ),
        "labels/",
        protected=("labels/", "classes.txt"),
    ),
    OutputKind(
        "save_voc",
        lambda run: label_outputs.VocLabels(run.out, run.photos),
        "Annotations/",
        protected=("Annotations/",),
    ),
    OutputKind(
        "save_coco",
        lambda run: label_outputs.CocoLabels(run.out, run.class_names, run.photos),
        label_outputs.COCO_ANNOTATIONS,
        protected=(label_outputs.COCO_RESULTS, label_outputs.COCO_ANNOTATIONS),
    ),
    OutputKind(
        "save_label_studio",
        _label_studio,
        label_outputs.LABEL_STUDIO,
        protected=(label_outputs.LABEL_STUDIO, label_outputs.LABEL_STUDIO_CONFIG),
    ),
)
FRAMES = OutputKind(
    "save_frames",
    lambda run: SavedFrames(run.photos, _made(LABELS, run), run.config.save_every or None),
    "images/",
    protected=("images/",),
)
RESULTS = (
    OutputKind(
        "pictures", lambda run: DrawnPictures(run.drawn), "pictures",
        written=lambda summary: summary.pictures,
    ),
    OutputKind(
        "pictures", lambda run: DrawnVideos(run.drawn, run.draw), "videos",
        written=lambda summary: summary.frames,
    ),
    OutputKind("json", lambda run: JsonFile(run.config.json), None),
    OutputKind(
        "csv", lambda run: CsvFile(run.config.csv, tracked=run.tracking is not None), None
    ),
    OutputKind(
        "counts", _counts, "counts.csv", protected=("counts.csv",),
    ),
    OutputKind(
        "heatmaps", _heat_sheets, "heatmaps/", protected=("heatmaps/",),
        written=lambda summary: summary.pictures,
    ),
    OutputKind(
        "crops", lambda run: Crops(run.out, run.class_names), "crops/",
        written=lambda summary: summary.objects.total(),
    ),
)  # fmt: skip
KINDS = (*RESULTS[:2], *LABELS, FRAMES, *RESULTS[2:])  # in the order of the last line


def outputs_for(run: OutputSetting) -> list[Output]:
    """The outputs that the options ask for, opened; all or none."""
    return _made((*((FRAMES,) if run.config.save_frames else LABELS), *RESULTS), run)


def _made(kinds: Iterable[OutputKind], run: OutputSetting) -> list[Output]:
    made: list[Output] = []
    try:
        for kind in kinds:
            if getattr(run.config, kind.option):
                made.append(kind.make(run))
    except BaseException:
        close_all(made, complete=False)
        raise
    return made


def drawing_folder(config: PredictConfig, out: Path) -> Path:
    """The folder for drawn pictures; not that of labels, where these can be trained on."""
    return out / "drawn" if config.save_frames else out


def protected_names(config: PredictConfig) -> list[str]:
    """What the options write below ``--out`` and must not overwrite."""
    if config.suggest:
        return ["suggested/"]
    kinds = (kind for kind in KINDS if getattr(config, kind.option))
    return [name for kind in kinds for name in kind.protected]


def result_lines(run: OutputSetting, summary: Summary) -> Iterator[str]:
    """Sentences on where the results are, and what to do with them."""
    config = run.config
    written = [kind for kind in KINDS if getattr(config, kind.option) and kind.written(summary)]
    labelled = any(kind in LABELS for kind in written)
    if labelled and config.pictures and summary.pictures and not config.save_frames:
        yield f"train on the photos with these labels, not on the drawn pictures in {run.out}"
    if (config.save_txt or config.save_voc) and (misnamed := run.photos.misnamed_labels):
        has = counted(misnamed, "photo has", "photos have")
        yield (
            f"{has} the name of another in the same folder, so train.py cannot find the labels in "
            "NAME-2: add --save-frames, which copies the photos under these names"
        )
    if below_out := [kind.called for kind in written if kind.called]:
        yield f"{', '.join(below_out)}: {run.out}"
    for kind in written:
        if kind.called is None:
            yield f"detections: {getattr(config, kind.option)}"
    if config.save_label_studio and summary.total:
        root = run.label_studio_root
        yield f"Label Studio has to serve: LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT={root}"
