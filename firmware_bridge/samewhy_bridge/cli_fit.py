"""``samewhy firmware fit``: which chips a network fits."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from samewhy_edge.cli import stdout

Row = Mapping[str, Any]
NONE = 3  # exit code where no chip has room
COLOURS = {"fits": "green", "tight": "yellow", "no": "bold red"}


def fit(
    model: Annotated[Path, typer.Argument(help="an int8 .tflite")],
    chip: Annotated[
        list[str] | None, typer.Option(help="this one alone; may be repeated, a wrong name lists all")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="write all of it as JSON")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON in place of the table")] = False,
) -> None:
    """Which chips have the flash and the RAM for this network? Exit 3 where none has."""
    from samewhy_bridge.fit import fit as fitted
    from samewhy_bridge.parts import part_named, parts
    from samewhy_edge.files import write_json

    found = fitted(model, [part_named(name) for name in chip] if chip else list(parts().values()))
    if out:
        write_json(out, found)
    if as_json:
        stdout.print_json(json.dumps(found, sort_keys=True))
    else:
        show(found)
    if not found["fits"]:
        raise typer.Exit(NONE)


def show(found: Row) -> None:
    """For people."""
    from samewhy_bridge.fit import notes

    model, need = found["model"], found["chips"][0]["need"]
    stdout.print(f"[bold]{escape(model['file'])}[/], {model['bytes']:,} bytes, {found['macs']:,} products a sample")
    stdout.print(
        f"flash: {need['constants']:,} bytes of constants, and code ({escape(found['code'])})\n"
        f"RAM: {need['arena']:,} bytes of tensors, {need['buffers']:,} of the wire, {need['stack']:,} of stack",
        highlight=False,
        soft_wrap=True,
    )
    if found["tflm"]:
        stdout.print(f"{contrast(found['tflm'])}\n", highlight=False, soft_wrap=True)
    stdout.print(table_of(found))
    for line in notes(found["chips"]):
        stdout.print(escape(line), highlight=False, soft_wrap=True, style="dim")


def contrast(tflm: Row) -> str:
    """What TFLite Micro would take."""
    told = tflm["allocations"]
    return (
        f"for contrast: {tflm['runtime']} takes an arena of {tflm['arena']:,} bytes on a 64-bit machine "
        f"({told['head']:,} of tensors, {told['tail']:,} that stay), besides its code and the whole file"
    )


def table_of(found: Row) -> Table:
    """A row a chip."""
    shown = Table(box=None, pad_edge=False)
    shown.add_column("chip")
    shown.add_column("core")
    for name in ("flash", "of KiB", "RAM", "of KiB"):
        shown.add_column(name, justify="right")
    shown.add_column("")
    for row in found["chips"]:
        cells = [cell for name in ("flash", "ram") for cell in (f"{row['shares'][name]:.0%}", f"{row[name] >> 10:,}")]
        said = row["verdict"] + (f": {' and '.join(row['lacking'])}" if row["lacking"] else "")
        shown.add_row(row["name"], row["core"], *cells, f"[{COLOURS[row['verdict']]}]{said.replace('ram', 'RAM')}[/]")
    return shown
