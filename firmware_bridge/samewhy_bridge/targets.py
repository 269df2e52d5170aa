"""What a generated folder holds, by target: the one table where the next target is added.

Every target gets the same C; what differs is what builds it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import final

from samewhy_bridge.chips import Chip
from samewhy_bridge.ecosystems import arduino, esp_idf, pico, zephyr
from samewhy_bridge.kernel_files import HOT
from samewhy_bridge.projects import Files, Project, compiled, filled, plain, ports
from samewhy_edge.errors import InputError, unknown

STACK = 2048  # bytes

Maker = Callable[[Project, Chip | None], Files]  # a chip where the target takes one


@final
@dataclass(frozen=True, slots=True)
class Target:
    """A kind of folder."""

    about: str
    files: Maker | None  # all of them; None where an interpreter runs the model
    chip: str | None = None  # the one that is meant where none is named; None where a target takes none


def generic_c(project: Project, _: Chip | None) -> Files:
    """A library, and a program of this machine that answers on standard input or a socket."""
    port = ports("port_host.c")
    build = filled("generic-c.cmake", project, **_sources(project, port))
    return {**project.files, **port, "CMakeLists.txt": build}


def cortex_m(project: Project, chip: Chip | None) -> Files:
    """Firmware for a chip whose memory the linker enforces."""
    if chip is None:
        raise InputError("no chip; name one by --chip")
    port = ports("cortex_m.h", "samewhy_ring.h", "startup_cortex_m.c", "cortex_m.ld", chip.port)
    memory = {
        "flash_start": chip.flash.start,
        "flash_bytes": chip.flash.bytes,
        "ram_start": chip.ram.start,
        "ram_bytes": chip.ram.bytes,
        "stack_bytes": STACK,
    }
    build = filled("cortex-m.cmake", project, flags=chip.flags, chip=chip.name, **_sources(project, port))
    script = "".join(f"{name} = {value:#x};\n" for name, value in memory.items())
    return {
        **project.files,
        **port,
        "port/chip.ld": f"/* {chip.name}: {chip.about} */\n{script}INCLUDE cortex_m.ld\n".encode(),
        "CMakeLists.txt": build,
        "arm-none-eabi.cmake": plain("arm-none-eabi.cmake"),
    }


def _sources(project: Project, port: Files) -> Mapping[str, str]:
    """Lists for CMake."""
    hot = {path: content for path, content in project.model.items() if PurePath(path).stem in HOT}
    return {
        "model": compiled(project.model),
        "hot": compiled(hot),
        "wire": compiled(project.wire_alone),
        "port": compiled(port),
    }


TARGETS: Mapping[str, Target] = {
    "generic-c": Target("a CMake library, and a program of this machine", generic_c),
    "cortex-m": Target("firmware for a Cortex-M, with a linker script for --chip", cortex_m, chip="lm3s6965"),
    "arduino": Target("an Arduino library with its sketches", arduino),
    "esp-idf": Target("a project of ESP-IDF, with a component", esp_idf),
    "zephyr": Target("an application of Zephyr, with a module", zephyr),
    "pico": Target("a program for the Pico SDK", pico),
    "tflm": Target("the file itself for TFLite Micro, in C++: resolver, arena, main loop", None),
}


def target_named(name: str) -> Target:
    """A target of the table.

    Raises:
        InputError: it is not there.
    """
    if name not in TARGETS:
        raise InputError(unknown("target", name, TARGETS))
    return TARGETS[name]
