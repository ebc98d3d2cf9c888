"""What a run decides where nobody says: batch and epochs. Each choice gives its reason."""

from __future__ import annotations

import math

import keras

from nets.yolo import YOLOv3

# Below this, batches of 4 instead of 8, as few photos need many steps, and a lower learning rate
# (``recipes.Rates``).
FEW_PHOTOS = 400
FEWEST_SEEN = 4_000  # photos that a run of its own length looks at, at least
MOST_EPOCHS = 200
MEMORY_SHARE = 0.6  # of what is free, that a training step may take
# Bytes kept for each element of a layer's output, measured on EfficientNet-Lite0 and B0: its
# value for the backward pass, and the gradients and workspaces that live at the same time.
BYTES_PER_OUTPUT = 6.0


def choose_batch_size(
    photos: int, model: YOLOv3, largest: int, replicas: int, hosts: int, free: float | None
) -> tuple[int, str]:
    """Photos in a step, in all replicas together, and a sentence why.

    Args:
        photos: that are trained on.
        model: the detector.
        largest: side of the largest network input of the run in pixels.
        replicas: copies of it that share a batch, over all hosts.
        hosts: that they are spread over evenly.
        free: bytes of memory that each host has for its share of a batch; None for any number.
    """
    each = 4 if photos < FEW_PHOTOS else 8
    reason = f"{photos} training photos"
    if free is not None:
        here = replicas // hosts
        fits = int(free * MEMORY_SHARE / bytes_per_photo(model, largest) / here)
        if fits < each:
            each, reason = max(fits, 1), "what fits into the memory"
        if fits < 1:
            reason = (
                "even one photo may be more than the memory holds; a smaller --input-size is less"
            )
    return each * replicas, f"batches of {each * replicas}: {reason}"


def choose_epochs(photos: int, sightings: int) -> tuple[int, str]:
    """How often a run sees each photo where --epochs does not say, and a sentence why.

    Args:
        photos: that are trained on.
        sightings: of a photo, after which more would be learned by heart; more of them where a run
            would else see fewer than ``FEWEST_SEEN`` photos in all.
    """
    epochs = min(max(sightings, math.ceil(FEWEST_SEEN / photos)), MOST_EPOCHS)
    return epochs, f"{epochs} epochs: {epochs * photos:,} photos seen in all"


def bytes_per_photo(model: YOLOv3, size: int) -> float:
    """Estimate of the memory that a training step takes for each photo of ``size`` pixels."""
    outputs = 0
    for part, shapes in (
        (model.backbone, [(None, size, size, 3)]),
        (model.head, [(None, size // s, size // s, f.shape[-1])
                      for s, f in zip((8, 16, 32), model.head.inputs, strict=True)]),
    ):  # fmt: skip
        traced = keras.Model(part.inputs, [layer.output for layer in part.layers])
        found = traced.compute_output_shape(shapes if len(shapes) > 1 else shapes[0])
        outputs += sum(math.prod(shape[1:]) for shape in found)
    return outputs * BYTES_PER_OUTPUT
