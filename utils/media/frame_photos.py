"""Which photo the labels of a frame belong to: ``FramePhotos``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath

from utils.errors import UserError
from utils.files import within_bytes
from utils.image_kinds import picture_suffix
from utils.media.frames import Frame, Source
from utils.media.outputs import MAX_STEM_BYTES, Names

_FRAMES = 10_000_000  # ids that each source may use, where there are videos


class FramePhotos:
    """The photo of each frame: its path, its name in label files, and its COCO id.

    All depends on the list of sources alone. So parts of the list that run on several machines
    agree on it.

    Args:
        sources: all sources, in order.
        saved: the folder that photos and frames are saved to, if they are.
    """

    def __init__(self, sources: Sequence[Source], saved: Path | None = None) -> None:
        self.saved = saved
        self._number = {source: number for number, source in enumerate(sources, start=1)}
        self._only_pictures = all(source.kind == "picture" for source in sources)

    @cached_property
    def _common(self) -> Path | None:
        """The folder that has all pictures in it or below it; None without pictures."""
        pictures = [source.path.resolve() for source in self._number if source.kind == "picture"]
        folders = {path.parent for path in pictures}
        return Path(os.path.commonpath(folders)) if folders else None

    @property
    def folder(self) -> Path | None:
        """The folder that has all photos in it or below it; None where frames are not saved."""
        if self.saved:
            return self.saved.resolve()
        return self._common if self._only_pictures else None

    @cached_property
    def _label_names(self) -> Names:
        plain = Names(self._number, _label_name, kinds_apart=True)
        if not plain.renamed:
            return plain
        return Names(self._number, self._with_folders, kinds_apart=True)

    def _with_folders(self, source: Source) -> str:
        """The name with the folders of the photo, from the one around all photos.

        By that one readers tell photos apart as well. But they read ``images``, in whose place
        YOLO files have ``labels``, as no part of the name.
        """
        if source.kind != "picture":
            return _label_name(source)
        top = "" if self._common.name == "images" else self._common.name
        folder = Path(os.path.relpath(source.path.resolve().parent, self._common)).as_posix()
        return (PurePosixPath(top) / folder / source.output_name).as_posix()

    def label_name(self, frame: Frame, name: str) -> str:
        """The name of the label file of a frame, without suffix. Where photos of several folders
        have one name, label files lie in the same folders as the photos.

        Args:
            frame, name: as for ``path``.
        """
        return name if self.saved else self._label_names.of(frame)

    @property
    def misnamed_labels(self) -> int:
        """How many photos have label files of another name, as photos of a folder have the same."""
        return 0 if self.saved else self._label_names.renamed

    def path(self, frame: Frame, name: str) -> Path:
        """Where the photo is; for a frame that is not saved, the name that it would have.

        Args:
            frame: a picture, or a frame of a video.
            name: the unique name of its outputs, without suffix.
        """
        if self.saved:
            video = frame.source.kind != "picture"
            return self.saved / f"{name}{'.jpg' if video else picture_suffix(frame.source.path)}"
        return frame.source.path if frame.source.kind == "picture" else Path(f"{name}.jpg")

    def listed_name(self, frame: Frame, name: str) -> str:
        """The name of the photo in a file that lists many: with the folders that tell it apart."""
        path = self.path(frame, name)
        if self.saved:
            return f"{self.saved.name}/{path.name}"
        if frame.source.kind == "picture":
            return PurePosixPath(os.path.relpath(path.resolve(), self._common)).as_posix()
        return path.name

    def image_id(self, frame: Frame) -> int:
        """A number for COCO: the place of the picture in the list, from 1. Where there are videos,
        ten million times that, plus the number of the frame."""
        number = self._number[frame.source]
        return number if self._only_pictures else number * _FRAMES + (frame.index or 0)

    def below(self, root: Path, frame: Frame, name: str) -> PurePosixPath:
        """The path of the photo from a folder above it.

        Raises:
            UserError: it does not lie below that folder.
        """
        path = self.path(frame, name).resolve()
        if root not in path.parents:
            raise UserError(f"{path}: does not lie below {root}, which Label Studio serves")
        return PurePosixPath(path.relative_to(root).as_posix())


def _label_name(source: Source) -> str:
    """That of a photo to the letter, as readers look for it; that of a video with room for the
    numbers of its frames."""
    name = source.output_name
    return name if source.kind == "picture" else within_bytes(name, MAX_STEM_BYTES)
