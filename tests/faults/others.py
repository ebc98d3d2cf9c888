"""SIGTERM, a stream that breaks off, a second process, and caches of another version."""

from __future__ import annotations

import http.server
import json
import random
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import utils.data.batches.image_cache
import utils.data.folder.cache

from .commands import GET_MAP, TRAIN
from .kills import ended_badly
from .once import befall, commands, judged
from .outcome import Outcome
from .process import Process
from .whole import broken
from .work import Work, command


def others(work: Work, times: int, seed: int) -> Iterator[Outcome]:
    yield from terminated(work, seed)
    yield broken_stream(work)
    yield from other_versions(work)
    if work.heavy:
        yield second_process(work)


def terminated(work: Work, seed: int) -> Iterator[Outcome]:
    """SIGTERM at a random moment of the first seconds."""
    rng = random.Random(seed)
    for one in commands(work):

        def during(process: Process) -> None:
            process.wait(rng.uniform(0.05, 1.5))
            process.send(signal.SIGTERM)

        out = work.root / "out" / one.name
        yield befall("SIGTERM", one, work, out, during=during, statuses=(0, 130))


def broken_stream(work: Work) -> Outcome:
    """A video from a web server that stops in the middle: what came is kept, and it is said."""
    out = work.root / "out" / "stream"
    with half_a_file(work.video) as address:
        words = [address, "--weights", work.network, "--out", out, "--json", out / "found.json"]
        process = Process(partial(command, "predict", words), work.printed / "stream.txt")
        status, text = process.wait(), process.text()
        process.end()
    losses = broken(out)
    if status != 0:
        losses.append(f"ends with {status}: {text[-300:]}")
    elif not json.loads((out / "found.json").read_text()):
        losses.append("nothing is kept of what came")
    elif "warning" not in text:
        losses.append("it is not said that the stream broke off")
    shutil.rmtree(out, ignore_errors=True)
    return Outcome("stream breaks off", "predict", losses)


@contextmanager
def half_a_file(path: Path) -> Iterator[str]:
    """The address of a server that sends the first half of a file, and closes the connection."""
    content = path.read_bytes()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/{path.name}"
        finally:
            server.shutdown()
            thread.join()


def other_versions(work: Work) -> Iterator[Outcome]:
    """Caches of an older and of a newer version are passed over: the result is the same."""
    one = TRAIN if work.heavy else GET_MAP
    for name, by in (("cache of an older version", -1), ("cache of a newer version", 1)):
        shutil.rmtree(work.cache, ignore_errors=True)
        out = work.root / "out" / "version"
        losses = ended_badly(one, work, out, work.printed / "version.txt", again=False,
                             before=partial(change_version, by))  # fmt: skip
        shutil.rmtree(out)
        losses += ended_badly(one, work, out, work.printed / "version.again.txt", again=False)
        shutil.rmtree(out, ignore_errors=True)
        yield Outcome(name, one.name, losses)


def change_version(by: int) -> None:
    utils.data.folder.cache.VERSION += by
    utils.data.batches.image_cache._FORMAT += by


def second_process(work: Work) -> Outcome:
    """A second ``train.py`` in a run directory is refused; it goes on when the first has died."""
    out = work.root / "out" / "two"
    first = Process(TRAIN.call(work, out), work.printed / "first.txt")
    losses = [] if first.wait_for("epoch 1/") else ["the first run does not begin"]
    second = Process(TRAIN.call(work, out, "--resume"), work.printed / "second.txt")
    losses += judged(second, TRAIN, out, (2,))
    first.send()
    first.wait()
    losses += ended_badly(TRAIN, work, out, work.printed / "third.txt")
    first.end()
    return Outcome("second process", TRAIN.name, losses)
