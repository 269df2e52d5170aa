"""A Raspberry-Pi-class machine, emulated: the same bytes as here, and the same verdict on a bundle.

Outputs, explanations and records can be trusted there; latency cannot. `tests/pi/build.sh` makes the machine.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from samewhy_edge.record import load
from tests.edge.bundles import write_bundle

PI = Path(os.environ.get("SAMEWHY_PI", ".pi"))
ARCH = os.environ.get("SAMEWHY_PI_ARCH", "arm64")
WIDE = ARCH == "arm64"  # 32 bits have another runtime, which gives other answers
NEEDED = ("qemu-aarch64-static", "apt-get", "dpkg")
# what must hold on every machine and takes seconds under emulation; make pi-test runs all of tests/edge
FILES = ("test_quant", "test_plan", "test_address", "test_record", "test_lowdiscrepancy")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(shutil.which(name) is None for name in NEEDED),
        reason="the emulated Pi needs qemu-aarch64-static (qemu-user-static), apt-get and dpkg",
    ),
]


@pytest.fixture(scope="module")
def pi() -> Path:
    """The Python of the emulated machine."""
    made = subprocess.run(
        ["tests/pi/build.sh", str(PI), ARCH],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHON": sys.executable},
        check=False,
    )
    assert made.returncode == 0, made.stderr[-2000:]
    return PI.absolute() / "python"


def told(pi: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A run there; the host's own packages are no part of it."""
    alone = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "COVERAGE"))}
    return subprocess.run([str(pi), *words], capture_output=True, text=True, env=alone, check=False, timeout=900)


def test_plans_codes_and_answers_of_integer_files_are_the_same_bytes_there(pi: Path) -> None:
    here = subprocess.run(
        [sys.executable, "-m", "tests.pi.fingerprint", "models"], capture_output=True, text=True, check=True
    )
    there = told(pi, "tests/pi/fingerprint.py", "models")
    assert there.returncode == 0, there.stderr[-2000:]
    known, found = json.loads(here.stdout), json.loads(there.stdout)
    assert len(known) > 50
    answers = {name for name in known if name.split()[0] in os.listdir("models")}
    apart = {name for name in known if found.get(name) != known[name]}
    assert apart <= (set() if WIDE else answers)


def test_a_bundle_is_verified_there_as_here(pi: Path, tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "made.samewhy")
    done = told(pi, "-m", "samewhy_edge.cli", "verify", str(path), "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    table = json.loads((tmp_path / "out" / "verify.json").read_text())
    assert table["machine"].startswith("aarch64" if WIDE else "armv7l")
    assert table["passed"]
    for row in table["rungs"] if WIDE else ():
        assert row["codes"]["equal"]
        assert "machine" in row["changed"]
        assert all(
            one["equal"] for each in row["explainers"] for one in each["agreements"] if one["against"] == "workstation"
        )
    record, _ = load(tmp_path / "out" / "records" / "int8-reference--occlusion.json")
    assert record.rung.machine == table["machine"]


def test_the_edge_tests_hold_there(pi: Path) -> None:
    files = [f"tests/edge/{name}.py" for name in FILES]
    done = told(pi, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "passed" in done.stdout
