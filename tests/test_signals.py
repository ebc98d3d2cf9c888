"""Ctrl-C and SIGTERM at any moment: nothing is lost, nothing half written, no traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from tests.bad_input.case import picture
from utils.prefetch import iterate_ahead

ROOT = Path(__file__).parents[1]


def in_new_process(code: str, *argv: object) -> subprocess.CompletedProcess[str]:
    """Signals would reach whatever else the test process is doing."""
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, argv)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done


def test_the_first_signal_asks_and_the_second_interrupts():
    in_new_process(
        """
        import signal
        from utils.signals import StopRequest

        before = signal.getsignal(signal.SIGTERM)
        interrupted = False
        with StopRequest() as stop:
            signal.raise_signal(signal.SIGTERM)
            assert stop.asked
            try:
                signal.raise_signal(signal.SIGINT)
            except KeyboardInterrupt:
                interrupted = True
        assert interrupted
        assert signal.getsignal(signal.SIGTERM) is before
        """
    )


def test_an_interrupt_that_python_drops_is_noted():
    done = in_new_process(
        """
        import signal
        from utils.signals import StopRequest, terminable

        class Loses:
            def __del__(self):
                signal.raise_signal(signal.SIGINT)

        with terminable():
            Loses()  # Python drops the exception, and goes on
            with StopRequest() as stop:
                assert stop.asked
        with terminable(), StopRequest() as stop:
            assert not stop.asked
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        """
    )
    assert done.stderr == ""


def test_an_interrupt_that_python_drops_comes_again():
    done = in_new_process(
        """
        import signal, sys, time
        from utils.cli import run

        class Loses:
            def __init__(self, number):
                self.number = number
            def __del__(self):
                signal.raise_signal(self.number)

        class Fails:
            def __del__(self):
                raise ValueError("of another kind")

        def main(argv):
            Fails()
            Loses(getattr(signal, argv[0]))
            time.sleep(60)

        started = time.monotonic()
        assert run(main, ["SIGINT"]) == run(main, ["SIGTERM"]) == 130
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        assert run(main, ["SIGINT"]) == 130
        assert time.monotonic() - started < 30
        assert sys.unraisablehook is sys.__unraisablehook__
        """
    )
    assert done.stderr.splitlines().count("interrupted") == 3
    assert done.stderr.count("of another kind") == 3
    assert "KeyboardInterrupt" not in done.stderr


LOSES = """
import signal, sys, threading, time
from utils.cli import run
from utils.signals import StopRequest, interrupt_raised, terminable

class Loses:
    def __del__(self):  # Python drops the exception, and goes on
        signal.raise_signal(signal.SIGINT)
"""


def test_an_interrupt_that_was_heeded_does_not_come_again():
    done = in_new_process(
        LOSES
        + """
with terminable():
    Loses()
    with StopRequest() as stop:
        assert stop.asked
    time.sleep(0.4)  # longer than until one comes again

with terminable():
    Loses()
with terminable():  # of another command
    time.sleep(0.4)

with terminable():
    Loses()
    try:
        signal.raise_signal(signal.SIGTERM)
    except KeyboardInterrupt:
        time.sleep(0.4)
"""
    )
    assert done.stderr == ""


def test_a_second_interrupt_that_python_drops_comes_again():
    done = in_new_process(
        LOSES
        + """
def main(argv):
    with StopRequest() as stop:
        signal.raise_signal(signal.SIGTERM)
        assert stop.asked
        Loses()
        time.sleep(60)

def makes_another(argv):
    with StopRequest():
        signal.raise_signal(signal.SIGINT)
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise ValueError("None values not supported") from None

started = time.monotonic()
assert run(main, []) == run(makes_another, []) == 130
assert time.monotonic() - started < 30
try:
    with StopRequest() as stop:  # of a program that has no such block
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    with StopRequest() as stop:
        assert not stop.asked
"""
    )
    assert done.stderr == "interrupted\n" * 2


def test_a_block_inside_another_or_in_a_thread_changes_nothing():
    done = in_new_process(
        LOSES
        + """
def inner():
    with terminable():
        pass

def hook(what):
    pass

with terminable():
    Loses()
    inner()
    thread = threading.Thread(target=inner)
    thread.start()
    thread.join()
    assert interrupt_raised()
    with StopRequest() as stop:
        assert stop.asked
    sys.unraisablehook = hook  # as a test runner sets one
assert sys.unraisablehook is hook
assert not interrupt_raised()
"""
    )
    assert done.stderr == ""


def test_a_signal_at_the_end_of_a_block_leaves_the_handlers_as_they_were():
    in_new_process(
        LOSES
        + """
set_handler, interrupted = signal.signal, False

def set_after_another(number, handler):
    signal.signal = set_handler
    signal.raise_signal(signal.SIGINT)
    return set_handler(number, handler)

try:
    with terminable():
        signal.signal = set_after_another
except KeyboardInterrupt:
    interrupted = True
assert interrupted
assert not interrupt_raised()
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
"""
    )


def test_an_error_that_a_library_makes_of_an_interrupt_is_none():
    """As TensorFlow does while it traces a function."""
    done = in_new_process(
        """
        import signal
        from utils.cli import run
        from utils.errors import UserError

        def loses(kind):
            def main(argv):
                try:
                    signal.raise_signal(signal.SIGINT)
                except KeyboardInterrupt:
                    raise kind("None values not supported") from None
            return main

        assert run(loses(ValueError), []) == run(loses(UserError), []) == 130
        assert run(lambda argv: {}[1] if argv else 0, []) == 0
        """
    )
    assert done.stderr == "interrupted\n" * 2


def test_signals_that_are_ignored_stay_so():
    in_new_process(
        """
        import signal
        from utils.signals import StopRequest, terminable

        signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell does it for `command &`
        with terminable(), StopRequest() as stop:
            signal.raise_signal(signal.SIGINT)
            assert not stop.asked
            signal.raise_signal(signal.SIGTERM)
            assert stop.asked
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        """
    )


def test_a_signal_behind_the_end_prints_no_traceback():
    code = """
    import signal, sys
    from utils.cli import run

    sys.argv = ["command"]
    status = run(lambda argv: print("done"))
    signal.raise_signal(signal.SIGINT)  # while Python shuts down
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (-2, "done\n", "")


AT_AN_IMPORT = """
import os, signal, sys

class Finder:
    def find_spec(self, name, *_):
        if name == os.environ["AT"]:
            signal.raise_signal(getattr(signal, os.environ["SIGNAL"]))

sys.meta_path.insert(0, Finder())
"""


@pytest.mark.parametrize(("command", "module", "name"), [
    ("train", "utils.cli.fields", "SIGINT"),
    ("train", "utils.training.config", "SIGTERM"),
    ("predict", "utils.media.predict_config", "SIGINT"),
    ("get_map", "utils.evaluation.config", "SIGINT"),
    ("export", "utils.deployment.config", "SIGINT"),
])  # fmt: skip
def test_a_signal_while_a_command_imports_prints_no_traceback(tmp_path, command, module, name):
    (tmp_path / "sitecustomize.py").write_text(AT_AN_IMPORT)
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = subprocess.run(
        [sys.executable, ROOT / f"{command}.py", "--help"], capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": path, "AT": module, "SIGNAL": name}, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


def test_other_programs_keep_their_signals():
    in_new_process(
        """
        import signal
        import train

        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        """
    )


def test_a_command_can_be_run_in_a_thread():
    done = in_new_process(
        """
        import runpy, sys, threading

        sys.argv = ["train.py", "--help"]
        command = threading.Thread(target=runpy.run_path, args=("train.py", None, "__main__"))
        command.start()
        command.join()
        """
    )
    assert done.stdout.startswith("usage: train.py")
    assert done.stderr == ""


def test_who_waits_for_the_next_item_can_be_told_to_end():
    stop, items = threading.Event(), threading.Event()

    def never():
        yield 1
        items.wait(10)

    started = time.monotonic()
    seen = []
    for item in iterate_ahead(never(), depth=1, ended=stop.is_set):
        seen.append(item)
        threading.Timer(0.2, stop.set).start()
        threading.Timer(0.6, items.set).start()
    assert seen == [1]
    assert time.monotonic() - started < 5


MOMENTS = 60


@pytest.mark.slow
def test_predict_ends_well_at_any_moment(tmp_path):
    """A signal before a line of this project's code, for lines from the first to the last."""
    for i in range(6):
        (tmp_path / "in").mkdir(exist_ok=True)
        picture(seed=i).save(tmp_path / "in" / f"{i}.png")
    done = in_new_process(
        """
        import contextlib, io, json, shutil, signal, sys
        from pathlib import Path

        import predict
        from tests.serving_cases import detector_of, three_signs
        from utils.cli import run

        folder, moments = Path(sys.argv[1]), int(sys.argv[2])
        out = folder / "out"
        argv = [str(folder / "in"), "--out", str(out), "--json", str(out / "all.json"),
                "--csv", str(out / "all.csv"), "--save-txt"]
        predict.choose_weights = lambda config: folder / "in" / "0.png"
        predict.open_detector = lambda *args, **options: detector_of(three_signs)
        root = str(Path(predict.__file__).parent)

        def attempt(moment, number):
            passed = 0

            def trace(frame, event, arg):
                nonlocal passed
                if not frame.f_code.co_filename.startswith(root):
                    return None
                if event == "line":
                    passed += 1
                    if passed == moment:
                        sys.settrace(None)
                        signal.raise_signal(number)
                return trace

            def main(argv):
                sys.settrace(trace)
                try:
                    return predict.main(argv)
                finally:
                    sys.settrace(None)

            shutil.rmtree(out, ignore_errors=True)
            printed, errors = io.StringIO(), io.StringIO()
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(errors):
                status = run(main, argv)
            return passed, status, printed.getvalue(), errors.getvalue()

        attempt(0, signal.SIGINT)  # imports everything
        lines, status, printed, _ = attempt(0, signal.SIGINT)
        assert status == 0 and "6 pictures" in printed, (status, printed)
        found = []
        for i in range(moments):
            moment = 1 + i * (lines - 1) // (moments - 1)
            number = (signal.SIGINT, signal.SIGTERM)[i % 2]
            _, status, printed, errors = attempt(moment, number)
            files = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
            entries = out / "all.json"
            entries = len(json.loads(entries.read_text())) if entries.exists() else None
            found.append([moment, status, files, entries, printed, errors])
        json.dump(found, sys.stdout)
        """,
        tmp_path, MOMENTS,
    )  # fmt: skip
    seen = set()
    for moment, status, files, entries, printed, errors in json.loads(done.stdout):
        where = f"line {moment}: {status}, {files}, {printed}, {errors}"
        assert status == 130, where
        assert errors.splitlines()[-1].startswith("interrupted"), where
        assert "Traceback" not in errors, where
        assert not [name for name in files if ".part-" in name], where
        if entries is None:  # before there was anything
            assert not files, where
        else:
            drawn = [name for name in files if name.endswith(".png")]
            labels = [name for name in files if name.startswith("labels/")]
            assert len(drawn) == len(labels) == entries, where
            assert "all.csv" in files, where
        seen.add(entries)
    assert {None, 0, 6} < seen, seen
