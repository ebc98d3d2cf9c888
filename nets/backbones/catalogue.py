"""All backbones side by side: cost and ImageNet accuracy."""

from nets.backbones.cost import backbone_cost
from nets.backbones.measured import DETECTORS, MACHINE
from nets.backbones.tables import BACKBONES

_COLUMNS = (
    "backbone",
    "top-1 %",
    "parameters M",
    "multiply-adds G",
    "detector parameters M",
    "detector multiply-adds G",
    "ms",
)


def catalogue() -> str:
    """The table as text, for a terminal and for Markdown alike.

    Multiply-adds are at 416 x 416, those of the detector with 20 classes.
    """
    rows = [_COLUMNS, *(_row(name) for name in BACKBONES)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_COLUMNS))]
    lines = [_line(row, widths) for row in rows]
    rule = "|".join(
        ["", "-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:]), ""]
    )
    return "\n".join([lines[0], rule, *lines[1:]])


def legend() -> str:
    """What the columns of ``catalogue`` mean."""
    return (
        "top-1: published ImageNet accuracy of the classifier at its own resolution. Then the "
        "backbone up to its deepest level, and the whole detector with training's default neck and "
        "20 classes, at 416 x 416. Last, milliseconds of the detector for one image in TensorFlow, "
        f"{MACHINE}."
    )


def _row(name: str) -> tuple[str, ...]:
    spec = BACKBONES[name]
    cost = backbone_cost(spec, 416)
    parameters, multiply_adds, milliseconds = DETECTORS.get(name, (None, None, None))
    return (
        name,
        _number(spec.top1, 1),
        _number(cost.parameters, 1, 1e6),
        _number(cost.multiply_adds, 2, 1e9),
        _number(parameters, 1, 1e6),
        _number(multiply_adds, 2, 1e9),
        _number(milliseconds, 0),
    )


def _number(value: float | None, digits: int, unit: float = 1) -> str:
    return "" if value is None else f"{value / unit:.{digits}f}"


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    cells = [
        row[0].ljust(widths[0]),
        *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)),
    ]
    return f"| {' | '.join(cells)} |"
