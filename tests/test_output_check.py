"""The outputs of an exported network are checked before they are taken for boxes and scores."""

import numpy as np
import pytest

from utils.errors import UserError
from utils.runtime.output_check import with_checked_outputs
from utils.runtime.runtime import Runtime

IMAGES = np.zeros((1, 32, 32, 3), np.uint8)
BOXES, SCORES = np.zeros((1, 5, 4), np.float32), np.zeros((1, 5, 2), np.float32)


def detector_with(*outputs):
    """A detector of two classes with these outputs."""
    runtime = Runtime(lambda images: outputs, ("a", "b"), (32, 32))
    return with_checked_outputs(runtime, "--weights odd.onnx")


@pytest.mark.parametrize("kind", ["float32", "float16", "int8", "V2"])
def test_numbers_of_any_kind_pass(kind):
    outputs = np.zeros(BOXES.shape, kind), np.zeros(SCORES.shape, kind)
    assert detector_with(*outputs).infer(IMAGES) == outputs


@pytest.mark.parametrize("kind", [object, "U5", bool, complex])
def test_what_is_no_number_is_refused(kind):
    with pytest.raises(UserError, match="something else than numbers"):
        detector_with(BOXES, SCORES.astype(kind)).infer(IMAGES)


@pytest.mark.parametrize("outputs", [(BOXES[0], SCORES), (BOXES, SCORES[:, :4]), (SCORES, BOXES)])
def test_other_shapes_are_refused(outputs):
    with pytest.raises(UserError, match="other shapes"):
        detector_with(*outputs).infer(IMAGES)


def test_a_network_that_fails_is_named():
    def fail(images):
        raise RuntimeError("first line\nthe reason")

    runtime = with_checked_outputs(Runtime(fail, ("a",), (32, 32)), "--weights odd.onnx")
    with pytest.raises(UserError, match=r"odd.onnx: its network cannot be run \(the reason\)"):
        runtime.infer(IMAGES)
