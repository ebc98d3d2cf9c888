"""Converting and predicting report nothing over the network."""

import subprocess
import sys

import pytest

# In a process of its own: NNCF is silent where pytest is imported, and the libraries must not have
# been imported before.
IMPORTS = """
import sys
from utils.runtime.telemetry import no_telemetry
no_telemetry()
import nncf.telemetry, openvino.tools.ovc.telemetry_utils as ovc
print(type(nncf.telemetry.telemetry).__name__, ovc.tm.__name__, sys.modules["openvino_telemetry"])
"""


@pytest.mark.slow
def test_openvino_and_nncf_do_not_find_the_package_that_sends():
    pytest.importorskip("openvino_telemetry")
    command = [sys.executable, "-c", IMPORTS]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert printed.split() == ["MagicMock", "openvino.tools.ovc.telemetry_stub", "None"]


def test_the_library_of_a_runtime_is_imported_without_it():
    pytest.importorskip("openvino_telemetry")
    code = (
        "import sys; from utils.runtime.opening import import_library; "
        "import_library('openvino', 'openvino', 'x'); "
        "print([m for m in sys.modules if 'openvino_telemetry' in m and sys.modules[m]])"
    )
    command = [sys.executable, "-c", code]
    assert (
        subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip() == "[]"
    )
