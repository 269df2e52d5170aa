"""``samewhy firmware generate``: a `.tflite` file as a folder of C."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from samewhy_edge.cli import stdout


def generate(
    model: Annotated[Path, typer.Argument(help="an int8 .tflite")],
    out: Annotated[Path, typer.Option("--out", help="a new folder, or one that this verb made")],
    target: Annotated[str, typer.Option(help="for what the folder is; a wrong name lists them")] = "generic-c",
    chip: Annotated[str | None, typer.Option(help="of a target with a linker script; a wrong name lists them")] = None,
) -> None:
    """Write C that answers as the file does under TFLite Micro, bit for bit, without heap and without a library."""
    from samewhy_bridge.generate import generate as generated

    made = generated(model, target, chip, out)
    operators = sum(made["operators"].values())
    by = f"{len(made['kernels'])} kernels" if "kernels" in made else made["runtime"]
    stdout.print(
        f"[bold]{escape(str(out))}[/]: {operators} operators by {by}, "
        f"{made['constant_bytes']:,} bytes of constants, {made['arena_bytes']:,} bytes of tensors, "
        f"{made['macs']:,} products a sample" + ("; size.txt tells where" if "size.txt" in made["files"] else ""),
        soft_wrap=True,
        highlight=False,
    )
