"""``samewhy firmware run``: a generated project on an emulated board."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from samewhy_edge.cli import introduction, stdout

if TYPE_CHECKING:  # loaded by the verb, so that help does not wait
    from samewhy_bridge.build import Firmware
    from samewhy_bridge.machines import Machine
    from samewhy_bridge.qemu import Board
    from samewhy_edge.predictor import Subject

ProjectArgument = Annotated[Path, typer.Argument(help="a project that samewhy firmware generate made")]
MachineOption = Annotated[str, typer.Option(help="mps2-an386 (M4), mps2-an385 (M3), mps2-an500 (M7), lm3s6965evb")]


def run(
    project: ProjectArgument,
    machine: MachineOption = "mps2-an386",
    smoke: Annotated[bool, typer.Option("--smoke", help="check that it answers as a predictor must, then end")] = False,
    ask: Annotated[Path | None, typer.Option(help=".npy or .npz with samples: print their scores, then end")] = None,
    port: Annotated[int, typer.Option(help="of the serial line; 0 takes any that is free", min=0, max=65535)] = 0,
) -> None:
    """Build a project for a board that QEMU emulates, start it, and say how to ask it; until Ctrl-C or SIGTERM."""
    from samewhy_bridge.build import built
    from samewhy_bridge.machines import machine_named
    from samewhy_bridge.qemu import started

    chosen = machine_named(machine)
    firmware = built(project, chosen)
    stdout.print(sizes_of(firmware, chosen), highlight=False)
    board = started(firmware.elf, chosen, port, gdb=True)
    try:
        if smoke or ask:
            once(project, board, ask)
        else:
            wait(board, firmware.elf)
    finally:
        board.stop()


def sizes_of(firmware: "Firmware", machine: "Machine") -> str:
    """What it takes of the machine."""
    parts = ((firmware.flash, machine.flash[1], "flash"), (firmware.ram, machine.ram[1], "RAM"))
    told = ", ".join(f"{used:,} B of {room >> 10:,} KiB {name}" for used, room, name in parts)
    return f"[bold]{escape(str(firmware.elf))}[/]: {told} on {machine.name} ({machine.core})"


def wait(board: "Board", elf: Path) -> None:
    """Say how to ask it, and let it run."""
    from samewhy_edge.cli_serve import stopped

    stdout.print(f"ask it at [bold]tcp:127.0.0.1:{board.port}[/]", highlight=False, soft_wrap=True)
    stdout.print(f"debug it at gdb:127.0.0.1:{board.gdb}?elf={escape(str(elf))}", highlight=False, soft_wrap=True)
    stop = stopped()
    while not stop.wait(0.5) and board.process.poll() is None:
        pass
    if board.process.poll() is not None:
        stdout.print(f"the emulator has ended: {escape(board.last_words())}", highlight=False)


def once(project: Path, board: "Board", samples: Path | None) -> None:
    """One round: the contract of a predictor, or the scores of some samples; then what a run costs."""
    from samewhy_bridge.qemu import emulated, measured
    from samewhy_edge.address import Address
    from samewhy_edge.testing import check_predictor

    subject = emulated(Address("qemu", project, {}), board)
    stdout.print(introduction(f"qemu:{project}", subject.spec), end="")
    stdout.print(cost(measured(subject, board.machine), subject), highlight=False)
    if samples:
        stdout.print(scores_of(subject, samples))
        return
    broken = [one for one in check_predictor(subject) if not one.kept]
    for one in broken:
        stdout.print(f"[bold red]BROKEN[/] {one.promise} ({one.seen})", highlight=False)
    stdout.print("it keeps the contract of a predictor" if not broken else "see samewhy check")
    if broken:
        raise typer.Exit(1)


def cost(count: int, subject: "Subject") -> str:
    """Instructions of a run; never a time."""
    from samewhy_bridge.device import device_of

    macs = device_of(subject).about.macs
    per = f", {count / macs:.1f} for each of {macs:,} products" if macs else ""
    return f"{count:,} instructions (emulated) a run{per}"


def scores_of(subject: "Subject", samples: Path) -> Table:
    """The best class and its score for each sample."""
    from samewhy_edge.inputs import read_inputs

    scores = subject(read_inputs(samples, subject.spec.sample).samples)
    shown = Table("sample", "class", "score", box=None, pad_edge=False)
    for place, row in enumerate(scores):
        shown.add_row(f"{place}", f"{row.argmax()}", f"{row.max():.6g}")
    return shown
