from dataclasses import replace
from pathlib import Path

import pytest

from samewhy_edge.condition import Condition, condition, slowed

CALM = Condition("performance", (1500.0, 1500.0), 1500.0, 51.5, (), 0.25, 812.0)


def pi(root: Path, bits: str = "0", clock: int = 1500000) -> Path:
    """The files of a Raspberry Pi with two cores."""
    cores = "sys/devices/system/cpu"
    files = {
        f"{cores}/cpu0/cpufreq/scaling_governor": "ondemand\n",
        f"{cores}/cpu0/cpufreq/scaling_max_freq": "1800000\n",
        f"{cores}/cpu0/cpufreq/scaling_cur_freq": f"{clock}\n",
        f"{cores}/cpu1/cpufreq/scaling_cur_freq": "600000\n",
        "sys/class/thermal/thermal_zone0/temp": "48312\n",
        "sys/class/thermal/thermal_zone1/temp": "61000\n",
        "sys/devices/platform/soc/soc:firmware/get_throttled": f"{bits}\n",
        "proc/loadavg": "0.52 0.58 0.59 1/467 12345\n",
        "proc/meminfo": "MemTotal: 4000000 kB\nMemAvailable: 2000000 kB\n",
    }
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


def test_a_raspberry_pi_tells_all(tmp_path: Path) -> None:
    found = condition(pi(tmp_path))
    assert found == Condition("ondemand", (1500.0, 600.0), 1800.0, 61.0, (), 0.52, 2048.0, {})


def test_the_firmware_is_read_bit_by_bit(tmp_path: Path) -> None:
    assert condition(pi(tmp_path, "50005")).throttled == (
        "undervoltage",
        "throttled",
        "undervoltage since the start",
        "throttled since the start",
    )


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    found = condition(tmp_path)
    assert found.governor is found.clock_mhz is found.temperature_c is found.throttled is found.load is None
    assert set(found.unread) == {
        "governor",
        "clock_mhz",
        "clock_limit_mhz",
        "temperature_c",
        "throttled",
        "load",
        "memory_free_mb",
    }
    assert "no thermal zone" in found.unread["temperature_c"]
    assert "No such file" in found.unread["governor"]


def test_what_is_garbled_is_said_and_the_rest_is_read(tmp_path: Path) -> None:
    root = pi(tmp_path, bits="what")
    (root / "proc/meminfo").write_text("MemTotal: 1 kB\n")
    found = condition(root)
    assert found.throttled is found.memory_free_mb is None
    assert found.governor == "ondemand"
    assert "unreadable content" in found.unread["throttled"]
    assert "unreadable content" in found.unread["memory_free_mb"]


@pytest.mark.parametrize(
    ("after", "signs"),
    [
        (CALM, ()),
        (replace(CALM, throttled=("throttled",)), ("throttled",)),
        (replace(CALM, throttled=("throttled since the start",)), ("throttled since the start",)),
        (replace(CALM, clock_mhz=(1000.0, 1200.0)), ("the clock fell from 1500 to 1200 MHz",)),
        (replace(CALM, throttled=None), ()),
        (replace(CALM, throttled=None, clock_mhz=None), None),
    ],
)
def test_signs_of_throttling(after: Condition, signs: tuple[str, ...] | None) -> None:
    assert slowed(CALM, after) == signs


def test_throttling_before_the_measurement_is_no_sign() -> None:
    before = replace(CALM, throttled=("throttled since the start",))
    assert slowed(before, before) == ()


def test_this_machine_can_be_read() -> None:
    found = condition()
    assert found.load is None or found.load >= 0
    assert not set(found.unread) - set(Condition.__slots__)
