"""``samewhy verify``: a bundle put to this machine."""

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from samewhy_edge.cli import progress_bar, stdout

Row = Mapping[str, Any]


def verify(
    bundle: Annotated[Path, typer.Argument(help="a bundle that samewhy bundle made")],
    out: Annotated[Path, typer.Option("--out", help="folder for verify.json and the records; a cut run goes on there")],
    kernels: Annotated[list[str] | None, typer.Option("--kernels", help="these alone; may be repeated")] = None,
) -> None:
    """Do the files of a bundle answer here as on the workstation, and for the same reasons? Exit 1 where not."""
    from samewhy_edge.bundle import unpack
    from samewhy_edge.files import writable
    from samewhy_edge.verify import verify as verified

    writable(out)
    with TemporaryDirectory() as folder, progress_bar() as bars:
        known = unpack(bundle, Path(folder))
        table = verified(known, out, tuple(kernels or ()), lambda name, total: bar(bars, name, total))
    tell(bundle, known.sha256, table, out)


def tell(bundle: Path, sha256: str, table: Row, out: Path) -> None:
    """All tables of what a bundle was put to.

    Raises:
        Exit: with 1 where it did not pass.
    """
    stdout.print(f"[bold]{escape(str(bundle))}[/], sha256 {sha256[:16]}\n{table['machine']}\n", highlight=False)
    stdout.print(answers_of(table))
    stdout.print(reasons_of(table))
    for line in notes(table):
        stdout.print(line, highlight=False, soft_wrap=True)
    stdout.print(f"done: {escape(str(out / 'verify.json'))}", soft_wrap=True)
    if not table["passed"]:
        raise typer.Exit(1)


def bar(bars: Progress, name: str, total: int) -> Callable[[int], None]:
    """A bar that stays."""
    task = bars.add_task(name, total=total)
    return lambda count: bars.advance(task, count)


def answers_of(table: Row) -> Table:
    """Promises, codes, labels and accuracy of every rung."""
    shown = Table("rung", "promises", "codes", "labels", "accuracy", "there", box=None, pad_edge=False)
    for row in table["rungs"]:
        if row["why_not"]:
            shown.add_row(row["name"], "[bold red]NOT OPENED[/]", "", "", "", "")
            continue
        kept = sum(one["kept"] for one in row["promises"])
        broken = kept < len(row["promises"])
        promises = f"[bold red]{kept} of {len(row['promises'])} kept[/]" if broken else f"{kept} kept"
        labels = f"{row['flips']:,} of {row['tested']:,} differ" if row["flips"] else "the same"
        accuracy = (f"{row[key]:.4f}" for key in ("accuracy", "accuracy_there"))
        shown.add_row(row["name"], promises, codes_of(row), labels, *accuracy)
    return shown


def codes_of(row: Row) -> str:
    """How the codes of a rung differ from the workstation's."""
    codes = row["codes"]
    if codes["equal"]:
        return "[green]equal[/]"
    if "largest" not in codes:
        return f"differ by at most {codes['largest_difference']:.3g}"
    said = f"{codes['differing']:,} of {codes['elements']:,} differ, by at most {codes['largest']}"
    return said if row["passed"] else f"[bold red]{said}[/]"


def reasons_of(table: Row) -> Table:
    """Agreement of the maps, by the main measure."""
    shown = Table(
        "rung", "explainer", "queries", "with the workstation", "with the reference", box=None, pad_edge=False
    )
    for row in table["rungs"]:
        for one in row.get("explainers", ()):
            values = (agreement(one, against) for against in ("workstation", "reference"))
            shown.add_row(row["name"], one["name"], f"{one['queries']}", *values)
    return shown


def agreement(one: Row, against: str) -> str:
    """Mean and lowest, or that the maps are equal bit for bit."""
    found = next(row for row in one["agreements"] if row["against"] == against)
    if found["equal"]:
        return "equal bit for bit"
    if found["value"] is None:
        return "undefined"
    undefined = f", undefined for {found['undefined']}" if found["undefined"] else ""
    return f"{found['value']:.4f}, lowest {found['lowest']:.3f} ({found['measure']}{undefined})"


def notes(table: Row) -> list[str]:
    """What does not fit a table: why a file was not opened, broken promises, where layers part."""
    said = []
    for row in table["rungs"]:
        if row["why_not"]:
            said.append(f"{row['name']}: {escape(row['why_not'])}")
            continue
        said += [
            f"{row['name']}: broken: {one['promise']} ({one['seen']})" for one in row["promises"] if not one["kept"]
        ]
        if row["layers"] and row["layers"]["first_diverging"]:
            said.append(
                f"{row['name']}: the first operator that gives other codes is {row['layers']['first_diverging']}"
            )
    return said
