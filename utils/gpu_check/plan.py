"""How much is checked: ``FULL`` for a GPU, ``QUICK`` for a first look and for machines without one.

Tolerances are the same in both; docs/gpu.md has their reasons.
"""

from __future__ import annotations

from dataclasses import dataclass

# Largest relative difference of a step's loss between two devices that compute in float32.
SAME_LOSS = 1e-3
# The same for the mean loss of the last tenth of a run in mixed precision, against float32.
MIXED_LOSS = 0.1
SAME_AP = 1e-3  # largest difference of AP, AP50 and VOC mAP
SAME_DETECTIONS = 0.95  # share of the detections that must have a partner in the other runtime


@dataclass(frozen=True)
class Plan:
    """How much is checked.

    Attributes:
        train, val, test: generated road scenes.
        backbone, backbone_weights: of the detector that is trained.
        input_size: side of its square input in pixels.
        batch: photos in a step.
        equal_steps: in float32 on two devices.
        mixed_steps: in each precision.
        mixed_learns: whether these are steps of an ordinary run. Otherwise they are those of
            ``equal_steps``: in a few ordinary steps a difference of the last bits grows too large.
        batch_sizes, speed_precisions: whose speed is measured, beside that of ``batch`` in all
            precisions.
        speed_steps: for one measurement of speed, after as many that do not count.
        largest_batch: photos in the step that must not fit into ``memory_mib`` of a GPU.
        epochs: of the run that is killed and resumed.
        killed_after: its steps until then, at least.
        speed_seconds: after which no further speed is measured.
        timeout: seconds after which a process is taken to hang.
    """

    train: int
    val: int
    test: int
    backbone: str
    backbone_weights: str
    input_size: int
    batch: int
    equal_steps: int
    mixed_steps: int
    mixed_learns: bool
    batch_sizes: tuple[int, ...]
    speed_precisions: tuple[str, ...]
    speed_steps: int
    largest_batch: int
    memory_mib: int
    epochs: int
    killed_after: int
    speed_seconds: float
    timeout: float


FULL = Plan(
    train=64, val=4, test=40, backbone="efficientnet_lite0", backbone_weights="imagenet",
    input_size=320, batch=8, equal_steps=20, mixed_steps=200, mixed_learns=True,
    batch_sizes=(16, 32, 64), speed_precisions=("float32", "mixed_float16"), speed_steps=20,
    largest_batch=128, memory_mib=2048, epochs=4, killed_after=3, speed_seconds=150.0,
    timeout=600.0,
)  # fmt: skip
QUICK = Plan(
    train=8, val=2, test=4, backbone="efficientnet_lite0", backbone_weights="imagenet",
    input_size=64, batch=2, equal_steps=20, mixed_steps=20, mixed_learns=False, batch_sizes=(4,),
    speed_precisions=("float32",), speed_steps=2, largest_batch=4, memory_mib=1536, epochs=2,
    killed_after=1, speed_seconds=60.0, timeout=1800.0,
)  # fmt: skip
