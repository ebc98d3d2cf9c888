"""A detector in a TensorFlow SavedModel.

A SavedModel is a program, which may read and write files when it is opened. So only the graph of
its signature is taken out of it, after a check (``utils.runtime.saved_model_check``).
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import numpy as np
import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from utils.errors import UserError
from utils.files import read_limited
from utils.runtime.device import use_device, visible_device
from utils.runtime.facts import KEY, Facts
from utils.runtime.opening import (
    output_names,
    refuse_built_in_nms,
    refuse_other_network,
    unreadable,
)
from utils.runtime.runtime import Infer, Runtime
from utils.runtime.saved_model_check import check_saved_model

_MAX_BYTES = 1 << 31


def open_saved_model(
    weights: str | Path,
    *,
    device: object = None,
    batch_size: int | None = None,
    option: str = "--weights",
    precision: str | None = None,
    threads: int | None = None,
) -> Runtime:
    """A folder that ``export.py`` wrote; see ``utils.runtime.runtime.open_runtime``.

    Args:
        weights, device, batch_size, option: as for ``open_runtime``.
        precision: float32 is the only one.
        threads: TensorFlow's own are used.
    """
    where = f"{option} {weights}"
    place = use_device(device) if isinstance(device, str) else visible_device()
    infer, facts = load_saved_model(weights, where)
    refuse_built_in_nms(where, facts)
    if precision not in (None, facts.precision):
        raise UserError(f"{where}: TensorFlow runs it in {facts.precision}, not {precision}")
    return Runtime(
        infer,
        facts.class_names,
        facts.input_size,
        batch_size or (8 if "GPU" in place else 1),
        f"TensorFlow {tf.__version__} (SavedModel), {facts.precision}, {place}",
        facts.metadata,
        any_shape=True,
        decoding_params=facts.decoding_params,
        on_gpu="GPU" in place,
    )


def load_saved_model(weights: str | Path, where: str) -> tuple[Infer, Facts]:
    """What runs a folder, and its facts; also with NMS in its graph.

    Raises:
        UserError: another folder; begins with ``where``.
    """
    folder = Path(weights)
    facts = Facts.from_json(_facts_text(folder), where)
    names = output_names(facts)
    try:
        saved = SavedModel.FromString(read_limited(folder / "saved_model.pb", _MAX_BYTES))
        graph = saved.meta_graphs[0].graph_def
        signature = saved.meta_graphs[0].signature_def["serving_default"]
        shapes = {
            name: [dim.size for dim in one.tensor_shape.dim]
            for name, one in signature.outputs.items()
        }
        refuse_other_network(where, facts, signature.inputs, shapes)
        outputs = {name: signature.outputs[name].name for name in names}
        check_saved_model(graph, outputs.values())
        network = _function(graph, signature.inputs["images"].name, outputs)
    except UserError:
        raise
    except Exception as error:  # damage raises any of many kinds
        raise unreadable(where, "a SavedModel", error) from None

    def infer(images: np.ndarray) -> tuple[np.ndarray, ...]:
        found = network(tf.convert_to_tensor(images))
        return tuple(found[name].numpy() for name in names)

    return infer, facts


def _facts_text(folder: Path) -> bytes | None:
    with suppress(ValueError):
        return read_limited(folder / "assets.extra" / f"{KEY}.json", _MAX_BYTES)
    return None


def _function(
    graph: GraphDef, source: str, outputs: dict[str, str]
) -> tf.types.experimental.ConcreteFunction:
    """From the input named ``source`` to the tensors of ``outputs``, by their names."""
    _rename_functions(graph, uuid4().hex)
    imported = tf.compat.v1.wrap_function(
        lambda: tf.graph_util.import_graph_def(graph, name=""), []
    )
    tensor = imported.graph.as_graph_element
    return imported.prune(tensor(source), {name: tensor(one) for name, one in outputs.items()})


def _rename_functions(graph: GraphDef, suffix: str) -> None:
    """Names that no other graph of this process has, as TensorFlow keeps all in one place."""
    nodes = list(graph.node)
    for function in graph.library.function:
        function.signature.name += suffix
        nodes += function.node_def
    for node in nodes:
        for attribute in node.attr.values():
            if attribute.func.name:
                attribute.func.name += suffix
