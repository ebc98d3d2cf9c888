"""The options of ``predict.py`` as one typed, frozen value, and those that exclude each other."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from utils.cli import given_options, option, option_name
from utils.errors import UserError
from utils.heatmaps.box import Box
from utils.media.count_shapes import Line, Zone
from utils.media.frame_selection import seconds
from utils.media.shards import Shard
from utils.runtime.names import RUNTIMES
from utils.tiling import MAX_OVERLAP, TILE_OVERLAP, Tiling


@dataclass(frozen=True)
class PredictConfig:
    """The options of ``predict.py``: first those that most people need, then groups."""

    sources: tuple[str, ...] = option(
        (), help="pictures, folders, globs, videos, stream addresses or camera numbers",
        metavar="SOURCE", positional=True,
    )  # fmt: skip
    weights: Path | None = option(
        None, help="detector to use (default: the bundled one for traffic signs)", metavar="FILE"
    )
    out: Path | None = option(
        None, help="folder for results; pictures and videos that an earlier run drew there are "
        "replaced (default: runs/predict/NAME with a number; NAME is the folder of the weights)",
        metavar="DIR",
    )  # fmt: skip
    conf: float | None = option(
        None, help="lowest score that is kept, 0 to 1 (default: the value that "
        "get_map.py --tune stored in the checkpoint, otherwise 0.25)", low=0, high=1,
    )  # fmt: skip
    classes: tuple[str, ...] = option(
        (), help="only objects of these classes, in all results (default: all)", metavar="NAME"
    )
    device: str = option(
        "auto",
        help="auto takes a GPU if there is one; gpu:0,1 opens an exported network on both where "
        "there are many pictures, otherwise on the first",
        metavar="auto|cpu|gpu|gpu:N",
    )
    json: Path | None = option(
        None, help="write all detections to this file, as one JSON list", metavar="FILE"
    )
    csv: Path | None = option(
        None, help="write all detections to this file, as a table", metavar="FILE"
    )
    save_voc: bool = option(False, help="write VOC label files to DIR/Annotations")
    track: bool = option(
        False, help="follow the objects of videos: the same object has the same number in every "
        "frame",
    )  # fmt: skip
    show: bool = option(
        False, help="show results in a window; any key shows the next picture, q or Esc ends"
    )
    serve: bool = option(
        False, help="instead of reading sources, offer a page in the browser and an endpoint for "
        "programs, until Ctrl-C",
    )  # fmt: skip
    iou: float | None = option(
        None, help="IoU above which the weaker of two boxes of a class is dropped, 0 to 1 "
        "(default: the value that get_map.py --tune stored in the checkpoint, otherwise 0.45)",
        low=0, high=1, group="detections",
    )  # fmt: skip
    max_det: int = option(300, help="most objects a picture", low=1, group="detections")
    tile: str = option(
        "off", help="also look at large pictures in tiles of this side in pixels; auto takes the "
        "one that suits the detector's training (docs/tiles.md)", parse=Tiling.parse,
        metavar="auto|off|PIXELS", group="large pictures",
    )  # fmt: skip
    overlap: float = option(
        TILE_OVERLAP, help="share of a tile's side that neighbouring tiles have in common",
        low=0, high=MAX_OVERLAP, group="large pictures",
    )  # fmt: skip
    runtime: str = option(
        "auto", help="what runs the network; auto takes the fastest here, and tensorflow gives "
        "the numbers of the checkpoint's own network", choices=("auto", *RUNTIMES), group="network",
    )  # fmt: skip
    benchmark: int = option(
        0, help="also time N runs on the first picture, and print median, 90th and 99th percentile "
        "of each step and pictures a second; also in DIR/benchmark.json", low=0, group="network",
    )  # fmt: skip
    start: float = option(
        0.0, help="begin here, in seconds or as m:ss or h:mm:ss", metavar="TIME", parse=seconds,
        low=0, group="frames of videos and cameras",
    )  # fmt: skip
    end: float | None = option(
        None, help="stop here (default: at the end)", metavar="TIME", parse=seconds,
        group="frames of videos and cameras",
    )  # fmt: skip
    stride: int = option(
        1, help="look at every N-th frame only", low=1, metavar="N",
        group="frames of videos and cameras",
    )  # fmt: skip
    fps: float | None = option(
        None, help="look at no more than N frames a second of video (default: all)", low=0.001,
        metavar="N", group="frames of videos and cameras",
    )  # fmt: skip
    overlay: bool = option(
        False, help="draw on each frame its number, its time and the speed in frames a second",
        group="frames of videos and cameras",
    )  # fmt: skip
    count_line: tuple[str, ...] = option(
        (), help="count the tracked objects that cross this line (pixels) by direction and class; "
        "may be given several times; DIR/counts.csv has each crossing", metavar="x0,y0,x1,y1",
        nargs=1, repeated=True, parse=lambda text: str(Line.parse(text)), group="tracking",
    )  # fmt: skip
    count_zone: tuple[str, ...] = option(
        (), help="count and time the tracked objects in the polygon of these corners (pixels); may "
        "be given several times", metavar="x,y",
        repeated=True, parse=lambda text: str(Zone.parse(text)), group="tracking",
    )  # fmt: skip
    pictures: bool = option(
        True, help="write pictures and videos with the objects drawn in", group="pictures"
    )
    crops: bool = option(
        False, help="write each object as a picture of its own to DIR/crops/CLASS",
        group="pictures",
    )  # fmt: skip
    heatmap: bool = option(
        False, help="show on each picture where the network saw evidence for what it detected, and "
        "the objectness of its three levels, in DIR/heatmaps; needs a .keras checkpoint, which "
        "then runs in TensorFlow", group="heat maps of pictures",
    )  # fmt: skip
    heatmap_class: str | None = option(
        None, help="heat maps for this class instead, whether it was detected or not",
        metavar="NAME", group="heat maps of pictures",
    )  # fmt: skip
    heatmap_box: str | None = option(
        None, help="heat maps for what the network predicts in this box (pixels) instead; with "
        "--heatmap-class, for that class in it", metavar="x0,y0,x1,y1",
        parse=lambda text: str(Box.parse(text)), group="heat maps of pictures",
    )  # fmt: skip
    save_txt: bool = option(False, help="write YOLO label files to DIR/labels", group="labels")
    save_conf: bool = option(
        False, help="write scores to the files of --save-txt, too, as a sixth column; all other "
        "label files have them", group="labels",
    )  # fmt: skip
    save_coco: bool = option(
        False, help="write DIR/coco_annotations.json and DIR/coco_results.json", group="labels"
    )
    save_label_studio: bool = option(
        False, help="write DIR/label_studio.json, to import into Label Studio, and the setup of "
        "its project", group="labels",
    )  # fmt: skip
    label_studio_root: Path | None = option(
        None, help="folder that Label Studio serves, its LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT "
        "(default: the folder above that of the photos)", metavar="DIR", group="labels",
    )  # fmt: skip
    save_frames: bool = option(
        False, help="copy the pictures, and the frames of videos where objects come, go or move, "
        "to DIR/images, so that DIR can be trained on; what is drawn goes to DIR/drawn",
        group="labels",
    )  # fmt: skip
    save_every: int = option(
        0, help="with --save-frames: each N-th frame of a video instead; 0: where objects change",
        low=0, metavar="N", group="labels",
    )  # fmt: skip
    suggest: int = option(
        0, help="instead of all results, list the N photos most worth labelling next in "
        "DIR/suggested.txt, with links in DIR/suggested and the reasons in DIR/suggested.html",
        low=0, metavar="N", group="many photos",
    )  # fmt: skip
    shard: str | None = option(
        None, help="only part I of N of the sources, such as 3/8; the results of parts 1 to N in "
        "order are those of all", metavar="I/N", parse=lambda text: str(Shard.parse(text)),
        group="many photos",
    )  # fmt: skip
    port: int = option(
        8000, help="port of --serve; 0 takes any free one", low=0, high=65535, group="serving"
    )
    host: str = option(
        "127.0.0.1", help="address that --serve listens on; with another than this machine's own, "
        "such as 0.0.0.0 for all networks, clients need the token", metavar="ADDRESS",
        group="serving",
    )  # fmt: skip
    token: str | None = option(
        None, help="secret that clients must send, at least 16 characters (default: none on this "
        "machine's own address; on others a new one, which is printed)", group="serving",
    )  # fmt: skip
    max_upload: float = option(
        20, help="largest request in megabytes", low=0.001, high=1000, metavar="MB",
        group="serving",
    )  # fmt: skip
    max_pixels: float = option(
        50, help="largest picture of a request in million pixels", low=0.001, high=170,
        metavar="MILLIONS", group="serving",
    )  # fmt: skip
    rate: float = option(
        100, help="most requests a second from one address; 0: any number", low=0, group="serving"
    )
    queue: int = option(
        64, help="most pictures of all clients that wait or are processed", low=1, group="serving"
    )

    @property
    def tiling(self) -> Tiling:
        """Whether large pictures are searched in tiles."""
        return Tiling.of_option(self.tile, self.overlap)

    @property
    def counts(self) -> bool:
        """Whether objects are counted."""
        return bool(self.count_line or self.count_zone)

    @property
    def heatmaps(self) -> bool:
        """Whether heat maps are drawn, of detections or of something else."""
        return self.heatmap or self.heatmap_class is not None or self.heatmap_box is not None

    @property
    def tracks(self) -> bool:
        """Whether objects are followed; counting needs it."""
        return self.track or self.counts


_NETWORK = {"weights", "runtime", "device", "iou", "max_det"}
_WITH_SUGGEST = _NETWORK | {"suggest", "sources", "out", "pictures", "benchmark"}
_WITH_SERVE = _NETWORK | {"serve", "conf"}
_SERVING = {field.name for field in fields(PredictConfig) if field.metadata["group"] == "serving"}
_PARTS = {  # option: the one without which it has no effect, and why
    **dict.fromkeys(_SERVING, ("serve", "is about --serve")),
    "overlap": ("tile", "is about the tiles of --tile"),
    "save_conf": ("save_txt", "adds the scores to the files of --save-txt"),
    "save_every": ("save_frames", "says which frames --save-frames saves"),
    "label_studio_root": ("save_label_studio", "is about --save-label-studio"),
}


def refuse_contradictions(config: PredictConfig) -> None:
    """Refuse options that exclude each other or have no effect.

    Raises:
        UserError: options that exclude each other, or one without the other that it belongs to.
    """
    if config.serve and config.sources:
        raise UserError(
            f"--serve: takes its pictures from the page and the endpoint; leave out "
            f"{config.sources[0]}"
        )
    if not config.serve and not config.sources:
        raise UserError(
            "SOURCE: is missing; name pictures, folders or videos, or give --serve (see "
            "predict.py --help)"
        )
    given = given_options(config)
    if config.serve:
        _refuse_others(given, "--serve", _WITH_SERVE | _SERVING)
    elif config.suggest:
        _refuse_others(given, "--suggest", _WITH_SUGGEST)
    for name in given:
        whole, reason = _PARTS.get(name, (name, ""))
        if whole not in given:
            raise UserError(f"{option_name(name)}: {reason}; give that as well")
    if config.end is not None and config.end <= config.start:
        raise UserError(f"--end {config.end:g}: is not after --start {config.start:g}")
    if config.stride > 1 and config.fps:
        raise UserError("--stride and --fps: both choose frames; give one of them")
    if config.benchmark and config.tile != "off":
        raise UserError("--benchmark: times whole pictures; leave --tile out")
    if config.overlay and not (config.pictures or config.show):
        raise UserError(
            "--overlay: is drawn on the videos that --no-pictures leaves out; leave out one of "
            "them, or add --show"
        )
    if config.json and config.csv and config.json.resolve() == config.csv.resolve():
        raise UserError(f"--json and --csv: both name {config.csv}; give them two files")


def _refuse_others(given: Sequence[str], mode: str, used: Collection[str]) -> None:
    for name in given:
        if name not in used:
            raise UserError(f"{option_name(name)}: has no effect with {mode}; leave it out")
