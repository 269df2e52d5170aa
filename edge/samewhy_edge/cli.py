"""``samewhy check | explain | judge``; other modules and parts add verbs by the entry-point group ``samewhy.verbs``."""

import os
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, final

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from samewhy_edge.errors import ExtraError, InputError, SamewhyError

if TYPE_CHECKING:  # numpy and the interpreter are loaded by the verb that needs them
    from samewhy_edge.arrays import Maps, Samples, Targets
    from samewhy_edge.budget import Budget, Spent
    from samewhy_edge.explain import Explainer
    from samewhy_edge.methods import Methods
    from samewhy_edge.predictor import Spec, Subject

VERBS = "samewhy.verbs"
INTERRUPTED = 130  # exit code of a program that was stopped by Ctrl-C
ENDS = {  # why a budget stopped asking
    "plan": "asked whole",
    "queries": "all queries of the budget",
    "seconds": "all seconds of the budget",
    "error": "error met",
}
LOCAL = ("litert", "onnx")  # runtimes of which a process may hold one for each processor
STUDY_VERBS = "samewhy.study-verbs"  # verbs of this module that other parts know how to do for a study file

app = typer.Typer(
    name="samewhy",
    help="Same answer, same why? Ask a deployed model for its reasons, and compare them with the reference's.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # panels cost half of the start-up
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
    stdout.print(introduction(address, subject.spec))
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
    methods: Annotated[Path | None, typer.Option("--methods", help="a methods file (.toml); without it two")] = None,
) -> None:
    """Explain the answers of a file, or of every rung of a study."""
    if subject.endswith(".toml"):
        if methods:
            raise InputError(f"--methods {methods} beside a study file; its [[explain]] tables hold the methods")
        study_verb("explain")(Path(subject), output)
        return
    _explain_address(subject, input, output, methods)


@app.command()
def judge(
    address: AddressArgument,
    record: Annotated[Path, typer.Option("--record", help="a record (.json) that samewhy explain or a study wrote")],
    input: Annotated[Path, typer.Option("--input", help="the samples that were explained")],
    output: Annotated[Path | None, typer.Option("--out", help="write every value as JSON")] = None,
) -> None:
    """Ask a file whether it depends on what a record's maps show: its own maps, or another rung's."""
    from samewhy_edge.files import write_json
    from samewhy_edge.judgement import judged_record
    from samewhy_edge.predictor import open_predictor

    subject = open_predictor(address)
    given = _inputs(input, subject)
    with progress_bar() as bar:
        task = bar.add_task("queries", total=None)
        found = judged_record(subject, record, given.samples, others(address, subject), partial(bar.advance, task))
        bar.remove_task(task)
    if output:
        write_json(output, found)
    stdout.print(introduction(address, subject.spec))
    table = Table("measure", "mean", "better", "samples", "convention", box=None, pad_edge=False)
    for row in (*found["faithfulness"], *found["shape"]):
        mean = "–" if row["mean"] is None else f"{row['mean']:.4g}"
        table.add_row(row["name"], mean, row["better"], f"{row['samples']}", row["convention"])
    stdout.print(table)


def _explain_address(address: str, source: Path | None, folder: Path, methods: Path | None) -> None:
    import numpy as np

    from samewhy_edge.budget import payable
    from samewhy_edge.files import writable
    from samewhy_edge.journal import Memory, name_of, remembered
    from samewhy_edge.methods import Methods, fitting, read_methods
    from samewhy_edge.picture import contact_sheet, write_png
    from samewhy_edge.predictor import check_targets, open_predictor

    if source is None:
        raise InputError("no --input given; expected a .npy or .npz with samples (N, *S, C)")
    how, identity = read_methods(methods) if methods else (Methods(), None)
    writable(folder)
    opened = open_predictor(address)
    given = _inputs(source, opened)
    fitting(how.explainers(), given.samples, how.seed)
    for explainer in how.explainers():
        payable(explainer, opened.spec.sample, how.seed, how.budget)
    memory = Memory.resumed(opened.spec, folder / "journal" / name_of(opened.spec))
    crew = [remembered(one, memory) for one in (opened, *others(address, opened))]
    scores = crew[0](given.samples)
    targets = scores.argmax(axis=1) if given.targets is None else given.targets
    check_targets(targets, len(given.samples), opened.spec.classes)
    asked = _Asked(crew, given.samples, targets, how, identity, folder / "records")
    with progress_bar() as bar:
        made = [_ask(asked, explainer, bar) for explainer in how.explainers()]
    write_png(folder / "maps.png", contact_sheet(given.samples[:32], [maps[:32] for maps, _ in made]))
    stdout.print(introduction(address, opened.spec))
    answers = ", ".join(f"{label}" for label in np.unique(targets))
    stdout.print(
        f"{len(targets)} samples explained for classes {answers}; maps.png and records/ are in {escape(str(folder))}"
    )
    for _, line in made:
        stdout.print(line, soft_wrap=True, highlight=False)
    stdout.print(f"{memory.asked:,} queries asked now, {memory.repeated:,} remembered or repeated")


@final
@dataclass(frozen=True, slots=True)
class _Asked:
    """What every method of a run shares."""

    crew: "list[Subject]"
    samples: "Samples"
    targets: "Targets"
    methods: "Methods"
    identity: str | None  # SHA-256 of the methods file
    folder: Path


def _ask(asked: _Asked, explainer: "Explainer", bar: Progress) -> "tuple[Maps, str]":
    """Ask one method and write its record; the maps, and the line that tells how it went."""
    from samewhy_edge.budget import expected, fixed, spend
    from samewhy_edge.explain import knowing
    from samewhy_edge.plan import digest
    from samewhy_edge.record import arrays_of, record_of, save

    (first, *more), samples, targets, how = asked.crew, asked.samples, asked.targets, asked.methods
    total = expected(explainer, samples.shape[1:], how.seed, how.budget)
    task = bar.add_task(explainer.name, total=total and total * len(samples))
    before = first.answered() if first.answered else {}
    spent = spend(first, samples, targets, explainer, how.seed, how.budget, partial(bar.advance, task), more)
    bar.update(task, total=spent.queries * len(samples))
    found = (knowing(spent.explainer, samples), spent.plan, spent.answers, targets, spent.maps, spent.errors)
    arrays = arrays_of(*found, every_class=how.classes == "all")
    record = record_of(
        first.spec.rung,
        spent.explainer,
        digest(spent.plan),
        spent.queries,
        arrays,
        spent.seconds,
        how.seed,
        samples,
        targets,
        spent.stopped,
        methods=asked.identity,
        wire=first.spec.wire,
        answered={name: n - before[name] for name, n in first.answered().items()} if first.answered else None,
    )
    save(record, arrays, asked.folder / explainer.name)
    return arrays.maps, _line(spent, record.reliability, how.budget, fixed(explainer, samples.shape[1:]))


def _line(spent: "Spent", reliability: float | None, budget: "Budget", fixed: bool) -> str:
    """How a method went, in one line."""
    from samewhy_edge.budget import Budget

    parts = [
        f"{spent.queries:,} queries a sample",
        f"{spent.seconds:.3g} s",
        _error(spent.relative_error),
        *([] if reliability is None else [f"reliability {reliability:.3f}"]),
        *([] if budget == Budget() else [ENDS[spent.stopped]]),
        *(["its plan cannot be cut short"] if fixed and budget != Budget() else []),
    ]
    if budget.error and (ahead := spent.forecast(budget.error)):
        parts.append(
            f"{100 * budget.error:g} % would take about {ahead.queries:,} queries, {ahead.seconds:.3g} s in all"
        )
    return f"{spent.explainer.name}: {', '.join(parts)}"


def _error(value: float) -> str:
    if value == 0:
        return "nothing drawn, no error"
    return "error unknown" if value != value else f"largest error {100 * value:.3g} % of a map's span"


def others(address: str, subject: "Subject", count: int | None = None) -> "list[Subject]":
    """More of the same predictor, to be asked at the same time.

    In this process one for each further processor, or `count` in all; what is on a wire is asked as often as it bears.
    """
    from samewhy_edge.address import parse_address
    from samewhy_edge.predictor import open_predictor

    if parse_address(address).runtime not in LOCAL:
        return [subject] * (subject.at_once - 1)
    return [open_predictor(address) for _ in range((count or os.cpu_count() or 1) - 1)]


def _inputs(source: Path, subject: "Subject") -> Any:
    from samewhy_edge.inputs import read_inputs

    return read_inputs(source, subject.spec.sample)


def introduction(address: str, spec: "Spec") -> str:
    """What was opened, in a few lines."""
    rung = spec.rung
    shape = "x".join(map(str, spec.sample))
    return (
        f"[bold]{escape(address)}[/]\n{rung.artifact.bytes:,} bytes, sha256 {rung.artifact.sha256[:16]}\n"
        f"input {shape}, {_end(spec.input)}; output {spec.classes} scores, {_end(spec.output)}\n"
        f"{rung.runtime}, {rung.kernels} kernels, {rung.machine}\n"
        + (f"by way of {escape(spec.wire)}\n" if spec.wire else "")
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


def _warned(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,
    line: str | None = None,
) -> None:
    """Our own warnings are sentences, not places in a program."""
    if category.__module__.startswith("samewhy_"):
        stderr.print(f"[bold yellow]samewhy:[/] {escape(str(message))}", highlight=False, soft_wrap=True)
        return
    sys.stderr.write(warnings.formatwarning(message, category, filename, lineno, line))


def _add(name: str, verb: Any) -> None:
    """A verb, or a group of them below one name."""
    if isinstance(verb, typer.Typer):
        app.add_typer(verb, name=name)
    else:
        app.command(name)(verb)


def main() -> None:
    """Run the command line: a sentence and exit code 2 for what the user can mend, 130 when interrupted."""
    for point in sorted(entry_points(group=VERBS), key=lambda point: point.name):
        _add(point.name, point.load())
    warnings.showwarning = _warned
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
