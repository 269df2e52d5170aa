"""What the benchmarks share: subjects, and a table on the screen with the same rows as JSON in runs/bench."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from samewhy_edge.arrays import Samples
from samewhy_edge.files import write_json
from samewhy_edge.rung import machine
from samewhy_host.data.dataset import stratified
from samewhy_host.data.embedded import fashion_mnist

WIDTH = 140  # of a table; narrower screens would cut the names
MODELS = ("fashion_ds_cnn", "fashion_resnet8")


def samples_of(count: int) -> Samples:
    """Test images, the classes even."""
    test = fashion_mnist("unit").test
    return test.take(stratified(test.labels, count, seed=0)).samples


def put(name: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Print the rows, and keep them with the machine that they were measured on."""
    table = Table(*rows[0], title=f"{name} on {machine()}")
    for row in rows:
        table.add_row(*map(str, row.values()))
    Console(width=WIDTH).print(table)
    write_json(Path("runs/bench") / f"{name}.json", {"machine": machine(), "rows": [dict(row) for row in rows]})
