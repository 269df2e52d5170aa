"""``samewhy firmware verify``: a bundle put to a board, emulated or real."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from samewhy_bridge.cli_run import MachineOption, ProjectArgument
from samewhy_edge.cli import progress_bar
from samewhy_edge.cli_verify import bar, tell


def verify(
    project: ProjectArgument,
    bundle: Annotated[Path, typer.Argument(help="a bundle that samewhy bundle made")],
    out: Annotated[Path, typer.Option("--out", help="folder for verify.json and the records; a cut run goes on there")],
    machine: MachineOption = "mps2-an386",
    at: Annotated[str | None, typer.Option(help="a board with this firmware, e.g. serial:/dev/ttyACM0")] = None,
) -> None:
    """Does a board answer as the workstation, and for the same reasons? Exit 1 where not."""
    from samewhy_edge.bundle import unpack
    from samewhy_edge.files import writable
    from samewhy_edge.predictor import open_predictor
    from samewhy_edge.verify import verify_on

    writable(out)
    with TemporaryDirectory() as folder, progress_bar() as bars:
        known = unpack(bundle, Path(folder))
        subject = open_predictor(at or f"qemu:{project}?machine={machine}")
        table = verify_on(known, subject, out, lambda name, total: bar(bars, name, total))
    tell(bundle, known.sha256, table, out)
