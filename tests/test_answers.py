"""What an exported network answers is checked before it is taken for boxes and scores."""

import numpy as np
import pytest

from utils.errors import UserError
from utils.runtime.answers import with_checked_answers
from utils.runtime.runtime import Runtime

IMAGES = np.zeros((1, 32, 32, 3), np.uint8)
BOXES, SCORES = np.zeros((1, 5, 4), np.float32), np.zeros((1, 5, 2), np.float32)


def answering(*outputs):
    """A detector of two classes with these answers."""
    runtime = Runtime(lambda images: outputs, ("a", "b"), (32, 32))
    return with_checked_answers(runtime, "--weights odd.onnx")


@pytest.mark.parametrize("kind", ["float32", "float16", "int8", "V2"])
def test_numbers_of_any_kind_pass(kind):
    outputs = np.zeros(BOXES.shape, kind), np.zeros(SCORES.shape, kind)
    assert answering(*outputs).infer(IMAGES) == outputs


@pytest.mark.parametrize("kind", [object, "U5", bool, complex])
def test_what_is_no_number_is_refused(kind):
    with pytest.raises(UserError, match="something else than numbers"):
        answering(BOXES, SCORES.astype(kind)).infer(IMAGES)


@pytest.mark.parametrize("outputs", [(BOXES[0], SCORES), (BOXES, SCORES[:, :4]), (SCORES, BOXES)])
def test_other_shapes_are_refused(outputs):
    with pytest.raises(UserError, match="other shapes"):
        answering(*outputs).infer(IMAGES)


def test_a_network_that_fails_is_named():
    def fail(images):
        raise RuntimeError("first line\nthe reason")

    runtime = with_checked_answers(Runtime(fail, ("a",), (32, 32)), "--weights odd.onnx")
    with pytest.raises(UserError, match=r"odd.onnx: its network cannot be run \(the reason\)"):
        runtime.infer(IMAGES)
