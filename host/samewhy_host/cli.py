"""``samewhy study | build | explain | audit | report | release``: the verbs of the host part.

Nothing heavy is imported before a verb runs, so that help and errors come at once.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.progress import Progress

from samewhy_edge.cli import progress_bar, stdout
from samewhy_edge.errors import ExtraError

if TYPE_CHECKING:
    from samewhy_host.run import Run

StudyArgument = Annotated[Path, typer.Argument(help="a study file (.toml)")]
OutOption = Annotated[Path, typer.Option("--out", help="folder of the run; finished steps in it are used again")]
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
)


def study(study: StudyArgument, out: OutOption) -> None:
    """Build, explain, audit and report: the whole study."""
    with opened(study, out) as run:
        from samewhy_host.run import studied

        page = studied(run)
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


def audit(study: StudyArgument, out: OutOption) -> None:
    """Compare every rung with the reference and with its neighbour above."""
    with opened(study, out) as run:
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


@contextmanager
def opened(study: Path, folder: Path) -> Iterator["Run"]:
    """A run of the study in the folder, with bars while it lasts.

    Raises:
        ExtraError: the host part is not installed.
        InputError: the study file.
        OutputError: the folder.
    """
    need_host()
    from samewhy_edge.files import writable
    from samewhy_host.run import Run
    from samewhy_host.show import Show
    from samewhy_host.study import read_study

    file = read_study(study)
    writable(folder)
    with progress_bar() as bars:
        yield Run(file, folder, Show(bars.console.print, lambda name, total: bar(bars, name, total)))


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
