"""What all tests share: nothing is kept in the cache folder of whoever runs them."""

import pytest


@pytest.fixture(autouse=True, scope="session")
def kept_elsewhere(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EFFICIENT_YOLO3_CACHE", str(tmp_path_factory.mktemp("kept")))
        yield
