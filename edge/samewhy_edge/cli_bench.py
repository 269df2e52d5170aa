"""``samewhy bench``: what a file costs on this machine."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from samewhy_edge.cli import AddressArgument, InputOption, stderr, stdout

Row = Mapping[str, Any]
NAMES = {
    "governor": "CPU governor",
    "clock_mhz": "clock",
    "clock_limit_mhz": "clock limit",
    "temperature_c": "temperature",
    "throttled": "throttling",
    "load": "load",
    "memory_free_mb": "memory free",
    "arena": "arena",
    "profile": "profile by operator",
}


def bench(
    address: AddressArgument,
    input: InputOption = None,
    out: Annotated[Path | None, typer.Option("--out", help="write all of it as JSON")] = None,
    seconds: Annotated[float, typer.Option("--seconds", help="for each measurement")] = 2.0,
) -> None:
    """Cold start, latency, throughput by batch and threads, memory, and the machine's condition before and after."""
    from samewhy_edge.bench import benchmark
    from samewhy_edge.files import write_json
    from samewhy_edge.inputs import read_inputs
    from samewhy_edge.predictor import open_predictor
    from samewhy_edge.testing import random_samples

    subject = open_predictor(address)
    samples = read_inputs(input, subject.spec.sample).samples if input else random_samples(subject, 8)
    with stderr.status("measuring") as status:
        found = benchmark(address, samples, seconds, lambda what: status.update(f"measuring: {what}"))
    if out:
        write_json(out, found)
    rung = found["rung"]
    stdout.print(f"[bold]{escape(address)}[/], {rung['artifact']['bytes']:,} bytes", highlight=False)
    stdout.print(f"{rung['runtime']}, {rung['kernels']} kernels, {rung['machine']}\n", highlight=False)
    for table in (costs_of(found), throughput_of(found), condition_of(found)):
        stdout.print(table)
    for line in notes(found):
        stdout.print(line, highlight=False, soft_wrap=True)


def costs_of(found: Row) -> Table:
    """Cold start, latency and memory."""
    cold, single = found["cold"], found["latency"]
    rows = {
        "cold start: Python and imports, open, first query": " + ".join(
            f"{cold[key]:.3f} s" for key in ("import_s", "open_s", "first_query_s")
        ),
        "one query: median, 90 %, 99 %, slowest": ", ".join(
            f"{single[key]:.3f}" for key in ("p50_ms", "p90_ms", "p99_ms", "slowest_ms")
        )
        + f" ms, of {single['queries']:,}",
        "peak memory: imports, one query, a batch": ", ".join(
            f"{cold[key]:.1f}" for key in ("memory_imported_mb", "memory_single_mb", "memory_batch_mb")
        )
        + f" MB (batch of {cold['batch']})",
    }
    table = Table("cost", "", box=None, pad_edge=False)
    for row in rows.items():
        table.add_row(*row)
    return table


def throughput_of(found: Row) -> Table:
    """Samples a second, a row for threads and a column for batches."""
    rows = found["throughput"]
    batches = list(dict.fromkeys(row["batch"] for row in rows))
    table = Table("samples a second", *(f"batch {batch}" for batch in batches), box=None, pad_edge=False)
    for threads in dict.fromkeys(row["threads"] for row in rows):
        values = [f"{row['samples_per_second']:,.0f}" for row in rows if row["threads"] == threads]
        table.add_row("as the address says" if threads is None else f"threads {threads}", *values)
    return table


def condition_of(found: Row) -> Table:
    """The machine before and after."""
    table = Table("machine", "before", "after", box=None, pad_edge=False)
    for name in found["before"]:
        if name != "unread" and (found["before"][name] is not None or found["after"][name] is not None):
            table.add_row(NAMES[name], *(said(name, found[when][name]) for when in ("before", "after")))
    return table


def said(name: str, value: Any) -> str:
    """A reading with its unit."""
    if value is None:
        return "not read"
    if name == "throttled":
        return ", ".join(value) or "none"
    if name == "clock_mhz":
        return ", ".join(f"{one:.0f}" for one in value) + " MHz"
    unit = {"clock_limit_mhz": " MHz", "temperature_c": " °C", "memory_free_mb": " MB"}.get(name, "")
    return f"{value:,.0f}{unit}" if unit and name != "temperature_c" else f"{value}{unit}"


def notes(found: Row) -> Iterator[str]:
    """Whether the machine was slowed down, and what could not be read."""
    if found["slowed"]:
        yield f"[bold red]slowed down while it was measured:[/] {', '.join(found['slowed'])}"
    elif found["slowed"] is None:
        yield "whether the machine was slowed down could not be read"
    for name, why in found["unread"].items():
        yield f"not read: {NAMES[name]} ({escape(why)})"
