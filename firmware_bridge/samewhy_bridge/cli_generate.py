"""``samewhy firmware generate``: a `.tflite` file as a folder of C."""

from pathlib import Path
from typing import Annotated

import typer


def generate(
    model: Annotated[Path, typer.Argument(help="an int8 .tflite")],
    out: Annotated[Path, typer.Option("--out", help="a new folder, or one that this verb made")],
    target: Annotated[str, typer.Option(help="for what the folder is")] = "generic-c",
) -> None:
    """Write C that answers as the file does, bit for bit, without heap and without a library."""
    raise typer.Exit(1)
