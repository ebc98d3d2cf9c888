"""Libraries that would report their use to their makers do not."""

from __future__ import annotations

import sys


def no_telemetry() -> None:
    """Keep OpenVINO and NNCF from sending what they are used for, over the network.

    Both send only where the package ``openvino_telemetry``, which they install, can be imported.
    Call before they are imported. A process that has imported the package already keeps it.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
