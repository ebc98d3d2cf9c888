"""How much memory may still be taken, in a container too."""

import psutil
import pytest

from utils.memory import free_memory, give_back_memory, memory_used

TOTAL = psutil.virtual_memory().total
GIB = 2**30


def test_free_memory_is_positive_and_within_the_machine():
    assert 0 < free_memory() <= TOTAL
    assert 1e6 < memory_used() < TOTAL
    give_back_memory()


def control_group(folder, limit, used, statistics):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in zip(
        ("memory.max", "memory.current", "memory.stat"), (limit, used, statistics), strict=True
    ):
        (folder / name).write_text(f"{text}\n")
    return folder


@pytest.mark.parametrize(
    ("statistics", "free"),
    [("anon 1", 2**20), (f"anon 1\ninactive_file {GIB // 64}\nslab 3", 2**20 + GIB // 64)],
)
def test_a_container_has_its_own_limit_and_gives_up_files_it_has_read(tmp_path, statistics, free):
    group = control_group(tmp_path, GIB // 32, GIB // 32 - 2**20, statistics)
    assert free_memory(group) == free


def test_a_container_without_a_limit_is_the_machine(tmp_path):
    group = control_group(tmp_path, "max", GIB, "inactive_file 5")
    assert free_memory(group) == pytest.approx(free_memory(tmp_path / "none"), rel=0.2)


def test_the_first_version_of_control_groups(tmp_path):
    folder = tmp_path / "memory"
    folder.mkdir()
    (folder / "memory.limit_in_bytes").write_text(str(2**22))
    (folder / "memory.usage_in_bytes").write_text(str(2**21))
    (folder / "memory.stat").write_text("inactive_file 7\ntotal_inactive_file 1000\n")
    assert free_memory(tmp_path) == 2**21 + 1000


def test_a_container_that_is_over_its_limit_has_nothing(tmp_path):
    assert free_memory(control_group(tmp_path, 10, 20, "inactive_file 0")) == 0
