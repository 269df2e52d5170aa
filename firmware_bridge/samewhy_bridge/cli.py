"""``samewhy firmware``: every verb of it is a line here and a module of its own."""

import typer

from samewhy_bridge.cli_fit import fit
from samewhy_bridge.cli_generate import generate
from samewhy_bridge.cli_run import run
from samewhy_bridge.cli_verify import verify

firmware = typer.Typer(
    help="From an int8 .tflite to firmware that fits a chip, and back: the board on a wire as a predictor.",
    no_args_is_help=True,
)
firmware.command()(generate)
firmware.command()(fit)
firmware.command()(run)
firmware.command()(verify)


@firmware.callback()
def _group() -> None:
    """A group, however many verbs it has."""
