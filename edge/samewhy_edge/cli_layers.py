"""``samewhy layers``: where two runtimes of one integer file part ways."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from samewhy_edge.cli import AddressArgument, stdout

Row = Mapping[str, Any]
SHOWN = 6  # steps of a layer, the most frequent ones


def layers(
    first: AddressArgument,
    second: AddressArgument,
    input: Annotated[Path, typer.Option("--input", help=".npy or .npz with samples (N, *S, C)")],
    out: Annotated[Path | None, typer.Option("--out", help="write all of it as JSON")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON in place of the table")] = False,
) -> None:
    """Which operator of a file is the first to give other codes under another runtime? Exit 1 where one does."""
    from samewhy_edge.differ import differ
    from samewhy_edge.files import write_json
    from samewhy_edge.inputs import read_inputs
    from samewhy_edge.predictor import open_predictor

    one, other = open_predictor(first), open_predictor(second)
    found = differ(one, other, read_inputs(input, one.spec.sample).samples)
    if out:
        write_json(out, found)
    if as_json:
        stdout.print_json(json.dumps(found, sort_keys=True))
    else:
        show(first, second, found)
    if found["first_diverging"]:
        raise typer.Exit(1)


def show(first: str, second: str, found: Row) -> None:
    """For people."""
    for name, run in zip((first, second), found["runs"], strict=True):
        told = f"{run['runtime']}, {run['kernels']} kernels, {run['machine']}"
        stdout.print(f"[bold]{escape(name)}[/]\n  {escape(told)}", highlight=False, soft_wrap=True)
    stdout.print(f"{found['artifact']['bytes']:,} bytes, {found['samples']:,} samples\n", highlight=False)
    stdout.print(table_of(found))
    for line in notes(found):
        stdout.print(line, highlight=False, soft_wrap=True)


def table_of(found: Row) -> Table:
    """A row a layer."""
    shown = Table(box=None, pad_edge=False)
    for name, side in (("layer", "left"), ("codes", "right"), ("differ", "right"), ("share", "right")):
        shown.add_column(name, justify=side)  # type: ignore[arg-type]  # one of its literals
    shown.add_column("largest", justify="right")
    shown.add_column("steps", overflow="fold")
    for row in found["rows"]:
        differs = row["differing"]
        share = f"{100 * differs / row['elements']:.3g} %" if differs else ""
        marked = "bold red" if row == found["first_diverging"] else None
        cells = (f"{row['elements']:,}", f"{differs:,}", share, f"{row['largest'] or ''}", steps_of(row["histogram"]))
        shown.add_row(f"{row['place']} {row['operator']}", *cells, style=marked)
    return shown


def steps_of(histogram: Mapping[str, int]) -> str:
    """Counts by signed difference, 0 left out."""
    counts = sorted(((int(step), count) for step, count in histogram.items() if step != "0"), key=lambda one: -one[1])
    said = ", ".join(f"{step:+d}: {count:,}" for step, count in sorted(counts[:SHOWN]))
    return said + (f", {len(counts) - SHOWN} more" if len(counts) > SHOWN else "")


def notes(found: Row) -> Iterator[str]:
    """The answer in a sentence, and what the table could not hold."""
    first = found["first_diverging"]
    yield ""
    if first:
        yield f"the first operator that gives other codes is {first['place']} {first['operator']} ({first['tensor']})"
    else:
        yield "every layer that both tell is equal bit for bit"
    for run in found["runs"]:
        if run["alone"]:
            yield f"told by {run['runtime']} alone: {', '.join(run['alone'])}"
