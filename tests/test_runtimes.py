"""Exported files answer as the checkpoint, carry its facts, and refuse what they are not."""

import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import openvino
import pytest
import tensorflow as tf
from exported import METADATA, NMS_THRESHOLDS, pictures, small_detector, write_export
from PIL import Image

from nets.backbones import BACKBONES
from nets.yolo import YOLOv3
from utils.api import evaluate
from utils.decoding import decode
from utils.deployment.check import compare_with_nms, load_with_nms
from utils.detector import Detector
from utils.errors import UserError
from utils.runtime import openvino_runtime
from utils.runtime.export.to_litert import append_facts
from utils.runtime.facts import KEY, Facts
from utils.runtime.openvino_runtime import NetworksByShape
from utils.runtime.runtime import open_runtime

ROOT = Path(__file__).resolve().parents[1]
FORMATS = ("onnx", "openvino", "litert", "saved_model")


@pytest.fixture(scope="module")
def model():
    return small_detector()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("exports")


@pytest.fixture(scope="module")
def decoded(model, folder):
    """The float32 file of each format."""
    return {name: write_export(model, folder, name) for name in FORMATS}


def close(got, expected, box=1e-3, score=1e-5):
    np.testing.assert_allclose(got[0], expected["boxes"], atol=box)
    np.testing.assert_allclose(got[1], expected["scores"], atol=score)


@pytest.mark.parametrize("name", FORMATS)
def test_boxes_scores_and_facts_are_those_of_the_checkpoint(name, decoded, model):
    runtime = open_runtime(decoded[name], device="cpu")
    images = pictures(1, 64, 64)
    close(runtime.infer(images), model(images, training=False))
    assert runtime.class_names == model.classes
    assert runtime.input_size == (64, 64)
    assert runtime.metadata == METADATA
    assert runtime.decoding_params is None
    assert "float32" in runtime.description


@pytest.mark.parametrize("name", ["onnx", "openvino", "saved_model"])
def test_any_batch_and_shape(name, decoded, model):
    runtime = open_runtime(decoded[name])
    assert runtime.any_shape
    for images in (pictures(2, 32, 96), pictures(3, 96, 64), pictures(2, 32, 96)):
        close(runtime.infer(images), model(images, training=False))


def test_only_shapes_that_come_often_are_compiled_on_their_own():
    compiled = []

    class Network:
        def __init__(self):
            self.shape = None

        def clone(self):
            return Network()

        def reshape(self, shapes):
            self.shape = shapes["images"]

        def create_infer_request(self):
            return self.shape

    class Core:
        def compile_model(self, network, device, settings):
            compiled.append(network.shape)
            return network

    networks = NetworksByShape(Core(), Network(), "CPU", {})

    def run(*shape):
        with networks.request(shape) as used:
            return used

    assert run(1, 96, 64, 3) == [1, 96, 64, 3]  # the first: all photos may have its shape
    assert [run(1, 64, 64, 3) for _ in range(31)] == [None] * 30 + [[1, 64, 64, 3]]
    assert compiled == [[1, 96, 64, 3], None, [1, 64, 64, 3]]
    for _ in range(40):
        for width in range(32, 32 * 13, 32):
            run(1, 96, width, 3)
    assert len(compiled) == len({str(shape) for shape in compiled}) == 5


def test_copies_side_by_side_are_not_pinned_to_the_same_cores(decoded, monkeypatch):
    found = []
    monkeypatch.setattr(openvino_runtime, "NetworksByShape", lambda *given: found.append(given[-1]))
    for throughput in (False, True):
        runtime = open_runtime(decoded["openvino"], throughput=throughput)
        assert runtime.batch_size == (2 if throughput else 1)
    assert [settings.get("ENABLE_CPU_PINNING") for settings in found[1:]] == [False] * len(
        found[1:]
    )
    assert len(found) > 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["openvino", "litert"])
def test_weights_in_float16(name, model, folder, decoded):
    path = write_export(model, folder, name, precision="float16")
    images = pictures(1, 64, 64)
    close(open_runtime(path).infer(images), model(images, training=False), 0.2, 2e-3)
    sizes = [
        sum(one.stat().st_size for one in (p.rglob("*") if p.is_dir() else [p]) if one.is_file())
        for p in (path, decoded[name])
    ]
    assert sizes[0] < 0.6 * sizes[1]


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_raw_heads(name, model, folder):
    runtime = open_runtime(write_export(model, folder, name, outputs="heads"))
    np.testing.assert_array_equal(
        runtime.decoding_params.anchors, np.asarray(model.anchors, np.float32)
    )
    shapes = [(1, 64, 64), *([(2, 32, 96), (1, 96, 64)] if runtime.any_shape else [])]
    for shape in shapes:
        images = pictures(*shape)
        raw = runtime.infer(images)
        for got, expected in zip(raw, model.raw(images), strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-4)
        pairs = [decode(maps, runtime.decoding_params, 0) for maps in zip(*raw, strict=True)]
        decoded = [np.stack(part) for part in zip(*pairs, strict=True)]
        close(decoded, model(images, training=False))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["onnx", "saved_model"])
def test_suppression_in_the_graph(name, model, folder):
    path = write_export(model, folder, name, outputs="suppressed")

    def reference(images):
        return tuple(part.numpy() for part in model(images, training=False).values())

    infer = load_with_nms(path, name)
    found = [np.squeeze(part) for part in infer(pictures(1, 64, 64))]
    assert len(found[1]) == NMS_THRESHOLDS.max_det  # there is something to suppress
    agreement = compare_with_nms(infer, reference, pictures(3, 64, 96), NMS_THRESHOLDS)
    assert agreement.box < 1e-3
    assert agreement.score < 1e-5
    with pytest.raises(UserError, match="exported with --nms"):
        open_runtime(path)


def test_thresholds_of_onnx_can_be_overridden(model, folder):
    path = folder / "suppressed_float32.onnx"
    if not path.exists():
        write_export(model, folder, "onnx", outputs="suppressed")
    session = onnxruntime.InferenceSession(path)
    images = pictures(1, 64, 64)
    few = session.run(None, {"images": images, "max_det": np.array([3], np.int64)})
    all_of_them = session.run(None, {"images": images})
    assert [len(part) for part in few] == [3, 3, 3]
    np.testing.assert_array_equal(few[1], all_of_them[1][:3])
    none = session.run(None, {"images": images, "conf": np.array([2], np.float32)})
    assert [part.shape for part in none] == [(0, 4), (0,), (0,)]


@pytest.mark.parametrize("name", ["onnx", "openvino", "litert"])
def test_neither_tensorflow_nor_keras_is_imported(name, decoded):
    code = (
        "import sys; from utils.detector import Detector; import numpy as np; "
        f"detector = Detector({str(decoded[name])!r}); "
        "detector(np.zeros((48, 64, 3), np.uint8)); "
        "assert not {'tensorflow', 'keras', 'onnx'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


# Scoring ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def labelled(decoded, folder, tmp_path_factory):
    """Data folders of square and of other photos; their labels are what the checkpoint finds."""
    sides = {"square": [(64, 64), (50, 50), (90, 90), (64, 64)],
             "other": [(90, 60), (40, 120), (64, 64), (100, 75), (70, 100)]}  # fmt: skip
    detector = Detector(folder / "small.keras", "tensorflow")
    rng = np.random.default_rng(3)
    data = {}
    for name, sizes in sides.items():
        data[name] = tmp_path_factory.mktemp(name)
        for number, (width, height) in enumerate(sizes):
            cells = rng.integers(0, 256, (6, 6, 3), np.uint8)
            image = Image.fromarray(cells).resize((width, height))
            image.save(data[name] / f"p{number}.png")
            found = detector(np.asarray(image), conf=0.0, iou=0.3, max_det=12)
            objects = "".join(
                f"<object><name>{kind}</name><difficult>0</difficult><bndbox><xmin>{x0 + 1:.3f}"
                f"</xmin><ymin>{y0 + 1:.3f}</ymin><xmax>{x1:.3f}</xmax><ymax>{y1:.3f}</ymax>"
                "</bndbox></object>"
                for kind, (x0, y0, x1, y1) in zip(found.names(), found.boxes, strict=True)
            )
            (data[name] / f"p{number}.xml").write_text(
                f"<annotation><filename>p{number}.png</filename><size><width>{width}</width>"
                f"<height>{height}</height><depth>3</depth></size>{objects}</annotation>"
            )
        lists = data[name] / "ImageSets" / "Main"
        lists.mkdir(parents=True)
        (lists / "test.txt").write_text("".join(f"p{n}\n" for n in range(len(sizes))))
    return data


@pytest.fixture(scope="module")
def scored(labelled, folder):
    """A function that scores a weights file on one of the data folders."""

    @cache
    def score(weights, name, **options):
        return evaluate(weights, labelled[name], quiet=True, resamples=0, report=False, **options)

    return score


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_get_map_gives_the_scores_of_the_checkpoint(name, decoded, folder, scored):
    photos = "square" if name == "litert" else "other"  # LiteRT takes squares only
    expected, found = (scored(path, photos) for path in (folder / "small.keras", decoded[name]))
    assert expected.metrics["coco"]["AP"] > 0.5
    for block, key in (("coco", "AP"), ("coco", "AR100"), ("voc2010", "mAP")):
        assert found.metrics[block][key] == pytest.approx(expected.metrics[block][key], abs=1e-3)
    assert len(found.results) == pytest.approx(len(expected.results), rel=0.01)
    assert found.metrics["classes"] == expected.metrics["classes"] == ["ĥundo", "kat"]


@pytest.mark.slow
def test_get_map_compares_a_saved_model_with_its_checkpoint(decoded, folder, scored, tmp_path):
    """Also where the classes are listed in another order than the detector's."""
    (tmp_path / "classes.txt").write_text("kat\nĥundo\n")
    options = {"compare": folder / "small.keras", "classes": tmp_path / "classes.txt"}
    found = scored(decoded["saved_model"], "other", **options)
    assert abs(found.analysis.comparison.ap.value) < 1e-3
    assert found.metrics["coco"]["AP"] > 0.5
    assert found.metrics["classes"] == ["kat", "ĥundo"]


# Files that are not what they should be ---------------------------------------------------------


def main_file(path: Path) -> Path:
    """The file with the network."""
    if path.is_dir():
        return next(
            path / name for name in ("model.xml", "saved_model.pb") if (path / name).exists()
        )
    return path


def copied(path: Path, folder: Path) -> Path:
    target = folder / path.name
    return shutil.copytree(path, target) if path.is_dir() else Path(shutil.copy(path, target))


def refused(path: Path, match: str | None = None) -> None:
    with pytest.raises(UserError, match=match) as caught:
        open_runtime(path)
    message = str(caught.value)
    assert message.startswith(f"--weights {path}: ")
    assert "\n" not in message
    assert len(message) < 600


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("damage", ["truncated", "foreign", "empty"])
def test_damaged_files_get_one_sentence(name, damage, decoded, tmp_path):
    path = copied(decoded[name], tmp_path)
    file = main_file(path)
    data = file.read_bytes()
    file.write_bytes(
        {"truncated": data[: len(data) // 2], "foreign": b"\x89PNG" * 999, "empty": b""}[damage]
    )
    refused(path)


@pytest.mark.parametrize("name", FORMATS)
def test_the_network_of_another_detector(name, decoded, folder, tmp_path):
    """The right format, but outputs of another number of classes than its facts say."""
    facts = Facts.of_checkpoint(folder / "small.keras")
    other = replace(facts, class_names=("one", "two", "three"))
    path = copied(decoded[name], tmp_path)
    if name == "onnx":
        file = onnx.load(path)
        onnx.helper.set_model_props(file, {KEY: other.to_json()})
        onnx.save(file, path)
    elif name == "openvino":
        network = openvino.Core().read_model(decoded[name] / "model.xml")
        network.set_rt_info(other.to_json(), [KEY])
        openvino.save_model(network, path / "model.xml")
    elif name == "litert":
        data = path.read_bytes()
        path.write_bytes(data[: data.rindex(b"PK\x03\x04")])
        append_facts(path, other)
    else:
        (path / "assets.extra" / f"{KEY}.json").write_text(other.to_json())
    refused(path, "not the detector that its description tells of")


def test_files_of_other_programs(tmp_path):
    node = onnx.helper.make_node("Relu", ["x"], ["y"])
    value = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 3]) for name in "xy"
    ]
    graph = onnx.helper.make_graph([node], "other", value[:1], value[1:])
    path = tmp_path / "other.onnx"
    onnx.save(
        onnx.helper.make_model(
            graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8
        ),
        path,
    )
    refused(path, "not a detector that export")
    network = openvino.Core().read_model(path)
    openvino.save_model(network, tmp_path / "other.xml")
    refused(tmp_path / "other.xml", "not a detector that export")
    (tmp_path / "other.xml").rename(tmp_path / "alone.xml")
    refused(tmp_path / "alone.xml", "alone.xml or .bin is missing")
    refused(tmp_path, "not a .keras checkpoint")


def test_a_damaged_description_behind_a_litert_file(decoded, tmp_path):
    path = tmp_path / "other.tflite"
    data = decoded["litert"].read_bytes()
    path.write_bytes(data[: data.rindex(b"PK\x03\x04")])
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{KEY}.json", "{}" * 999)
    data = bytearray(path.read_bytes())
    content = data.rindex(b"PK\x03\x04") + 30 + len(f"{KEY}.json")
    data[content : content + 4] = b"\xff" * 4
    path.write_bytes(data)
    refused(path, "not a detector that export")


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_onnx_runtime_without_the_gpu_that_it_was_built_for(decoded, monkeypatch):
    both = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: both)
    runtime = open_runtime(decoded["onnx"])
    assert runtime.description.endswith("CPU")
    assert runtime.batch_size == 1
    with pytest.raises(UserError, match="cannot use this GPU"):
        open_runtime(decoded["onnx"], device="gpu:0")


def test_a_saved_model_that_reads_files_is_refused(decoded, tmp_path):
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3), tf.uint8, name="images")])
    def serve(images):
        secret = tf.cast(tf.strings.length(tf.io.read_file("/etc/hostname")), tf.float32)
        boxes = tf.zeros((1, 1, 4)) + secret
        return {
            "boxes": boxes,
            "scores": tf.zeros((1, 1, 2)) + tf.cast(images[0, 0, 0, 0], tf.float32),
        }

    module.serve = serve
    path = tmp_path / "evil"
    tf.saved_model.save(module, str(path), signatures={"serving_default": serve})
    shutil.copytree(decoded["saved_model"] / "assets.extra", path / "assets.extra")
    refused(path, "operations that no detector needs .*ReadFile")


def test_runtime_and_precision_must_fit_the_file(decoded):
    with pytest.raises(UserError, match="is for the runtime onnx, not for openvino"):
        open_runtime(decoded["onnx"], "openvino")
    with pytest.raises(UserError, match="no CUDA"):
        open_runtime(decoded["onnx"], device="gpu")
    with pytest.raises(UserError, match="sees no such GPU"):
        open_runtime(decoded["openvino"], device="gpu:7")
    with pytest.raises(UserError, match="expected auto, cpu"):
        open_runtime(decoded["onnx"], device="tpu")


@pytest.fixture(scope="module")
def lighter():
    return YOLOv3("mobilenet_v3_small", ["a", "b"], input_size=64, neck="pan")


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_the_lighter_neck_can_be_exported(name, lighter, tmp_path):
    path = write_export(lighter, tmp_path, name)
    images = pictures(1, 64, 64)
    close(open_runtime(path, device="cpu").infer(images), lighter(images, training=False))


@pytest.mark.all_backbones
@pytest.mark.parametrize("backbone", BACKBONES)
def test_every_backbone_has_an_onnx(backbone, tmp_path):
    model = YOLOv3(backbone, ["a", "b"], input_size=64)
    path = write_export(model, tmp_path, "onnx")
    images = pictures(1, 64, 64)
    close(open_runtime(path).infer(images), model(images, training=False), 5e-3, 1e-4)
