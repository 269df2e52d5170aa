import subprocess
import sys
import zipfile
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def sizes(project: Path, folder: Path) -> dict[str, int]:
    """What is in the wheel of a project, in bytes once it is installed."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return {one.filename: one.file_size for one in archive.infolist()}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    return sizes(ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def data_wheel(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    return sizes(ROOT / "data", tmp_path_factory.mktemp("data-wheel"))


def test_the_wheel_holds_the_parts_and_nothing_else(wheel: dict[str, int]) -> None:
    parts = {"samewhy_edge", "samewhy_host", "samewhy_bridge", "samewhy"}
    assert {name.partition("/")[0].partition("-")[0] for name in wheel} == parts


def test_what_is_not_python_travels_too(wheel: dict[str, int]) -> None:
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
    ):
        assert name in wheel
    assert any(name.endswith("licenses/NOTICE") for name in wheel)


def test_what_a_device_installs_of_us_is_small(wheel: dict[str, int]) -> None:
    assert sum(wheel.values()) < 3e6


def test_the_data_travel_apart(data_wheel: dict[str, int]) -> None:
    for name in ("fashion_mnist/train.npz", "digits/digits.npz", "photographs/photographs.npz", "watch_imu/watch.npz"):
        assert f"samewhy_data/{name}" in data_wheel
        assert f"samewhy_data/{name.partition('/')[0]}/card.md" in data_wheel
    assert {name.partition("/")[0].partition("-")[0] for name in data_wheel} == {"samewhy_data"}
    assert any(name.endswith("licenses/NOTICE") for name in data_wheel)


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
