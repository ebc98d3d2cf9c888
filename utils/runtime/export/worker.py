"""The converting process: ``python -m utils.runtime.export.worker REQUEST``; see ``export``."""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib import import_module

from utils.cli import run
from utils.quiet import import_tensorflow
from utils.runtime.export.request import ExportRequest
from utils.runtime.facts import Facts
from utils.runtime.telemetry import no_telemetry


def main(argv: list[str]) -> None:
    request = ExportRequest.from_json(argv[0])
    facts = replace(
        Facts.of_checkpoint(request.weights), outputs=request.outputs, precision=request.precision
    )
    import_tensorflow()
    from utils.checkpoint import load_checkpoint

    model = load_checkpoint(request.weights)
    no_telemetry()
    writer = import_module(f"utils.runtime.export.to_{request.format}")
    writer.write(model, facts, request)


if __name__ == "__main__":
    sys.exit(run(main))
