"""``samewhy study | sweep | build | explain | audit | report | release | bundle | gate | compare | tables | sanity``:
the verbs of the host part.

Nothing heavy is imported before a verb runs, so that help and errors come at once.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from samewhy_edge.cli import progress_bar, stdout
from samewhy_edge.errors import ExtraError

if TYPE_CHECKING:
    from samewhy_host.crew import Crew
    from samewhy_host.run import Run
    from samewhy_host.show import Show

StudyArgument = Annotated[Path, typer.Argument(help="a study file (.toml)")]
RunArgument = Annotated[Path, typer.Argument(help="folder of a run that has been audited")]
OutOption = Annotated[Path, typer.Option("--out", help="folder of the run; finished steps in it are used again")]
SchedulerOption = Annotated[
    str | None, typer.Option("--scheduler", help="tcp://host:8786, a Dask scheduler whose workers do the asking")
]
NEEDED = (
    "torch",
    "torch_pruning",
    "onnx",
    "onnxruntime",
    "onnx2tf",
    "tensorflow",
    "captum",
    "matplotlib",
    "jinja2",
    "PIL",
    "tomli_w",
    "threadpoolctl",
)


def study(study: StudyArgument, out: OutOption, scheduler: SchedulerOption = None) -> None:
    """Build, explain, audit and report: the whole study."""
    with opened(study, out, scheduler) as run:
        from samewhy_host.run import studied

        page = studied(run)
    tell(page)


def sweep(
    study: Annotated[Path, typer.Argument(help="a study file with a [sweep] table (.toml)")],
    out: OutOption,
    scheduler: SchedulerOption = None,
) -> None:
    """Run one study over several settings, and draw where accuracy and reasons break."""
    need_host()
    from samewhy_host.sweep import read_sweep

    points = read_sweep(study)
    with shown(out) as show, hired(scheduler) as crew:
        from samewhy_host.sweeping import swept

        page = swept(points, out, show, crew)
    tell(page)


def build(study: StudyArgument, out: OutOption) -> None:
    """Train, compress, export and quantize, with a gate after every step."""
    with opened(study, out) as run:
        from samewhy_host.run import built

        built(run)
    tell(out / "manifest.json")


def explain(study: Path, out: Path) -> None:
    """Explain every rung of a study (what ``samewhy explain STUDY.toml`` does)."""
    with opened(study, out) as run:
        from samewhy_host.run import interviewed

        interviewed(run)
    tell(out / "records")


def audit(study: StudyArgument, out: OutOption, scheduler: SchedulerOption = None) -> None:
    """Compare every rung with the reference and with its neighbour above."""
    with opened(study, out, scheduler) as run:
        from samewhy_host.run import audited

        audited(run)
    tell(out / "audit.json")


def report(
    out: Annotated[Path, typer.Option("--out", help="folder of a run that has been audited")],
    study: Annotated[Path | None, typer.Argument(help="the study file, to be sure that the run is its own")] = None,
) -> None:
    """Draw the figures and the page of a run, from its files alone."""
    need_host()
    from samewhy_host.report.page import write_report
    from samewhy_host.report.reading import same_study

    if study:
        same_study(out, study)
    tell(write_report(out))


def release(study: StudyArgument, out: OutOption) -> None:
    """Build, and lay out what a device needs: ONNX, float and int8 TFLite, manifest, calibration list, card."""
    with opened(study, out / "build") as run:
        from samewhy_host.release import released

        released(run, out)
    tell(out / "card.md")


def gate(
    run: RunArgument,
    limits: Annotated[Path, typer.Argument(help="a file of limits (.toml)")],
    junit: Annotated[Path | None, typer.Option("--junit", help="write the outcome as JUnit XML")] = None,
) -> None:
    """Put limits to an audited run, from its files alone: exit code 1 where one is broken."""
    from samewhy_edge.files import write_bytes
    from samewhy_host.gate import as_junit, judge

    judged = judge(run, limits)
    if junit:
        write_bytes(junit, as_junit(judged, run))
    table = Table("limit", "of", "found", "", box=None, pad_edge=False)
    for one in judged:
        for place, found in enumerate(one.found):
            state = "[green]kept[/]" if found.kept else "[bold red]BROKEN[/]"
            table.add_row("" if place else escape(one.limit.label), found.where, found.shown, state)
    stdout.print(table)
    if any(one.broken for one in judged):
        raise typer.Exit(1)


def compare(
    first: RunArgument,
    second: RunArgument,
    out: Annotated[Path | None, typer.Option("--out", help="write all of it as JSON")] = None,
) -> None:
    """Set two audited runs side by side, from their files alone."""
    from samewhy_edge.files import write_json
    from samewhy_host.compare import compared, told

    found = compared(first, second)
    if out:
        write_json(out, found)
    for part in told(found):
        stdout.print(part, highlight=False, soft_wrap=isinstance(part, str))


def tables(
    run: RunArgument,
    parquet: Annotated[bool, typer.Option("--parquet", help="write Parquet too; needs pyarrow")] = False,
) -> None:
    """Write the tables of an audited run as CSV."""
    from samewhy_host.tables import FOLDER, write_tables

    write_tables(run, parquet)
    tell(run / FOLDER)


def sanity(
    address: Annotated[str, typer.Argument(help="litert:model.tflite?kernels=xnnpack")],
    input: Annotated[Path, typer.Option("--input", help=".npy or .npz with samples (N, *S, C)")],
    out: Annotated[Path, typer.Option("--out", help="folder for the tables and the figure")],
    methods: Annotated[Path | None, typer.Option("--methods", help="a methods file (.toml); without it two")] = None,
    empty: Annotated[Path | None, typer.Option("--empty", help=".npy or .npz with samples without an object")] = None,
) -> None:
    """Shuffle the weights of a `.tflite`, layer by layer: do its explanations change with them?"""
    need_host()
    from samewhy_edge.inputs import read_inputs
    from samewhy_edge.methods import Methods, read_methods
    from samewhy_edge.predictor import open_predictor
    from samewhy_host.report.words import number
    from samewhy_host.sanity import sanity as checked

    how = read_methods(methods)[0] if methods else Methods()
    subject = open_predictor(address)
    given = read_inputs(input, subject.spec.sample)
    targets = subject(given.samples).argmax(axis=1) if given.targets is None else given.targets
    nothing = read_inputs(empty, subject.spec.sample).samples if empty else None
    with progress_bar() as bars:
        task = bars.add_task("queries", total=None)
        asked = (address, given.samples, targets, how.explainers(), how.seed, out)
        found = checked(*asked, progress=lambda n: bars.advance(task, n), empty=nothing)
        bars.remove_task(task)
    table = Table("explainer", "verdict", "agreement", "threshold", "samples", box=None, pad_edge=False)
    for row in found["verdicts"]:
        shown = (number(row["value"]), number(row["threshold"]), f"{row['samples']} of {found['samples']}")
        table.add_row(row["explainer"], row["verdict"], *shown)
    stdout.print(table)
    if found["empty"]:
        stdout.print(emptied(found["empty"]))
    tell(out / "sanity.png")


def emptied(rows: Sequence[Mapping[str, Any]]) -> Table:
    """What maps say where there is nothing, as a share of what they say of real samples."""
    table = Table("explainer", "mass without an object", "peak", "silent", box=None, pad_edge=False)
    for row in rows:
        shown = (ratio["value"] for ratio in (row["mass"], row["peak"]))
        said = ("undefined" if value is None else f"{value:.3f}" for value in shown)
        table.add_row(row["explainer"], *said, f"{row['silent']} of {row['empty']}")
    return table


def bundle(
    run: RunArgument,
    out: Annotated[Path, typer.Option("--out", help="the bundle to write, such as model.samewhy")],
    study: Annotated[Path | None, typer.Option("--study", help="the study file, where its data lie beside it")] = None,
) -> None:
    """Pack what a device needs to verify the file that it will run: one zip."""
    with opened(study or run / "study.toml", run) as opened_run:
        from samewhy_host.bundling import bundle as bundled

        digest = bundled(opened_run, out)
    stdout.print(f"sha256 {digest}")
    tell(out)


@contextmanager
def opened(study: Path, folder: Path, scheduler: str | None = None) -> Iterator["Run"]:
    """A run of the study in the folder, with bars while it lasts.

    Raises:
        ExtraError: the host part is not installed, or what speaks to a scheduler.
        InputError: the study file.
        OutputError: the folder.
        WorkerError: the scheduler or its workers.
    """
    need_host()
    from samewhy_host.run import Run
    from samewhy_host.study import read_study

    file = read_study(study)
    with shown(folder) as show, hired(scheduler) as crew:
        yield Run(file, folder, show, crew)


@contextmanager
def shown(folder: Path) -> Iterator["Show"]:
    """Lines and bars of work that leaves its results in the folder.

    Raises:
        OutputError: the folder.
    """
    from samewhy_edge.files import writable
    from samewhy_host.show import Show

    writable(folder)
    with progress_bar() as bars:
        yield Show(partial(bars.console.print, markup=False), lambda name, total: bar(bars, name, total))


@contextmanager
def hired(scheduler: str | None) -> Iterator["Crew"]:
    """Who does the asking: threads of this process, or the workers of a Dask scheduler.

    Raises:
        ExtraError: what speaks to a scheduler is not installed.
        WorkerError: the scheduler or its workers.
    """
    from samewhy_host.crew import Threads

    if scheduler is None:
        yield Threads()
        return
    if find_spec("distributed") is None:
        raise ExtraError(
            "--scheduler needs distributed, not installed here; install it with: pip install 'samewhy[dask]'"
        )
    from samewhy_host.dask_crew import connected

    with connected(scheduler) as crew:
        yield crew


def bar(bars: Progress, name: str, total: int) -> Callable[[int], None]:
    """A bar that goes when it is full."""
    task = bars.add_task(name, total=total)

    def advance(count: int) -> None:
        bars.advance(task, count)
        if bars.tasks[bars.task_ids.index(task)].finished:
            bars.remove_task(task)

    return advance


def need_host() -> None:
    """Refuse early where the host part is not installed.

    Raises:
        ExtraError: naming what is missing and the pip line that installs it.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise ExtraError(
            f"studies need {', '.join(missing)}, not installed here; install them with: pip install 'samewhy[host]'"
        )


def tell(path: Path) -> None:
    """The line that ends a verb."""
    stdout.print(f"done: {escape(str(path))}", soft_wrap=True)
