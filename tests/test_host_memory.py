"""Assignment and loss stay on a GPU: by TensorFlow's own list of kernels, as no GPU is needed for
that. An operation whose kernel keeps its tensors in main memory waits for a copy there and back.
"""

import pytest
import tensorflow as tf
from tensorflow.python.framework import kernels, op_def_registry

from nets.loss import LossConfig, detection_loss, normalizer_counts
from nets.targets import assign, assign_simota
from nets.yolo import STRIDES, Predictions
from tests.reference import ANCHORS

SHAPES = ("Shape", "ShapeN", "Size", "Rank")  # what depends on these alone may be on the host

FOR_GPUS = [k.device_type for k in kernels.get_registered_kernels_for_op("TensorScatterMin").kernel]
pytestmark = pytest.mark.skipif(
    "GPU" not in FOR_GPUS, reason="this TensorFlow has CPU kernels only"
)


def traced(function, *inputs):
    return tf.function(function, autograph=False, input_signature=inputs).get_concrete_function()


def kernels_of(node):
    """The kernels that TensorFlow may choose for an operation on a GPU."""

    def fits(kernel):
        for limit in kernel.constraint:
            types = node.get_attr(limit.name)
            for one in types if isinstance(types, list) else [types]:
                if limit.allowed_values.list.type and (
                    one.as_datatype_enum not in limit.allowed_values.list.type
                ):
                    return False
        return kernel.device_type in ("GPU", "DEFAULT")

    return [k for k in kernels.get_registered_kernels_for_op(node.type).kernel if fits(k)]


def on_the_host(node, batch):
    """Whether an operation has no kernel on a GPU, or keeps something of the batch on the host."""
    found = kernels_of(node)
    if not found:
        return True
    args = op_def_registry.get(node.type)
    host = {name for kernel in found for name in kernel.host_memory_arg}
    inputs = iter(node.inputs)
    for arg in args.input_arg:
        count = node.get_attr(arg.number_attr) if arg.number_attr else 1
        values = [next(inputs) for _ in range(count)]
        if arg.name in host and any(value.op in batch for value in values):
            return True
    return any(arg.name in host for arg in args.output_arg)


def host_operations(graph):
    """The types of operations that do something with the batch on the host."""
    batch, found = set(), []
    for node in graph.get_operations():  # inputs first
        if node.type == "Placeholder":
            batch.add(node)
        elif node.type not in SHAPES and any(value.op in batch for value in node.inputs):
            batch.add(node)
            if on_the_host(node, batch):
                found.append(node.type)
    return found


def test_the_search_finds_integers_of_32_bits():
    small, large = (tf.TensorSpec([2], dtype) for dtype in (tf.int32, tf.int64))
    assert "AddV2" in host_operations(traced(lambda x: x + 1, small).graph)
    assert host_operations(traced(lambda x: x + 1, large).graph) == []


@pytest.mark.parametrize("simota", [False, True])
def test_assignment_and_loss_keep_nothing_of_a_batch_on_the_host(simota):
    def loss(images, boxes, class_ids, *predicted):
        size = tf.shape(images)
        grids = [(size[1] // stride, size[2] // stride) for stride in STRIDES]
        with tf.GradientTape() as tape:
            tape.watch(predicted)
            predictions, truth = Predictions(*predicted), (boxes, class_ids, grids, ANCHORS)
            matched_gt = assign_simota(predictions, *truth) if simota else assign(*truth)
            losses = detection_loss(predictions, boxes, class_ids, matched_gt, LossConfig())
        return *losses, normalizer_counts(matched_gt), tape.gradient(losses.total, predicted)

    graph = traced(
        loss,
        tf.TensorSpec([None, None, None, 3], tf.uint8),
        tf.TensorSpec([None, None, 4]), tf.TensorSpec([None, None], tf.int32),
        tf.TensorSpec([None, None, 4]), tf.TensorSpec([None, None]),
        tf.TensorSpec([None, None, 3]),
    ).graph  # fmt: skip
    assert len(graph.get_operations()) > 500
    assert host_operations(graph) == []
