"""Options of ``predict.py`` that do not suit the sources, the weights or the folders, found before
the network is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from utils.cli import given_options, option_name
from utils.errors import UserError
from utils.files import check_writable, next_free
from utils.heatmaps.needs import check_checkpoint
from utils.media.drawn_files import check_replaceable
from utils.media.drawn_videos import check_video_folder, drawn_video_suffix
from utils.media.frame_photos import FramePhotos
from utils.media.frames import Source
from utils.media.output_kinds import drawing_folder, protected_names
from utils.media.outputs import Names, drawn_suffix
from utils.media.predict_config import PredictConfig


def checked_output_folder(config: PredictConfig, weights: Path, sources: Sequence[Source]) -> Path:
    """``--out``, or a new folder.

    Raises:
        UserError: results would overwrite pictures, labels or earlier results, or cannot be
            written.
    """
    files = {source.path.resolve() for source in sources if source.path}
    taken = dict.fromkeys(files, "is one of the sources") | {weights.resolve(): "is --weights"}
    if config.out:
        also = dict.fromkeys(protected_names(config), "is written by another option, too")
        taken |= {(config.out / name).resolve(): reason for name, reason in also.items()}
        check_writable(config.out / "any", f"--out {config.out}")
    for name, path in (("--json", config.json), ("--csv", config.csv)):
        if path is None:
            continue
        if path.is_dir():
            raise UserError(f"{name} {path}: is a folder; give the name of a file")
        if reason := taken.get(path.resolve()):
            raise UserError(f"{name} {path}: {reason}; give the name of another file")
        check_writable(path, f"{name} {path}")
    if config.out is None:
        return next_free(Path("runs/predict"), weights.resolve().parent.name or "predict")
    if config.out.exists() and not config.out.is_dir():
        raise UserError(f"--out {config.out}: is a file; give the name of a folder")
    if config.pictures and any(source.kind != "picture" for source in sources):
        check_video_folder(config.out, f"--out {config.out}")
    for name in protected_names(config):
        path = config.out / name
        if path.is_dir() and any(path.iterdir()):
            raise UserError(
                f"--out {config.out}: its folder {path.name} has files, which would be "
                "overwritten; choose another folder"
            )
        if path.is_file():
            raise UserError(f"{path}: would be overwritten; choose another folder for --out")
    holding, folders = {file.parent for file in files}, [config.out]
    if config.pictures:
        # A source may be a link, such as those of --suggest: drawn over, it would be lost, too.
        holding |= {source.path.parent.resolve() for source in sources if source.path}
        folders.append(drawing_folder(config, config.out))
    for folder in folders:
        if folder.resolve() in holding:
            raise UserError(
                f"--out {config.out}: {folder} holds source pictures, which the drawn ones would "
                "overwrite; choose another folder"
            )
    if config.pictures and not config.suggest:
        _check_drawn_names(config, sources)
    crops = config.out / "crops"
    if config.crops and any(crops.resolve() in folder.parents for folder in holding):
        raise UserError(
            f"--out {config.out}: {crops} holds source pictures, which new crops could overwrite; "
            "choose another folder"
        )
    return config.out


def _check_drawn_names(config: PredictConfig, sources: Sequence[Source]) -> None:
    """Refuse to replace files of others with drawn pictures and videos.

    Raises:
        UserError: a drawn picture or video would replace a file that no earlier run has drawn.
    """
    folder = drawing_folder(config, config.out)
    if not folder.is_dir():
        return
    names = Names(sources)
    films = any(source.kind != "picture" for source in sources)
    of_films = drawn_video_suffix() if films else ""
    for source in sources:
        suffix = drawn_suffix(source) if source.kind == "picture" else of_films
        check_replaceable(folder / f"{names.of_source(source)}{suffix}")


def checked_frame_photos(
    config: PredictConfig, out: Path, sources: Sequence[Source]
) -> FramePhotos:
    """The photos that label files are about.

    Raises:
        UserError: Label Studio could not show them.
    """
    photos = FramePhotos(sources, out / "images" if config.save_frames else None)
    if not config.save_label_studio:
        return photos
    if photos.folder is None:
        raise UserError(
            "--save-label-studio: Label Studio shows pictures, and a video has none; save its "
            "frames with --save-frames"
        )
    root = config.label_studio_root
    if root and root.resolve() not in (photos.folder, *photos.folder.parents):
        raise UserError(
            f"--label-studio-root {root}: the photos in {photos.folder} are not below it"
        )
    return photos


def check_tracking(config: PredictConfig, sources: Sequence[Source]) -> None:
    """Refuse tracking without a video.

    Raises:
        UserError: there is no video in which objects can be followed.
    """
    if config.tracks and all(source.kind == "picture" for source in sources):
        option = _first_given(config, ("track", "count_line", "count_zone"))
        raise UserError(
            f"{option}: follows objects from frame to frame of a video, and here are only "
            "pictures; leave it out, or give a video, a stream or a camera"
        )


def check_heatmaps(config: PredictConfig, weights: Path, sources: Sequence[Source]) -> None:
    """Refuse heat maps without gradients or without pictures.

    Raises:
        UserError: there is no network that gives gradients, or no picture to draw them on.
    """
    if not config.heatmaps:
        return
    option = _first_given(config, ("heatmap", "heatmap_class", "heatmap_box"))
    check_checkpoint(weights, option)
    if config.runtime not in ("auto", "tensorflow"):
        raise UserError(
            f"{option}: needs the gradients of the network, which {config.runtime} does not give; "
            "leave out --runtime, or choose tensorflow"
        )
    if all(source.kind != "picture" for source in sources):
        raise UserError(
            f"{option}: is for pictures, and here are only videos; save some of their frames with "
            "--save-frames, and give these"
        )


def _first_given(config: PredictConfig, names: Sequence[str]) -> str:
    """The first of these options that is given, as users write it."""
    given = given_options(config)
    return next(option_name(name) for name in names if name in given)
