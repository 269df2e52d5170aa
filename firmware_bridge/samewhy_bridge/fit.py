"""Which chips a network fits: flash and RAM of the generated firmware beside what a chip has.

Where there is a compiler for Cortex-M the firmware is built and measured, for one core of each family. Elsewhere its
code is estimated from the sources that it would be built of, on the safe side.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, final

from samewhy_bridge import tflm
from samewhy_bridge.build import COMPILER, PACKAGES, STACK, built, version
from samewhy_bridge.emit import flash_of
from samewhy_bridge.generate import generate
from samewhy_bridge.graph import read_graph
from samewhy_bridge.kernel_files import closure
from samewhy_bridge.machines import M3, M4, MIB, Machine
from samewhy_bridge.parts import Part
from samewhy_bridge.program import Program, program_of
from samewhy_edge.errors import ArtifactError, ExtraError

SCHEMA = 1
TIGHT = 0.9  # a program of one's own wants some of what is left
M0 = ("-mcpu=cortex-m0plus",)
ROOMY = (0x0, 64 * MIB), (0x20000000, 64 * MIB)
FAMILIES = {"m0": M0, "m3": M3, "m4": M4}
# Cores by the family whose code is about as large. Those that are not Arm's are taken as the one with the largest code.
CORES = {
    "cortex-m0": "m0",
    "cortex-m0+": "m0",
    "cortex-m3": "m3",
    "cortex-m4": "m4",
    "cortex-m7": "m4",
    "cortex-m33": "m4",
}
OTHERS = "m0"
# Of code that is not compiled: bytes for the wire and a startup, for a byte of kernel sources, for an operator; what a
# family's code is of the first's; bytes of RAM besides arena and stack. Measured with gcc 12, and a tenth added.
AROUND, SOURCE, OPERATOR, SHARES, BUFFERS = 10_000, 0.35, 110, {"m0": 1.0, "m3": 0.78, "m4": 0.7}, 1_500

Row = Mapping[str, Any]


@final
@dataclass(frozen=True, slots=True)
class Need:
    """Bytes that a firmware takes of a chip."""

    constants: int
    code: int
    arena: int
    buffers: int  # of the wire, the input's frame among them
    stack: int

    @property
    def flash(self) -> int:
        """Of both."""
        return self.constants + self.code

    @property
    def ram(self) -> int:
        """Of all three."""
        return self.arena + self.buffers + self.stack


def fit(model: Path, chips: Sequence[Part]) -> Row:
    """What the network needs and which of the chips have it, as JSON holds it.

    Raises:
        ArtifactError: the file is missing, broken, or something in it is not supported.
    """
    program = program_of(read_graph(model))
    need = cache(needing(model, program))
    rows = [row_of(chip, need(CORES.get(chip.core, OTHERS))) for chip in chips]
    return {
        "schema": SCHEMA,
        "model": {"file": model.name, "sha256": program.graph.sha256, "bytes": program.graph.bytes},
        "code": how(),
        "macs": program.macs,
        "tflm": interpreted(model, program.graph.sha256),
        "chips": rows,
        "fits": any(row["verdict"] != "no" for row in rows),
    }


def interpreted(model: Path, sha256: str) -> Row | None:
    """The arena of TFLite Micro, for contrast; None where there is none for this machine, or it refuses the file."""
    try:
        tflm.here()
        found = tflm.examine(model, sha256)
    except (ExtraError, ArtifactError):
        return None
    return {"runtime": tflm.told(), "arena": found.arena, "allocations": found.allocations}


def how() -> str:
    """Where the size of the code comes from."""
    return version(COMPILER, PACKAGES) if shutil.which(COMPILER) else f"estimated, for there is no {COMPILER} here"


def needing(model: Path, program: Program) -> Callable[[str], Need]:
    """What the firmware takes, by family."""
    if not shutil.which(COMPILER):
        return lambda family: estimated(program, family)
    return lambda family: measured(model, program, family)


def measured(model: Path, program: Program, family: str) -> Need:
    """By building it, with more memory than it can need."""
    with TemporaryDirectory() as folder:
        generate(model, "generic-c", None, Path(folder) / "project")
        machine = Machine(family, family, FAMILIES[family], "port_mps2.c", *ROOMY, 1)
        firmware = built(Path(folder) / "project", machine)
    constants, arena = flash_of(program).bytes, program.arena.bytes
    return Need(constants, firmware.flash - constants, arena, firmware.ram - arena - STACK, STACK)


def estimated(program: Program, family: str) -> Need:
    """From the sources."""
    sources = sum(len(content) for path, content in closure(program.kernels).items() if path.endswith(".c"))
    code = SHARES[family] * (AROUND + SOURCE * sources + OPERATOR * len(program.steps))
    buffers = BUFFERS + program.input.bytes
    return Need(flash_of(program).bytes, round(code), program.arena.bytes, buffers, STACK)


def row_of(chip: Part, need: Need) -> Row:
    """A chip beside a need: shares of its memory, and the verdict."""
    shares = {"flash": need.flash / chip.flash, "ram": need.ram / chip.ram}
    lacking = [name for name, share in shares.items() if share > 1]
    return {
        **asdict(chip),
        "need": {**asdict(need), "flash": need.flash, "ram": need.ram},
        "left": {"flash": chip.flash - need.flash, "ram": chip.ram - need.ram},
        "shares": {name: round(share, 4) for name, share in shares.items()},
        "lacking": lacking,
        "verdict": "no" if lacking else "tight" if max(shares.values()) > TIGHT else "fits",
    }


def notes(rows: Sequence[Row]) -> Iterator[str]:
    """What is to be known of the chips."""
    yield from (f"{row['name']}: {row['note']}" for row in rows if row["note"])
