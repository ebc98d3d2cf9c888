"""What all tests share: an option, and a temporary cache folder."""

import signal
from collections import Counter

import pytest
from hypothesis import settings

# Tests share the processor, so time says nothing; the same examples in every run, so that a failure
# is always one of the change.
settings.register_profile("shared", deadline=None, derandomize=True)
settings.load_profile("shared")


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As in the background of a script. Commands that the tests start would ignore Ctrl-C, too.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser):
    parser.addoption("--all-backbones", action="store_true", help="a detector on all 22 backbones")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--all-backbones"):
        left_out = [item for item in items if item.get_closest_marker("all_backbones")]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)
    # Files with slow tests come first, so that no process works on one alone at the end.
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


@pytest.fixture(autouse=True, scope="session")
def temporary_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EFFICIENT_YOLO3_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
