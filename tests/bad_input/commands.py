"""Which commands meet which kind of input, and how they are called on a case.

A call gets the case, its folder and a folder for outputs, and returns an exit status. It runs in a
process of its own (``run``). The network is made up where the input is not the weights.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

import numpy as np

from utils.cli import run

from .case import Case, picture
from .voc_xml import write_good

Call = Callable[[Case, Path, Path], int]

_COPIES = 12  # of a box, so that voting lowers no score
WRONG = 99  # the exit status of a call that found a promise broken, and said which


def _detector():
    from utils.detector import Detector
    from utils.runtime.runtime import Runtime

    def infer(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        boxes = np.tile(np.float32([8, 8, 40, 40]), (len(images), _COPIES, 1))
        return boxes, np.full((len(images), _COPIES, 1), 0.9, np.float32)

    return Detector(Runtime(infer, ("cat",), (64, 64), 4, "made up"))


def _command(module: str, argv: Sequence[object]) -> int:
    return run(import_module(module).main, [str(word) for word in argv])


def _predict(*sources: Path, out: Path, options: Sequence[object] = ()) -> int:
    import predict

    predict.open_detector = lambda *given, **options: _detector()
    predict.choose_weights = lambda config: Path("made_up.keras")
    return _command("predict", [*sources, "--out", out, "--json", out / "found.json", *options])


def predict_folder(case: Case, folder: Path, out: Path) -> int:
    return _predict(folder, out=out)


def predict_file(case: Case, folder: Path, out: Path) -> int:
    return _predict(folder / case.items[0], out=out, options=["--crops", "--save-voc"])


def predict_without_ffmpeg(case: Case, folder: Path, out: Path) -> int:
    """OpenCV writes the drawn videos, of a constant rate."""
    from utils.media import drawn_videos

    drawn_videos.find_ffmpeg = lambda: None
    return _predict(folder, out=out)


def python_detector(case: Case, folder: Path, out: Path) -> int:
    """``Detector`` from Python: an exception of ours is its way to stop."""

    def main(argv: list[str]) -> int:
        _detector()(folder / case.items[0])
        print("read:", case.items[0])
        return 0

    return run(main, [])


def serve_picture(case: Case, folder: Path, out: Path) -> int:
    path = folder / case.items[0]
    if not path.is_file() or path.stat().st_size > 20_000_000:
        return _said(case, "not sent: no file of up to 20 MB")
    data = path.read_bytes()
    head = f"POST /v1/detect HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n"
    return _exchange(case, head.encode() + b"Connection: close\r\n\r\n" + data)


def serve_request(case: Case, folder: Path, out: Path) -> int:
    return _exchange(case, (folder / "request.bin").read_bytes())


def _exchange(case: Case, request: bytes) -> int:
    """Send bytes to the server; it must answer, and go on."""
    from tests.serving_cases import running
    from utils.serving.limits import Limits

    limits = Limits(rate=0, body_seconds=2, head_seconds=2)
    with running(_detector(), limits=limits) as address:
        answer = _answer(address, request)
        health = _answer(
            address, b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(b"\r\n")[0].split(b" ", 2)
    status = int(words[1]) if len(words) > 2 and words[1].isdigit() else 0
    if b" 200 " not in health[:20]:
        print("the server does not go on")
        return WRONG
    if status >= 500 and status != 503:
        print(f"the server failed: {status} {body[:200]!r}")
        return WRONG
    if status >= 400 and body.startswith(b"{"):
        body = json.loads(body)["error"].encode()
    return _said(case, f"{status or 'connection closed'} {body[:120].decode(errors='replace')}")


def _answer(address: str, request: bytes) -> bytes:
    host, port = address.removeprefix("http://").rstrip("/").split(":")
    answer = b""
    with socket.create_connection((host, int(port)), timeout=25) as connection:
        try:
            connection.sendall(request)
            while data := connection.recv(65536):
                answer += data
        except ConnectionError:  # closed before everything was sent
            pass
    return answer


def _said(case: Case, text: str) -> int:
    print(f"{', '.join(case.items)}: {text}" if case.items else text)
    return 0


def doctor(case: Case, folder: Path, out: Path) -> int:
    """``train.py --check``, which calls ``run_doctor``; its report lists only what is wrong."""

    def main(argv: list[str]) -> int:
        from utils.data.doctor import run_doctor

        found = run_doctor(folder, out=out / "report").folder
        print("read:", ", ".join(photo.image_id for photo in found.usable()))
        return 0

    return run(main, [])


def image_doctor(case: Case, folder: Path, out: Path) -> int:
    """The picture as the photo of a VOC folder; links are made, as it may be a pipe."""
    data = out / "data"
    write_good(data)
    name = case.items[0]
    (data / "JPEGImages" / name).symlink_to(folder / name)
    labels = (data / "Annotations" / "good 0.xml").read_text(encoding="utf-8")
    (data / "Annotations" / "odd-one.xml").write_text(labels, encoding="utf-8")
    return doctor(case, data, out)


def convert(case: Case, folder: Path, out: Path) -> int:
    argv = [folder, "--to", "coco", "--out", out / "converted"]
    return _command("utils.commands.convert", argv)


def load(case: Case, folder: Path, out: Path) -> int:
    """What training and scoring read: photos, and objects read or reported."""

    def main(argv: list[str]) -> int:
        from utils.data.annotations import AnnotationError
        from utils.data.datasets import load_datasets, load_split
        from utils.data.formats import find_layout, read_annotations

        dataset = load_split(folder, "all")
        print(*dataset.notes, sep="\n")
        print("read:", ", ".join(record.image_id for record in dataset.records))
        if case.objects is not None:
            found = [
                annotation
                for image_id, annotation in read_annotations(find_layout(folder))
                if image_id == "odd-one" or case.kind == "coco"
            ]
            if not any(isinstance(one, AnnotationError) for one in found):
                count = sum(len(one.names) + len(one.errors) for one in found)
                if count != case.objects:
                    print(f"{count} objects read or reported of {case.objects}")
                    return WRONG
        load_datasets(folder)
        return 0

    return run(main, [])


def score(case: Case, folder: Path, out: Path) -> int:
    found = folder / "found.json"
    if not found.exists():
        found = out / "found.json"
        found.write_text("[]")  # no ids that could mean two photos: it is about the labels
    argv = ["--detections", found, "--data", folder, "--split", "all", "--out", out / "scores"]
    if (folder / "classes.txt").exists():
        argv += ["--classes", folder / "classes.txt"]
    return _command("get_map", [*argv, "--no-report"])


def read_classes(case: Case, folder: Path, out: Path) -> int:
    """``train.py --classes``, as far as reading the data."""

    def main(argv: list[str]) -> int:
        from utils.data.classes import read_classes
        from utils.data.datasets import load_split

        load_split(folder, "all", classes=read_classes(folder / "classes.txt"))
        return 0

    return run(main, [])


def _with_config(module: str) -> Call:
    return lambda case, folder, out: _command(module, ["--config", folder / "config.yaml"])


def _weights(case: Case, folder: Path) -> Path:
    return next(folder.glob("odd-one*"))


def predict_weights(case: Case, folder: Path, out: Path) -> int:
    photo = out / "photo.png"
    picture(seed=9).save(photo)
    argv = [photo, "--weights", _weights(case, folder), "--out", out / "found", "--device", "cpu"]
    return _command("predict", [*argv, "--json", out / "found.json", "--tile", "auto"])


def score_weights(case: Case, folder: Path, out: Path) -> int:
    write_good(out / "data")
    argv = ["--weights", _weights(case, folder), "--data", out / "data", "--split", "all"]
    return _command("get_map", [*argv, "--out", out / "scores", "--no-report", "--device", "cpu"])


def train_weights(case: Case, folder: Path, out: Path) -> int:
    write_good(out / "data")
    argv = ["--weights", _weights(case, folder), "--data", out / "data", "--epochs", "1"]
    return _command("train", [*argv, "--batch-size", "1", "--out", out / "run", "--device", "cpu"])


def export_weights(case: Case, folder: Path, out: Path) -> int:
    argv = ["--weights", _weights(case, folder), "--format", "onnx", "--out", out / "x.onnx"]
    return _command("export", argv)


WEIGHTS: dict[str, Call] = {
    "predict": predict_weights, "get_map": score_weights, "train": train_weights,
    "export": export_weights,
}  # fmt: skip
LABELS: dict[str, Call] = {
    "train: reading": load, "train --check": doctor, "convert": convert, "get_map": score,
}  # fmt: skip
COMMANDS: dict[str, dict[str, Call]] = {
    "image": {
        "predict": predict_folder, "predict alone": predict_file, "Detector": python_detector,
        "train --check": image_doctor, "serve": serve_picture,
    },
    "voc": LABELS, "coco": LABELS, "yolo": LABELS, "label-studio": LABELS, "list": LABELS,
    "detections": {"get_map": score},
    "classes": {"train --classes": read_classes, "get_map": score},
    "configuration": {
        name: _with_config(name) for name in ("train", "predict", "get_map", "export")
    },
    "video": {
        "predict": predict_folder, "predict alone": predict_file,
        "predict without ffmpeg": predict_without_ffmpeg,
    },
    "request": {"serve": serve_request},
    "weights": WEIGHTS, "tensorflow-weights": WEIGHTS,
}  # fmt: skip

# What a process imports before it is divided, so that no case waits for it.
IMPORTS = {
    "image": (
        "predict",
        "train",
        "tests.serving_cases",
        "utils.data.doctor",
        "utils.media.outputs",
    ),
    "video": ("predict", "utils.media.sources", "utils.media.outputs", "utils.detector"),
    "request": ("tests.serving_cases",),
    "configuration": ("train", "predict", "get_map", "export"),
}
WEIGHTS_IMPORTS = (
    "train", "predict", "get_map", "export", "h5py", "onnxruntime", "ai_edge_litert.interpreter",
    "openvino", "utils.media.outputs", "utils.media.predict_checks", "utils.media.output_kinds",
    "utils.detector", "utils.data.datasets", "utils.evaluation.evaluate",
    "utils.deployment.run", "utils.runtime.fastest", "utils.runtime.onnx_runtime",
    "utils.runtime.openvino_runtime", "utils.runtime.litert_runtime",
)  # fmt: skip
IMPORTS |= {"weights": WEIGHTS_IMPORTS, "tensorflow-weights": WEIGHTS_IMPORTS}
LABEL_IMPORTS = (
    "train", "get_map", "utils.data.doctor", "utils.data.datasets", "utils.data.conversion",
    "utils.commands.convert", "utils.evaluation.evaluate",
)  # fmt: skip


def import_for(kind: str) -> None:
    for module in IMPORTS.get(kind, LABEL_IMPORTS):
        import_module(module)
    assert "tensorflow" not in sys.modules, "its threads do not survive fork"
