"""ONNX files that reach for other files or libraries, never end, or want all memory.

Apart from ``exports``, as ``onnx`` must be imported after TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

_KEY = "efficient_yolo3"


def write_hostile(network: onnx.ModelProto, descriptions: dict[str, str], folder: Path) -> None:
    """A folder for each case, with ``odd-one.onnx`` in it.

    Args:
        network: a sound one, whose first node gets the picture.
        descriptions: bad ones by name, for its metadata.
        folder: is made.
    """
    for name, change in _changes().items():
        model = onnx.ModelProto()
        model.CopyFrom(network)
        change(model)
        _write(model, folder / name)
    for name, text in descriptions.items():
        model = onnx.ModelProto()
        model.CopyFrom(network)
        helper.set_model_props(model, {_KEY: text})
        _write(model, folder / name)


def _write(model: onnx.ModelProto, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "odd-one.onnx").write_bytes(model.SerializeToString())


def _changes() -> dict[str, Callable[[onnx.ModelProto], None]]:
    def outside(location: str, length: int = 32) -> Callable[[onnx.ModelProto], None]:
        def change(model: onnx.ModelProto) -> None:
            tensor = next(one for one in model.graph.initializer if one.name == "places")
            tensor.ClearField("raw_data")
            tensor.data_location = TensorProto.EXTERNAL
            for key, value in (("location", location), ("offset", "0"), ("length", str(length))):
                entry = tensor.external_data.add()
                entry.key, entry.value = key, value

        return change

    def before(*nodes: onnx.NodeProto, domain: str = "") -> Callable[[onnx.ModelProto], None]:
        """Nodes whose output "more" is added to the boxes."""

        def change(model: onnx.ModelProto) -> None:
            for node in nodes:
                model.graph.node.insert(0, node)
            last = next(node for node in model.graph.node if "boxes" in node.output)
            last.output[:] = ["boxes0"]
            model.graph.node.append(helper.make_node("Add", ["boxes0", "more"], ["boxes"]))
            if domain:
                model.opset_import.append(helper.make_opsetid(domain, 1))

        return change

    def constant(value: object) -> onnx.TensorProto:
        return numpy_helper.from_array(np.asarray(value))

    def node(op: str, inputs: list[str], output: str, **attributes: object) -> onnx.NodeProto:
        return helper.make_node(op, inputs, [output], **attributes)

    def value(name: str, number: object) -> onnx.NodeProto:
        return node("Constant", [], name, value=constant(number))

    true = helper.make_node("Constant", [], ["on"], value=constant(True))
    body = helper.make_graph(
        [node("Identity", ["on0"], "on1"), node("Identity", ["x"], "y")],
        "body",
        [helper.make_tensor_value_info(name, kind, []) for name, kind in
         (("i", TensorProto.INT64), ("on0", TensorProto.BOOL), ("x", TensorProto.FLOAT))],
        [helper.make_tensor_value_info(name, kind, []) for name, kind in
         (("on1", TensorProto.BOOL), ("y", TensorProto.FLOAT))],
    )  # fmt: skip
    many = np.int64([1 << 17, 1 << 17, 1])

    def functions(model: onnx.ModelProto) -> None:
        opset = [helper.make_opsetid("", 18), helper.make_opsetid("f", 1)]
        for i in range(40):
            inner = [helper.make_node(f"F{i + 1}", ["a"], ["b"], domain="f"),
                     helper.make_node(f"F{i + 1}", ["b"], ["c"], domain="f")]  # fmt: skip
            if i == 39:
                inner = [helper.make_node("Add", ["a", "a"], ["c"])]
            made = helper.make_function("f", f"F{i}", ["a"], ["c"], inner, opset)
            model.functions.append(made)
        before(node("F0", ["zero"], "more", domain="f"), domain="f")(model)

    def negative(model: onnx.ModelProto) -> None:
        next(one for one in model.graph.initializer if one.name == "places").dims[:] = [-1, 2, -4]

    def huge(model: onnx.ModelProto) -> None:
        tensor = next(one for one in model.graph.initializer if one.name == "places")
        tensor.dims[:] = [1 << 62, 4, 4]

    def library(model: onnx.ModelProto) -> None:
        helper.set_model_props(
            model,
            {one.key: one.value for one in model.metadata_props}
            | {"ort_config": '{"session_options": {"custom_op_library": "./canary.so"}}'},
        )
        before(node("Run", ["zero"], "more", domain="canary"), domain="canary")(model)

    def replaced(name: str, value: np.ndarray) -> Callable[[onnx.ModelProto], None]:
        """An initial value of other numbers or of another shape."""

        def change(model: onnx.ModelProto) -> None:
            tensor = next(one for one in model.graph.initializer if one.name == name)
            tensor.CopyFrom(numpy_helper.from_array(value, name))
            for output in model.graph.output:
                output.type.tensor_type.ClearField("shape")

        return change

    def ring(model: onnx.ModelProto) -> None:
        first = node("Add", ["more", "zero"], "more0")
        before(first, node("Add", ["more0", "zero"], "more"))(model)

    def nested(model: onnx.ModelProto) -> None:
        inner = onnx.GraphProto()
        for _ in range(20):
            outer = onnx.GraphProto()
            outer.node.append(onnx.NodeProto(op_type="If"))
            outer.node[0].attribute.append(helper.make_attribute("then_branch", inner))
            inner = outer
        model.graph.node.append(onnx.NodeProto(op_type="If"))
        model.graph.node[-1].attribute.append(helper.make_attribute("then_branch", inner))

    return {
        "data-above": outside("../../../etc/hostname"),
        "data-absolute": outside("/etc/hostname"),
        "data-beside": outside("weights.bin"),
        "data-device": outside("/dev/zero"),
        "data-in-memory": outside("*/_ORT_MEM_ADDR_/*", 1 << 20),
        "custom-operator": before(node("Run", ["zero"], "more", domain="x"), domain="x"),
        "custom-library": library,
        "compiled-elsewhere": before(
            node("EPContext", ["zero"], "more", domain="com.microsoft", embed_mode=0,
                 ep_cache_context="../../canary.bin", main_context=1),
            domain="com.microsoft",
        ),
        "endless-loop": before(
            node("Loop", ["", "on", "zero"], "more", body=body), true
        ),
        "functions-of-functions": functions,
        "nested-20": nested,
        "memory-constant": before(
            node("ConstantOfShape", ["many"], "more", value=constant(np.float32([0]))),
            value("many", many),
        ),
        "memory-expand": before(node("Expand", ["zero", "many"], "more"), value("many", many)),
        "memory-tile": before(
            node("Tile", ["values", "many"], "more"), value("many", many)
        ),
        "memory-pad": before(
            node("Pad", ["values", "pads"], "more"),
            value("pads", np.int64([1 << 17, 1 << 17, 0, 0, 0, 0])),
        ),
        "shape-negative": negative,
        "shape-huge": huge,
        "ring": ring,
        "answers-of-other-rows": replaced("places", np.ones((1, 3, 4), np.float32)),
        "answers-of-two-classes": replaced("values", np.ones((1, 2, 2), np.float32)),
        "odd-answers-flat": replaced("shape", np.int64([1, 1, 0])),
        "answers-of-one-side": replaced("places", np.ones((1, 2, 1), np.float32)),
        "odd-boxes-nan": replaced("places", np.full((1, 2, 4), np.nan, np.float32)),
        "odd-boxes-infinite": replaced("places", np.full((1, 2, 4), np.inf, np.float32)),
        "odd-boxes-huge": replaced("places", np.full((1, 2, 4), 3e38, np.float32)),
        "odd-scores-nan": replaced("values", np.full((1, 2, 1), np.nan, np.float32)),
        "odd-scores-of-5": replaced("values", np.full((1, 2, 1), 5, np.float32)),
        "odd-no-rows": replaced("places", np.ones((1, 0, 4), np.float32)),
        "other-outputs": lambda model: setattr(model.graph.output[0], "name", "scores"),
        "no-facts": lambda model: model.ClearField("metadata_props"),
    }  # fmt: skip
