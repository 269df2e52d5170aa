"""Boards that QEMU emulates, each with what it takes to build for it."""

from dataclasses import dataclass
from typing import final

from samewhy_edge.errors import InputError, unknown

KIB, MIB = 2**10, 2**20


@final
@dataclass(frozen=True, slots=True)
class Machine:
    """A board of QEMU."""

    name: str  # as QEMU calls it
    core: str
    flags: tuple[str, ...]  # of the compiler
    port: str  # source of the port layer
    flash: tuple[int, int]  # where it begins, bytes
    ram: tuple[int, int]
    instructions: int  # a tick of its counter, where an instruction takes a nanosecond of its time (-icount shift=0)


M3 = ("-mcpu=cortex-m3",)
M4 = ("-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard")
M7 = ("-mcpu=cortex-m7", "-mfpu=fpv5-sp-d16", "-mfloat-abi=hard")
ROOMY = (0x0, 4 * MIB), (0x20000000, 4 * MIB)

MACHINES = {
    one.name: one
    for one in (
        Machine("mps2-an386", "Cortex-M4", M4, "port_mps2.c", *ROOMY, 40),
        Machine("mps2-an385", "Cortex-M3", M3, "port_mps2.c", *ROOMY, 40),
        Machine("mps2-an500", "Cortex-M7", M7, "port_mps2.c", *ROOMY, 40),
        Machine("lm3s6965evb", "Cortex-M3", M3, "port_lm3s6965evb.c", (0x0, 256 * KIB), (0x20000000, 64 * KIB), 80),
    )
}


def machine_named(name: str) -> Machine:
    """A machine.

    Raises:
        InputError: there is none of that name.
    """
    if name not in MACHINES:
        raise InputError(unknown("machine", name, MACHINES))
    return MACHINES[name]
