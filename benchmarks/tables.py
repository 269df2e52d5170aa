"""What the benchmarks share: a table on the screen with the same rows as JSON in runs/bench."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.subjects import OWN as MODELS
from benchmarks.subjects import samples_of
from samewhy_edge.files import write_json
from samewhy_edge.rung import machine

__all__ = ["BENCH", "MODELS", "put", "samples_of"]

WIDTH = 140  # of a table; narrower screens would cut the names
BENCH = Path("runs/bench")


def put(name: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Print the rows, and keep them with the machine that they were measured on."""
    table = Table(*rows[0], title=f"{name} on {machine()}")
    for row in rows:
        table.add_row(*map(str, row.values()))
    Console(width=WIDTH).print(table)
    write_json(BENCH / f"{name}.json", {"machine": machine(), "rows": [dict(row) for row in rows]})
