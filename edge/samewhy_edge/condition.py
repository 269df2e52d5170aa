"""The condition of a machine: governor, clock, temperature, throttling, load. What cannot be read is said to be so."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

ROOT = Path("/")
CORES = "sys/devices/system/cpu"
# bits of the firmware's word: now, and since the start
THROTTLED = {
    0: "undervoltage",
    1: "clock capped",
    2: "throttled",
    3: "soft temperature limit",
    16: "undervoltage since the start",
    17: "clock capped since the start",
    18: "throttled since the start",
    19: "soft temperature limit since the start",
}


@final
@dataclass(frozen=True, slots=True)
class Condition:
    """What could be read, and why the rest could not."""

    governor: str | None  # of the first core
    clock_mhz: tuple[float, ...] | None  # of every core, now
    clock_limit_mhz: float | None  # the most that the governor may choose
    temperature_c: float | None  # of the hottest zone
    throttled: tuple[str, ...] | None  # what the firmware of a Raspberry Pi says; empty where nothing
    load: float | None  # runnable processes, mean of a minute
    memory_free_mb: float | None  # that could be had without swapping
    unread: dict[str, str] = field(default_factory=dict)  # by field: why not


def condition(root: Path = ROOT) -> Condition:
    """Of this machine, from the files of the kernel below `root`."""
    readers: dict[str, Callable[[Path], object]] = {
        "governor": governor,
        "clock_mhz": clocks,
        "clock_limit_mhz": clock_limit,
        "temperature_c": temperature,
        "throttled": throttled,
        "load": lambda root: float((root / "proc/loadavg").read_text().split()[0]),
        "memory_free_mb": memory_free,
    }
    known: dict[str, object] = {}
    unread: dict[str, str] = {}
    for name, read in readers.items():
        try:
            known[name] = read(root)
        except (OSError, ValueError, IndexError, KeyError) as error:
            known[name] = None
            unread[name] = reason(error)
    return Condition(**known, unread=unread)  # type: ignore[arg-type]  # each reader gives its field's type


def reason(error: Exception) -> str:
    """Why a file could not be read, without the path of this machine's root."""
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else str(error)
    return f"unreadable content ({error})"


def governor(root: Path) -> str:
    """Such as ``ondemand`` or ``performance``."""
    return (root / CORES / "cpu0/cpufreq/scaling_governor").read_text().strip()


def clocks(root: Path) -> tuple[float, ...]:
    """Of every core, in MHz."""
    return tuple(int((root / CORES / f"cpu{core}/cpufreq/scaling_cur_freq").read_text()) / 1e3 for core in cores(root))


def cores(root: Path) -> list[int]:
    """Numbers of the cores with a clock of their own that can be read; the first where none can."""
    found = (root / CORES).glob("cpu[0-9]*/cpufreq")
    return sorted(int(path.parent.name[3:]) for path in found) or [0]


def clock_limit(root: Path) -> float:
    """In MHz."""
    return int((root / CORES / "cpu0/cpufreq/scaling_max_freq").read_text()) / 1e3


def temperature(root: Path) -> float:
    """Of the hottest zone, in degrees Celsius."""
    zones = sorted((root / "sys/class/thermal").glob("thermal_zone*/temp"))
    if not zones:
        raise OSError(2, "no thermal zone", "/sys/class/thermal")
    return max(int(zone.read_text()) for zone in zones) / 1e3


def throttled(root: Path) -> tuple[str, ...]:
    """What the firmware of a Raspberry Pi says, in words.

    Source: Raspberry Pi documentation, vcgencmd get_throttled; the same bits in sysfs.
    """
    path = root / "sys/devices/platform/soc/soc:firmware/get_throttled"
    bits = int(path.read_text(), 16)
    return tuple(said for bit, said in THROTTLED.items() if bits >> bit & 1)


def memory_free(root: Path) -> float:
    """Megabytes that could be had without swapping."""
    rows = (line.split() for line in (root / "proc/meminfo").read_text().splitlines())
    return int({row[0]: row[1] for row in rows}["MemAvailable:"]) * 1024 / 1e6


def processors() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def slowed(before: Condition, after: Condition) -> tuple[str, ...] | None:
    """Signs that a measurement between the two was throttled; None where nothing of it can be read."""
    if after.throttled is None and (after.clock_mhz is None or before.clock_mhz is None):
        return None
    found = [said for said in after.throttled or () if "since" not in said or said not in (before.throttled or ())]
    if after.clock_mhz and before.clock_mhz and max(after.clock_mhz) < 0.9 * max(before.clock_mhz):
        found.append(f"the clock fell from {max(before.clock_mhz):.0f} to {max(after.clock_mhz):.0f} MHz")
    return tuple(found)
