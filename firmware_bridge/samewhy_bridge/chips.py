"""Chips and their memory, from ``chips.toml``."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, final

from samewhy_edge.errors import InputError, unknown

TABLE = Path(__file__).parent / "chips.toml"
KIB = 1024
CORES = {  # flags of the compiler
    "cortex-m3": "-mcpu=cortex-m3",
    "cortex-m4": "-mcpu=cortex-m4 -mfpu=fpv4-sp-d16 -mfloat-abi=hard",
    "cortex-m7": "-mcpu=cortex-m7 -mfpu=fpv5-sp-d16 -mfloat-abi=hard",
}


@final
@dataclass(frozen=True, slots=True)
class Memory:
    """Where it begins, and its bytes."""

    start: int
    bytes: int


@final
@dataclass(frozen=True, slots=True)
class Chip:
    """What a linker script and a port need to know."""

    name: str
    about: str
    core: str
    flash: Memory
    ram: Memory
    port: str

    @property
    def flags(self) -> str:
        """Of the compiler."""
        return CORES[self.core]


@cache
def chips() -> Mapping[str, Chip]:
    """All chips, by name."""
    return {name: _chip(name, row) for name, row in tomllib.loads(TABLE.read_text()).items()}


def _chip(name: str, row: Mapping[str, Any]) -> Chip:
    flash, ram = (Memory(row[kind][0], row[kind][1] * KIB) for kind in ("flash", "ram"))
    return Chip(name, row["about"], row["core"], flash, ram, row["port"])


def chip_named(name: str) -> Chip:
    """A chip of the table.

    Raises:
        InputError: it is not there.
    """
    if name not in chips():
        raise InputError(unknown("chip", name, chips()))
    return chips()[name]
