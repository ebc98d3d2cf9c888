"""A checkpoint in TensorFlow on several devices of this host; CPU devices stand for GPUs."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from nets.yolo import YOLOv3
from utils.detector import Detector
from utils.runtime.runtime import Runtime
from utils.runtime.tensorflow_runtime import compile_inference
from utils.voting import MIN_SCORE_RATIO

ROOT = Path(__file__).resolve().parents[1]

# A process of its own: TensorFlow divides the processor into devices before it computes anything.
CODE = """
import sys
import numpy as np
from utils.quiet import import_tensorflow
import_tensorflow()
import tensorflow as tf
from utils.runtime import tensorflow_runtime
from utils.runtime.distribution import make_cluster
from utils.runtime.tensorflow_runtime import open_tensorflow

weights, out = sys.argv[1:]
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
graphs = []
function = tf.function

def kept(*given, **options):
    def made(python_function):
        graph = function(*given, **options)(python_function)
        if python_function.__name__ == "forward":
            graphs.append(graph)
        return graph
    return made

tf.function = kept
found = {}
for device in ("cpu", make_cluster("cpu")):
    runtime = open_tensorflow(weights, device=device)
    several = device != "cpu"
    assert runtime.batch_size == (2 if several else 1), runtime.batch_size
    for height, width in ((64, 64), (32, 64)):
        images = np.random.default_rng(0).integers(0, 256, (2, height, width, 3), np.uint8)
        # One picture does not divide by two devices; a device alone gets one at a time.
        batches = [images[:1], images] if several else [images[:1], images[1:]]
        parts = [runtime.infer(batch) for batch in batches]
        for name, column in zip(("boxes", "scores"), zip(*parts)):
            rows = np.concatenate(column)
            found[f"{name} {height} {several}"] = rows if not several else rows[1:]
alone, shared = graphs
assert len(alone._list_all_concrete_functions()) == 1  # any shape
for traced in shared._list_all_concrete_functions():
    size = traced.graph.as_graph_def().ByteSize()
    assert size < 2_000_000, f"{size} bytes: the weights are in the graph"
np.savez(out, **found)
"""


@pytest.mark.slow
def test_two_devices_answer_as_one_and_keep_the_weights_out_of_their_graphs(tmp_path):
    keras.utils.set_random_seed(2)
    YOLOv3("mobilenet_v3_small", ["a", "b"], 64).save(tmp_path / "a.keras")
    done = subprocess.run(
        [sys.executable, "-c", CODE, tmp_path / "a.keras", tmp_path / "found.npz"],
        capture_output=True, text=True, cwd=ROOT, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    with np.load(tmp_path / "found.npz") as found:
        for name in found:
            if name.endswith("True"):
                alone = found[name.replace("True", "False")]
                np.testing.assert_allclose(found[name], alone, atol=1e-3, rtol=1e-5)


@pytest.mark.slow
def test_boxes_that_are_left_out_on_a_gpu_change_no_detection():
    keras.utils.set_random_seed(2)
    model = YOLOv3("mobilenet_v3_small", ["a", "b", "c"], 64)
    for layer in model.head.layers:  # untrained scores hardly differ
        if isinstance(layer, keras.layers.Conv2D) and layer.use_bias:
            layer.kernel.assign(100 * layer.kernel)
    images = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
    whole = compile_inference(model)
    conf = 0.3 * float(whole(images)[1].max())
    few = compile_inference(model, least_score=conf * MIN_SCORE_RATIO)
    assert [len(part) for part in few(images)] == [3, 3]
    assert sum(map(len, few(images)[0])) < 0.5 * whole(images)[0][..., 0].size
    detections = [
        Detector(Runtime(infer, ("a", "b", "c"), (64, 64), 3))(list(images), conf=conf, iou=0.6)
        for infer in (whole, few)
    ]
    for mine, theirs in zip(*detections, strict=True):
        assert len(mine)
        for name in ("boxes", "scores", "class_ids"):
            np.testing.assert_array_equal(getattr(mine, name), getattr(theirs, name))
    none = compile_inference(model, least_score=1.1)(images)
    assert [part.shape for part in none[1]] == [(0, 3)] * 3
