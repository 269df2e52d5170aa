import subprocess
import sys
import zipfile
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Names in the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def test_the_wheel_holds_the_parts_and_nothing_else(wheel: list[str]) -> None:
    parts = {"samewhy_edge", "samewhy_host", "samewhy_bridge", "samewhy"}
    assert {name.partition("/")[0].partition("-")[0] for name in wheel} == parts


def test_what_is_not_python_travels_too(wheel: list[str]) -> None:
    for name in (
        "samewhy_edge/py.typed",
        "samewhy_host/py.typed",
        "samewhy_bridge/py.typed",
        "samewhy_bridge/parts.toml",
        "samewhy_bridge/c/port/port_arduino.cpp",
        "samewhy_bridge/templates/arduino/serve.ino",
        "samewhy_bridge/templates/zephyr/Kconfig",
        "samewhy_host/report/page.html.j2",
        "samewhy_host/report/page.css",
        "samewhy_host/report/viewer.js",
        "samewhy_host/report/sections/verdicts.html.j2",
        "samewhy_host/data/fashion_mnist/train.npz",
        "samewhy_host/data/fashion_mnist/card.md",
    ):
        assert name in wheel
    assert any(name.endswith("licenses/NOTICE") for name in wheel)


@pytest.mark.parametrize("group", ["samewhy.runtimes", "samewhy.verbs", "samewhy.study-verbs"])
def test_every_entry_point_leads_somewhere(group: str) -> None:
    points = [point for point in entry_points(group=group) if point.module.startswith("samewhy_")]
    assert points
    assert all(callable(point.load()) for point in points)


def test_no_tracked_file_names_a_path_of_one_machine() -> None:
    pattern = "(^|[^A-Za-z0-9_.])/(work|root|home|tmp)/"
    found = subprocess.run(
        ["git", "grep", "-nIE", pattern, "--", ".", ":!*.svg"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert [line for line in found.stdout.splitlines() if "test_packaging.py" not in line] == []
