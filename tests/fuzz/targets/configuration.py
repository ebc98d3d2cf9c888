"""Files of ``--config`` for the four commands: ``parse``."""

from __future__ import annotations

from tests.bad_input import configurations
from tests.fuzz.target import Target, files_of, is_plain, written
from utils.cli import parse
from utils.deployment.config import ExportConfig
from utils.errors import UserError
from utils.evaluation.config import MapConfig
from utils.media.predict_config import PredictConfig
from utils.training.config import TrainConfig

_CONFIGS = (TrainConfig, PredictConfig, MapConfig, ExportConfig)


def _run(data: bytes) -> None:
    path = str(written(data, "config.yaml"))
    errors = []
    for config in _CONFIGS:
        try:
            parse(config, ["--config", path], prog="fuzz")
        except UserError as error:
            errors.append(error)
    if errors:
        raise max(errors, key=lambda error: not is_plain(str(error)))


TARGET = Target(
    finds=(b"out: ~nobody-here/x\n",),
    name="configuration",
    run=_run,
    seeds=lambda: files_of(configurations.cases(), "configuration", "config.yaml", 4000),
    refusals=(UserError,),
    words=(
        b"weights: ", b"data: ", b"conf: ", b"iou: ", b"max-det: ", b"sources: ", b"out: ",
        b"classes: ", b"epochs: ", b"minutes: ", b"input-size: ", b"batch-size: ", b"tile: ",
        b"format: ", b"int8: ", b"count-line: ", b"shard: ", b"fps: ", b"start: ", b"rename: ",
        b".inf", b".nan", b"0x1F", b"1:30", b"2024-01-01", b"true", b"null", b"&a", b"*a", b"<<: ",
        b"!!binary ", b"!!set ", b"!!timestamp ", b"!!python/name:os.system", b"? ", b"- ", b"[",
    ),
    most_bytes=1024,
)  # fmt: skip
