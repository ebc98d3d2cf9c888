"""Options of ``predict.py`` that these sources make useless: said, but no reason to stop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from utils.cli import given_options, option_name
from utils.media.frames import Source
from utils.media.output_kinds import KINDS
from utils.media.predict_config import PredictConfig
from utils.media.web_files import is_named_like_a_file
from utils.text import listed

_OF_VIDEOS = ("start", "end", "stride", "fps", "overlay", "save_every")


def unused_options(config: PredictConfig, sources: Sequence[Source]) -> Iterator[str]:
    """A sentence for each.

    Args:
        config: without contradictions.
        sources: what it names.
    """
    if all(source.kind == "picture" for source in sources):
        changed = given_options(config)
        given = [option_name(name) for name in _OF_VIDEOS if name in changed]
        if given:
            options = listed(given)
            has = "has" if len(given) == 1 else "have"
            yield f"{options} {has} no effect on pictures, only on videos and cameras"
    live = next((one for one in sources[:-1] if _may_be_endless(one)), None)
    if live and config.end is None:
        yield (
            f"{live.name} is read until it ends, and the other sources only after that; start "
            "predict.py once for each camera"
        )
    if config.out and not writes_to_out(config):
        yield f"nothing is written to --out {config.out}, as no option asks for it"


def _may_be_endless(source: Source) -> bool:
    """Cameras and streams; not what is named like a file on a web server."""
    file = is_named_like_a_file(source.address)
    return source.kind == "live" or (source.kind == "stream" and not file)


def writes_to_out(config: PredictConfig) -> bool:
    """Whether any result has its place in ``--out``."""
    kinds = any(kind.called and getattr(config, kind.option) for kind in KINDS)
    files = [path.resolve() for path in (config.json, config.csv) if path]
    inside = any(config.out.resolve() in path.parents for path in files)
    return bool(kinds or inside or config.suggest or config.benchmark)
