import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(find_spec("torch") is not None, reason="the host extra is installed here")


def test_a_study_on_a_base_install_says_which_line_installs_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "samewhy_edge.cli", "study", "any.toml", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'samewhy[host]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_onnx_address_on_a_base_install_says_which_line_installs_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "samewhy_edge.cli", "check", "onnx:model.onnx"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'samewhy[host]'" in done.stderr
