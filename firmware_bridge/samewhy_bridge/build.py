"""A generated project as firmware for a machine that QEMU emulates: the project's own model, kernels and wire, with the
port of that machine. Built once; again where a source, a flag or the compiler is another."""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, final

from samewhy_bridge.kernel_files import HOT
from samewhy_bridge.machines import Machine
from samewhy_edge.errors import ExtraError, InputError
from samewhy_edge.files import sha256, write_bytes, write_json

C = Path(__file__).parent / "c"
COMPILER, PACKAGES = "arm-none-eabi-gcc", "gcc-arm-none-eabi libnewlib-arm-none-eabi"
FLAGS = (
    *("-mthumb", "-std=c99", "-ffreestanding", "-ffunction-sections", "-fdata-sections"),
    *("-Wall", "-Wextra", "-Werror"),
)
FAST, SMALL = "-O2", "-Os"  # kernels that do nearly all work; all that is around them
LINK = ("-nostartfiles", "--specs=nano.specs", "--specs=nosys.specs", "-Wl,--gc-sections")
STACK = 2048  # bytes
FOLDERS = ("kernels", "wire")  # of a project, with sources; its port may be that of another machine
MODEL, MANIFEST = "samewhy_model.h", "manifest.json"


@final
@dataclass(frozen=True, slots=True)
class Firmware:
    """What was built."""

    elf: Path
    flash: int  # bytes
    ram: int


@final
@dataclass(frozen=True, slots=True)
class Source:
    """A file to compile, and for what it is optimized."""

    path: Path
    level: str


def built(folder: Path, machine: Machine, definitions: Mapping[str, str] | None = None) -> Firmware:
    """The firmware of a project, in ``build/MACHINE`` below it.

    Raises:
        ExtraError: there is no compiler.
        InputError: no project, one that does not compile, or that does not fit the machine.
        OutputError: the folder cannot be written.
    """
    sources, place = list(sources_of(folder, machine)), folder / "build" / machine.name
    flags = flags_of(folder, machine, definitions or {})
    digest = digest_of(folder, sources, flags)
    known = noted(place / "firmware.json")
    if known.get("inputs") == digest and (place / "firmware.elf").is_file():
        return Firmware(place / "firmware.elf", known["flash"], known["ram"])
    with TemporaryDirectory() as bench:
        elf = linked(compiled(sources, flags, Path(bench)), machine, Path(bench))
        flash, ram = sizes(elf)
        write_bytes(place / "firmware.elf", elf.read_bytes())
    write_json(place / "firmware.json", {"inputs": digest, "flash": flash, "ram": ram, "machine": machine.name})
    return Firmware(place / "firmware.elf", flash, ram)


def sources_of(folder: Path, machine: Machine) -> Iterator[Source]:
    """What makes the firmware.

    Raises:
        InputError: the folder is no project.
    """
    if not (folder / MODEL).is_file():
        what = "no such folder" if not folder.is_dir() else f"no {MODEL} in it"
        raise InputError(f"{folder}: {what}; expected a project that samewhy firmware generate made")
    wire = folder / "wire" if (folder / "wire").is_dir() else C / "wire"
    for place in (folder, folder / "kernels"):
        yield from (Source(path, FAST if path.stem in HOT else SMALL) for path in sorted(place.glob("*.c")))
    yield from (Source(path, SMALL) for path in sorted(wire.glob("*.c")))
    yield from (Source(C / "port" / name, SMALL) for name in (machine.port, "startup_cortex_m.c"))


def flags_of(folder: Path, machine: Machine, definitions: Mapping[str, str]) -> list[str]:
    """Of the compiler, for every source."""
    told = {"SAMEWHY_MACHINE": f'"{machine.core} ({machine.name})"', **definitions}
    places = [folder, *(folder / name for name in FOLDERS), C, C / "wire", C / "port"]
    return [
        *machine.flags,
        *FLAGS,
        *(f"-D{name}={value}" for name, value in told.items()),
        *(f"-I{place}" for place in places if place.is_dir()),
    ]


def digest_of(folder: Path, sources: Sequence[Source], flags: Sequence[str]) -> str:
    """Of all that decides what is built, but for where it lies."""
    headers = [*folder.rglob("*.h"), *C.rglob("*.h"), *C.rglob("*.ld")]
    files = sorted({path for path in (*(one.path for one in sources), *headers) if "build" not in path.parts[:-1]})
    parts = [f"{path.name} {sha256(path.read_bytes())}" for path in files]
    told = [flag for flag in flags if not flag.startswith("-I")]
    return sha256("\n".join([*parts, *told, FAST, SMALL, *HOT, f"{STACK}", version(COMPILER, PACKAGES)]).encode())


def noted(path: Path) -> dict[str, Any]:
    """What was built before; nothing where that cannot be read."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def compiled(sources: Sequence[Source], flags: Sequence[str], bench: Path) -> list[Path]:
    """Object files."""
    objects = [bench / f"{number}.o" for number in range(len(sources))]
    for one, path in zip(sources, objects, strict=True):
        done([compiler(), *flags, one.level, "-c", str(one.path), "-o", str(path)], one.path.name)
    return objects


def linked(objects: Sequence[Path], machine: Machine, bench: Path) -> Path:
    """The firmware; a machine that is too small for it does not link."""
    (flash, flash_bytes), (ram, ram_bytes) = machine.flash, machine.ram
    symbols = {"flash_start": flash, "flash_bytes": flash_bytes, "ram_start": ram, "ram_bytes": ram_bytes}
    places = [f"-Wl,--defsym={name}={value}" for name, value in {**symbols, "stack_bytes": STACK}.items()]
    elf, script = bench / "firmware.elf", C / "port" / "cortex_m.ld"
    command = [compiler(), *machine.flags, "-mthumb", *LINK, f"-T{script}", *places, *map(str, objects)]
    done([*command, "-o", str(elf)], f"{machine.name}: {flash_bytes >> 10} KiB flash, {ram_bytes >> 10} KiB RAM")
    return elf


def sizes(elf: Path) -> tuple[int, int]:
    """Bytes of flash and of RAM, the stack among them."""
    said = done([found("arm-none-eabi-size", PACKAGES), str(elf)], "size").splitlines()[1].split()
    text, data, bss = map(int, said[:3])
    return text + data, data + bss


def done(command: Sequence[str], what: str) -> str:
    """What a command printed.

    Raises:
        InputError: it failed; the sentence holds its first complaint.
    """
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        said = [line for line in ran.stderr.splitlines() if "error" in line or "overflowed" in line]
        raise InputError(f"{what}: {'; '.join(said[:3] or ran.stderr.splitlines()[:3])}")
    return ran.stdout


def compiler() -> str:
    """Where the compiler is."""
    return found(COMPILER, PACKAGES)


@cache
def version(program: str, packages: str) -> str:
    """The first line that a program says of itself."""
    return done([found(program, packages), "--version"], program).splitlines()[0]


def found(program: str, packages: str) -> str:
    """Where a program is.

    Raises:
        ExtraError: it is not installed; the message holds the line that installs it.
    """
    path = shutil.which(program)
    if path is None:
        raise ExtraError(f"{program} is not installed; on Debian or Ubuntu: apt-get install {packages}")
    return path
