"""``samewhy check | explain | bench``; other parts add their verbs through the entry-point group ``samewhy.verbs``."""

import sys
from collections.abc import Callable
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from samewhy_edge.errors import ExtraError, InputError, SamewhyError

VERBS = "samewhy.verbs"
INTERRUPTED = 130  # exit code of a program that was stopped by Ctrl-C
STUDY_VERBS = "samewhy.study-verbs"  # verbs of this module that other parts know how to do for a study file

app = typer.Typer(
    name="samewhy",
    help="Same answer, same why? Ask a deployed model for its reasons, and compare them with the reference's.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
stdout, stderr = Console(), Console(stderr=True)

AddressArgument = Annotated[str, typer.Argument(help="runtime:path, e.g. litert:model.tflite?kernels=xnnpack")]
InputOption = Annotated[Path | None, typer.Option("--input", help=".npy or .npz with samples (N, *S, C)")]


@app.command()
def check(address: AddressArgument, input: InputOption = None) -> None:
    """Run the predictor contract: what an explanation of this file relies on."""
    from samewhy_edge.predictor import open_predictor
    from samewhy_edge.testing import check_predictor

    subject = open_predictor(address)
    samples = _inputs(input, subject).samples if input else None
    stdout.print(_identity(address, subject.spec))
    table = Table("promise", "", "seen", box=None, pad_edge=False)
    kept = True
    for one in check_predictor(subject, samples):
        kept &= one.kept
        table.add_row(one.promise, "[green]kept[/]" if one.kept else "[bold red]BROKEN[/]", one.seen)
    stdout.print(table)
    if not kept:
        raise typer.Exit(1)


@app.command()
def explain(
    subject: Annotated[str, typer.Argument(help="an address, or a study file (.toml)")],
    output: Annotated[Path, typer.Option("--out", help="folder for records, maps and a picture")],
    input: InputOption = None,
) -> None:
    """Explain the answers of a file, or of every rung of a study."""
    if subject.endswith(".toml"):
        study_verb("explain")(Path(subject), output)
        return
    _explain_address(subject, input, output)


@app.command()
def bench(address: AddressArgument, input: InputOption = None) -> None:
    """Milliseconds a sample, one at a time and in a batch."""
    from samewhy_edge.bench import timing
    from samewhy_edge.predictor import open_predictor
    from samewhy_edge.testing import random_samples

    subject = open_predictor(address)
    samples = _inputs(input, subject).samples if input else random_samples(subject, 8)
    taken = timing(subject, samples)
    stdout.print(_identity(address, subject.spec))
    stdout.print(f"one at a time  {taken.single_p50:.3f} ms (median), {taken.single_p90:.3f} ms (90th percentile)")
    stdout.print(f"batch of {taken.batch:<4}  {taken.batched:.3f} ms a sample")


def _explain_address(address: str, source: Path | None, folder: Path) -> None:
    import numpy as np

    from samewhy_edge.explain import DEFAULTS
    from samewhy_edge.files import writable
    from samewhy_edge.journal import Remembering, name_of
    from samewhy_edge.picture import contact_sheet, write_png
    from samewhy_edge.predictor import Subject, check_targets, open_predictor
    from samewhy_edge.record import record_of, save

    if source is None:
        raise InputError("no --input given; expected a .npy or .npz with samples (N, *S, C)")
    writable(folder)
    opened = open_predictor(address)
    given = _inputs(source, opened)
    memory = Remembering.resumed(opened, folder / "journal" / name_of(opened.spec))
    subject = Subject(opened.spec, memory)
    scores = subject(given.samples)
    targets = scores.argmax(axis=1) if given.targets is None else given.targets
    check_targets(targets, len(given.samples), subject.spec.classes)
    columns = []
    with progress_bar() as bar:
        for explainer in DEFAULTS:
            queries = len(explainer.plan(given.samples.shape[1:-1], 0)) * len(given.samples)
            advance = partial(bar.advance, bar.add_task(explainer.name, total=queries))
            record, maps = record_of(subject, given.samples, targets, explainer, progress=advance)
            save(record, maps, folder / "records" / explainer.name)
            columns.append(maps)
    write_png(folder / "maps.png", contact_sheet(given.samples[:32], [maps[:32] for maps in columns]))
    stdout.print(_identity(address, subject.spec))
    answers = ", ".join(f"{label}" for label in np.unique(targets))
    stdout.print(
        f"{len(targets)} samples explained for classes {answers}; maps.png and records/ are in {escape(str(folder))}"
    )
    stdout.print(f"{memory.asked:,} queries asked now, {memory.repeated:,} remembered or repeated")


def _inputs(source: Path, subject: Any) -> Any:
    from samewhy_edge.inputs import read_inputs

    return read_inputs(source, subject.spec.sample)


def _identity(address: str, spec: Any) -> str:
    rung = spec.rung
    shape = "x".join(map(str, spec.sample))
    return (
        f"[bold]{escape(address)}[/]\n{rung.artifact.bytes:,} bytes, sha256 {rung.artifact.sha256[:16]}\n"
        f"input {shape}, {_end(spec.input)}; output {spec.classes} scores, {_end(spec.output)}\n"
        f"{rung.runtime}, {rung.kernels} kernels, {rung.machine}\n"
    )


def _end(coding: Any) -> str:
    if coding is None:
        return "real numbers"
    low, high = coding.span()
    return f"{coding.dtype} from {low:.4g} to {high:.4g} in steps of {coding.scale:.4g}"


def progress_bar() -> Progress:
    """Bars on standard error, with the time that is left."""
    return Progress(
        TextColumn("{task.description:<28}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=stderr,
        transient=False,
    )


def study_verb(name: str) -> Callable[[Path, Path], None]:
    """How another part does a verb of this module for a study file.

    Raises:
        ExtraError: that part is not installed.
    """
    points = {point.name: point for point in entry_points(group=STUDY_VERBS)}
    if name not in points:
        raise ExtraError(f"studies need the host part; install it with: pip install 'samewhy[host]' ({name})")
    verb: Callable[[Path, Path], None] = points[name].load()
    return verb


def main() -> None:
    """Run the command line: a sentence and exit code 2 for what the user can mend, 130 when interrupted."""
    for point in sorted(entry_points(group=VERBS), key=lambda point: point.name):
        app.command(point.name)(point.load())
    try:
        app()
    except SamewhyError as error:
        stderr.print(f"[bold red]samewhy:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(2)
    except SystemExit as end:
        if end.code == INTERRUPTED:  # typer's answer to Ctrl-C
            stderr.print("\nsamewhy: interrupted; finished steps are kept, run the same command to go on")
        raise


if __name__ == "__main__":
    main()
