"""Chips that one can buy, from ``parts.toml``: what a network has to fit."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, final

from samewhy_edge.errors import InputError, unknown

TABLE = Path(__file__).parent / "parts.toml"
KIB = 1024


@final
@dataclass(frozen=True, slots=True)
class Part:
    """A chip, and the memory that a program has of it, in bytes."""

    name: str
    about: str
    core: str
    flash: int
    ram: int  # in one piece
    source: str
    note: str


@cache
def parts() -> Mapping[str, Part]:
    """All of them, by name."""
    return {name: _part(name, row) for name, row in tomllib.loads(TABLE.read_text()).items()}


def _part(name: str, row: Mapping[str, Any]) -> Part:
    texts = (row["about"], row["core"])
    return Part(name, *texts, row["flash"] * KIB, row["ram"] * KIB, row["source"], row.get("note", ""))


def part_named(name: str) -> Part:
    """A chip of the table.

    Raises:
        InputError: it is not there.
    """
    if name.lower() not in parts():
        raise InputError(unknown("chip", name, parts()))
    return parts()[name.lower()]
