"""Options from dataclasses, configuration files and exit statuses."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from utils.cli import option, parse, run, to_mapping
from utils.errors import UserError


def size(text: str) -> int | str:
    if text == "auto":
        return text
    if not text.isdigit() or int(text) % 32:
        raise ValueError(f"{text!r} is neither auto nor a multiple of 32")
    return int(text)


@dataclass(frozen=True)
class Config:
    sources: tuple[str, ...] = option(help="pictures", metavar="SOURCE", positional=True)
    weights: Path = option(help="checkpoint", metavar="FILE")
    conf: float = option(0.25, help="lowest score kept, 0 to 100 %", low=0, high=1)
    max_det: int = option(300, help="most objects an image", low=1)
    precision: str = option("float32", help="precision", choices=("float32", "mixed_float16"))
    minutes: float | None = option(None, help="minutes of wall time", low=0)
    input_size: int | str = option("auto", help="pixels", parse=size, group="Network")
    gpus: tuple[int, ...] = option((), help="GPUs")
    save_txt: bool = option(False, help="write txt")
    mirror: bool = option(True, help="mirror pictures")


def read(*argv: str) -> Config:
    return parse(Config, argv, "Find things.", prog="thing.py")


def write(folder: Path, text: str) -> str:
    path = folder / "options.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_defaults_and_types():
    config = read("a.jpg", "--weights", "w.keras", "b.jpg")
    assert config == Config(("a.jpg", "b.jpg"), Path("w.keras"))
    config = read(
        "--weights=w", "--max_det", "5", "--conf", "1e-3", "a", "--save-txt", "--no-mirror"
    )
    assert (config.max_det, config.conf, config.save_txt, config.mirror) == (5, 1e-3, True, False)
    assert read("a", "--weights", "w", "--gpus", "0", "1").gpus == (0, 1)
    assert read("a", "--weights", "w", "--input-size", "416").input_size == 416


def test_dashes_and_underscores_are_the_same_but_values_stay():
    config = read("--weights=my_w--x_y.keras", "--max-det=7", "--", "--a_b.jpg")
    assert config == Config(("--a_b.jpg",), Path("my_w--x_y.keras"), max_det=7)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["a", "--weights", "w", "--conf", "x"], ["--conf", "'x'", "number"]),
        (["a", "--weights", "w", "--conf", "1.5"], ["--conf", "more than 1"]),
        (["a", "--weights", "w", "--conf", "nan"], ["--conf", "finite"]),
        (["a", "--weights", "w", "--max-det", "0"], ["--max-det", "less than 1"]),
        (["a", "--weights", "w", "--max-det", "2.5"], ["--max-det", "whole number"]),
        (["a", "--weights", "w", "--precision", "float16"], ["--precision", "mixed_float16"]),
        (["a", "--weights", "w", "--input-size", "100"], ["--input-size", "multiple of 32"]),
        (["a", "--weights", "w", "--confg", "1"], ["--confg", "did you mean --conf"]),
        (["a"], ["--weights", "required"]),
        (["--weights", "w"], ["SOURCE", "required"]),
        (["a", "--weights", ""], ["--weights", "empty"]),
    ],
)
def test_usage_errors_name_the_option(argv, words):
    with pytest.raises(UserError) as caught:
        read(*argv)
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_file_gives_options_and_the_command_line_wins(tmp_path):
    path = write(
        tmp_path,
        "sources: [a.jpg, 0]\nweights: w.keras\nmax_det: 9\nconf: 1e-2\nminutes: null\n"
        "save-txt: yes\nmirror: false\ngpus: 1\n",
    )
    config = read("--config", path, "--conf", "0.5", "--no-save-txt")
    assert config == Config(
        ("a.jpg", "0"), Path("w.keras"), max_det=9, conf=0.5, gpus=(1,), mirror=False
    )
    assert read("--config", path, "b.jpg").sources == ("b.jpg",)


# Ten billion texts, were it written out.
LAUGHS = "weights: [&a [x, x, x, x, x, x, x, x, x, x]" + "".join(
    f", &{name} [{', '.join([f'*{before}'] * 10)}]" for before, name in pairwise("abcdefghij")
) + "]"  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("confi: 0.3", ["'confi'", "did you mean conf"]),
        ("conf: [1]", ["conf", "not a number"]),
        ("conf: much", ["conf", "'much'", "not a number"]),
        ("conf: 2", ["conf", "more than 1"]),
        ("max-det: 2.5", ["max-det", "whole number"]),
        ("max-det: true", ["max-det", "true", "whole number"]),
        ("max-det: ", ["max-det", "empty"]),
        ("save_txt: 1", ["save_txt", "true or false"]),
        ("precision: no", ["precision", "quote"]),
        ("max-det: 1\nmax_det: 2", ["max-det", "twice"]),
        ("- a\n- b", ["name: value"]),
        ("a: [", ["line", "YAML"]),
        ("weights: !!python/object/apply:os.system ['true']", ["YAML"]),
        (LAUGHS, ["weights: a list is not a path"]),
        ("weights: {a: 1}", ["weights: a mapping is not a path"]),
    ],
)
def test_bad_files_name_file_and_key(tmp_path, text, words):
    path = write(tmp_path, text)
    with pytest.raises(UserError) as caught:
        read("a", "--weights", "w", "--config", path)
    for word in [path, *words]:
        assert word in str(caught.value)


def test_missing_config_file(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        read("a", "--weights", "w", "--config", str(tmp_path / "absent.yaml"))


def test_mapping_round_trips_through_yaml(tmp_path):
    config = read("a_b.jpg", "--weights", "w", "--input-size", "64", "--gpus", "0", "1")
    path = write(tmp_path, yaml.safe_dump(to_mapping(config)))
    assert read("--config", path) == config


def test_help_shows_defaults_and_required(capsys):
    with pytest.raises(SystemExit) as caught:
        read("--help")
    assert caught.value.code == 0
    text = capsys.readouterr().out
    words = [
        "SOURCE",
        "100 %",
        "0.25",
        "float32|mixed_float16",
        "(required)",
        "--no-mirror",
        "Network",
        "--config FILE.yaml",
        "Find things.",
    ]
    for word in words:
        assert word in text
    assert "--no-save-txt" not in text


def test_run_gives_the_statuses(capsys):
    def stop(error):
        def main(argv):
            raise error

        return run(main, [])

    assert run(lambda argv: None, []) == 0
    assert run(lambda argv: 1, []) == 1
    assert stop(UserError("it is broken")) == 2
    assert capsys.readouterr().err == "error: it is broken\n"
    assert stop(KeyboardInterrupt()) == 130
    assert stop(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "file.mp4")) == 2
    assert stop(OSError(errno.EFBIG, os.strerror(errno.EFBIG), "file.mp4")) == 2  # a limit of files
    assert "file.mp4" in capsys.readouterr().err
    for number in (errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENOMEM):
        assert stop(OSError(number, os.strerror(number), "a.jpg")) == 2
        assert capsys.readouterr().err == f"error: a.jpg: {os.strerror(number)}\n"
    with pytest.raises(ZeroDivisionError):
        stop(ZeroDivisionError())


def test_sigterm_is_an_interruption_from_the_first_moment():
    code = """
import sys, time
from utils.cli import run
def main(argv):
    print("ready", flush=True)
    time.sleep(60)
sys.exit(run(main, []))
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=Path(__file__).parent.parent,
    )  # fmt: skip
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (130, "interrupted\n")


def test_whoever_handles_sigterm_keeps_it():
    code = """
import signal
from utils.cli import run

seen = []
signal.signal(signal.SIGTERM, lambda *_: seen.append(1))
assert run(lambda argv: signal.raise_signal(signal.SIGTERM) or 0, []) == 0
assert seen == [1]
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_nothing_heavy_is_imported():
    code = "import sys, utils.cli; print(set(sys.modules) & {'tensorflow','numpy','cv2','yaml'})"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "set()"


@dataclass(frozen=True)
class Repeated:
    source: tuple[str, ...] = option(help="things", positional=True)
    zone: tuple[str, ...] = option((), help="corners", repeated=True, parse=lambda text: text[::-1])
    line: tuple[str, ...] = option((), help="a line", repeated=True, nargs=1)


def test_a_repeated_option_joins_its_words_to_one_item(tmp_path):
    config = parse(Repeated, ["a", "--zone", "1", "2", "--line", "x", "b", "--zone", "3"])
    assert config == Repeated(("a", "b"), ("2 1", "3"), ("x",))
    file = tmp_path / "options.yaml"
    file.write_text("zone: [1 2, 3 4]\nline: y\n")
    assert parse(Repeated, ["a", "--config", str(file)]) == Repeated(("a",), ("2 1", "4 3"), ("y",))
    mixed = parse(Repeated, ["a", "--config", str(file), "--zone", "5"])
    assert mixed.zone == ("5",)


def test_what_is_wrong_with_a_repeated_option_is_said():
    def refuse(text: str) -> str:
        raise ValueError(f"{text!r} is no corner")

    @dataclass(frozen=True)
    class Refusing:
        zone: tuple[str, ...] = option((), help="corners", repeated=True, parse=refuse)

    with pytest.raises(UserError, match="--zone: '1 2' is no corner"):
        parse(Refusing, ["--zone", "1", "2"])


def test_a_home_of_nobody_is_a_name():
    assert parse(Config, ["a.jpg", "--weights", "~nobody-here/w.keras"]).weights == Path(
        "~nobody-here/w.keras"
    )


@pytest.mark.parametrize(
    ("flush", "status", "said"), [(False, 0, b""), (True, 2, b"error: Broken pipe\n")]
)
def test_output_that_nobody_reads_is_no_traceback(flush, status, said):
    """As in ``python get_map.py | head -1``."""
    code = (
        "import sys; from utils.cli import run\n"
        f"def main(argv): sys.stdin.read(); print('found', flush={flush})\n"
        "sys.exit(run(main))"
    )
    command = subprocess.Popen(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[1],
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    command.stdout.close()
    command.stdin.close()
    assert (command.stderr.read(), command.wait()) == (said, status)


def test_an_error_that_nobody_reads_keeps_its_status():
    """As in ``python get_map.py 2>&1 | head -1``; 1 would mean a score below ``--min-map50``."""
    code = (
        "import sys; from utils.cli import run; from utils.errors import UserError\n"
        "def main(argv): sys.stdin.read(); raise UserError('no such file')\n"
        "sys.exit(run(main))"
    )
    command = subprocess.Popen(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[1],
        stdin=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    command.stderr.close()
    command.stdin.close()
    assert command.wait() == 2
