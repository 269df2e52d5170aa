"""What a generated folder holds, by target: the one table where the next target is added.

Every target gets the same C; what differs is what builds it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import final

from samewhy_bridge.chips import Chip
from samewhy_bridge.emit import sources
from samewhy_bridge.kernel_files import C, closure
from samewhy_bridge.program import Program
from samewhy_edge.errors import InputError, unknown

TEMPLATES = Path(__file__).parent / "templates"
STACK = 2048  # bytes

Files = Mapping[str, bytes]  # by path in the folder, with "/"


@final
@dataclass(frozen=True, slots=True)
class Project:
    """What every target has."""

    name: str  # of the model, as an identifier
    model: Files  # the model and its kernels
    wire: Files  # what answers over a port, main.c among it

    @property
    def files(self) -> Files:
        """All of it."""
        return {**self.model, **self.wire}


@final
@dataclass(frozen=True, slots=True)
class Target:
    """A kind of folder."""

    about: str
    files: Callable[[Project, Chip | None], Files]  # all files; a chip where it `takes` one
    chip: str | None = None  # the one that is meant where none is named; None where a target takes none


def project_of(program: Program, name: str) -> Project:
    """The files that every target has."""
    model = {**sources(program), "samewhy.h": _read("samewhy.h"), **closure(program.kernels)}
    wire = {f"wire/{path.name}": path.read_bytes() for path in sorted((C / "wire").glob("*.[ch]"))}
    return Project(name, model, {**wire, "main.c": _read("main.c")})


def _read(name: str) -> bytes:
    return (C / name).read_bytes()


def generic_c(project: Project, _: Chip | None) -> Files:
    """A library, and a program of this machine that answers on standard input or a socket."""
    port = {"port/port_host.c": _read("port/port_host.c")}
    return {**project.files, **port, "CMakeLists.txt": _filled("generic-c.cmake", project, port)}


def cortex_m(project: Project, chip: Chip | None) -> Files:
    """Firmware for a chip whose memory the linker enforces."""
    if chip is None:
        raise InputError("no chip; name one by --chip")
    shared = ("cortex_m.h", "samewhy_ring.h", "startup_cortex_m.c", "cortex_m.ld", chip.port)
    port = {f"port/{name}": _read(f"port/{name}") for name in shared}
    memory = {
        "flash_start": chip.flash.start,
        "flash_bytes": chip.flash.bytes,
        "ram_start": chip.ram.start,
        "ram_bytes": chip.ram.bytes,
        "stack_bytes": STACK,
    }
    script = "".join(f"{name} = {value:#x};\n" for name, value in memory.items())
    return {
        **project.files,
        **port,
        "port/chip.ld": f"/* {chip.name}: {chip.about} */\n{script}INCLUDE cortex_m.ld\n".encode(),
        "CMakeLists.txt": _filled("cortex-m.cmake", project, port, flags=chip.flags, chip=chip.name),
        "arm-none-eabi.cmake": (TEMPLATES / "arm-none-eabi.cmake").read_bytes(),
    }


def _filled(template: str, project: Project, port: Files, **more: str) -> bytes:
    text = (TEMPLATES / template).read_text()
    lists = {"model": project.model, "wire": {k: v for k, v in project.wire.items() if k != "main.c"}, "port": port}
    given = {kind: " ".join(sorted(path for path in files if path.endswith(".c"))) for kind, files in lists.items()}
    return Template(text).substitute(given, name=project.name, **more).encode()


TARGETS: Mapping[str, Target] = {
    "generic-c": Target("a CMake library, and a program of this machine", generic_c),
    "cortex-m": Target("firmware for a Cortex-M, with a linker script for --chip", cortex_m, chip="lm3s6965"),
}


def target_named(name: str) -> Target:
    """A target of the table.

    Raises:
        InputError: it is not there.
    """
    if name not in TARGETS:
        raise InputError(unknown("target", name, TARGETS))
    return TARGETS[name]
