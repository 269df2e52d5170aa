"""``qemu:DIR?machine=mps2-an386``: the firmware of a generated project on a board that QEMU emulates.

An instruction takes a nanosecond of the board's time (``-icount shift=0``), so its ticks count instructions. They say
nothing of milliseconds.
"""

import socket
import subprocess
import tempfile
import weakref
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, final

import numpy as np

from samewhy_bridge.build import built, found, version
from samewhy_bridge.device import OPTIONS, device_of, subject_of
from samewhy_bridge.link import Link, Patience
from samewhy_bridge.machines import MACHINES, Machine
from samewhy_bridge.ports import LostError, Port, Tcp
from samewhy_edge.address import Address
from samewhy_edge.errors import WireError
from samewhy_edge.predictor import Subject

EMULATOR, PACKAGES = "qemu-system-arm", "qemu-system-arm"
# Ends the emulator when whoever started it ends, however: its standard input is closed then.
WATCHED = 'exec 3<&0; "$@" </dev/null & board=$!; (read _ <&3; kill $board) 2>/dev/null & wait $board'
LISTENS = "server=on,wait=off,nodelay=on"  # an answer must not wait until there is more to send
RUNS = 5  # of which the middle one counts
GRACE = 5.0  # seconds to end


@final
@dataclass(frozen=True, slots=True)
class Board:
    """An emulated board that runs."""

    machine: Machine
    process: "subprocess.Popen[bytes]"
    port: int  # of the serial line, on this machine
    gdb: int | None  # of the debugger
    said: IO[bytes]  # on standard error

    def stop(self) -> None:
        """End it."""
        stop(self.process, self.said)

    def last_words(self) -> str:
        """What the emulator complained of."""
        if self.said.closed:
            return ""
        self.said.seek(0)
        return " ".join(self.said.read().decode("utf-8", "replace").split())[-300:]


def started(elf: Path, machine: Machine, port: int = 0, gdb: bool = False, halted: bool = False) -> Board:
    """Start an emulator, and leave it listening: for the serial line on `port` (0: any that is free), and a debugger.

    Raises:
        ExtraError: QEMU is not installed.
        WireError: the port is taken.
    """
    emulator = found(EMULATOR, PACKAGES)
    said = tempfile.TemporaryFile()  # noqa: SIM115  # kept as long as the board
    with listening(port) as serial, listening(0) if gdb else nullcontext() as debugger:
        passed = [one.fileno() for one in (serial, debugger) if one]
        command = [emulator, *arguments(elf, machine, *passed), *(["-S"] if halted else [])]
        process = subprocess.Popen(
            ["/bin/sh", "-c", WATCHED, "sh", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=said,
            pass_fds=passed,
        )
        places = [one.getsockname()[1] for one in (serial, debugger) if one]
    return Board(machine, process, places[0], places[1] if gdb else None, said)


def arguments(elf: Path, machine: Machine, serial: int, debugger: int | None = None) -> list[str]:
    """Of the emulator; it takes over sockets that listen already, so no port is ever guessed."""
    return [
        *("-M", machine.name, "-kernel", str(elf), "-display", "none", "-monitor", "none", "-icount", "shift=0"),
        *("-chardev", f"socket,id=line,fd={serial},{LISTENS}", "-serial", "chardev:line"),
        *(("-chardev", f"socket,id=gdb,fd={debugger},{LISTENS}", "-gdb", "chardev:gdb") if debugger else ()),
    ]


def listening(port: int) -> socket.socket:
    """A socket on this machine.

    Raises:
        WireError: the port is taken.
    """
    try:
        return socket.create_server(("127.0.0.1", port), backlog=1)
    except OSError as error:
        raise WireError(f"port {port}: {error.strerror}; choose another") from error


def stop(process: "subprocess.Popen[bytes]", said: IO[bytes]) -> None:
    """End what watches the emulator, and with it the emulator."""
    if process.stdin:
        with suppress(OSError):
            process.stdin.close()
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    said.close()


@final
@dataclass(frozen=True, slots=True)
class Emulated:
    """Opens lines to an emulated board; where the emulator has ended, its last words are the reason."""

    board: Board

    def __call__(self) -> Port:
        """A new line."""
        if self.board.process.poll() is not None:
            raise LostError(f"the emulator has ended: {self.board.last_words() or 'without a word'}")
        return Tcp("127.0.0.1", self.board.port)()


def open_qemu(address: Address) -> Subject:
    """The firmware of the project at ``qemu:DIR``, built where it is not yet.

    Raises:
        AddressError: an option that does not exist, or no such machine.
        ExtraError: QEMU or the compiler is not installed.
        InputError: the folder is no project, or does not compile or fit.
        WireError: the board does not answer.
    """
    address.only(*(option for option in OPTIONS if option != "dialect"), "machine")
    machine = MACHINES[address.choice("machine", tuple(MACHINES))]
    firmware = built(address.path, machine)
    board = started(firmware.elf, machine)
    try:
        return emulated(address, board)
    except BaseException:
        board.stop()
        raise


def emulated(address: Address, board: Board) -> Subject:
    """The predictor on an emulated board, which ends with it."""
    patience = Patience(address.number("timeout", Patience().seconds), address.count("tries", Patience().tries))
    link = Link(f"qemu:{address.path}", Emulated(board), patience)
    weakref.finalize(link, stop, board.process, board.said)
    opened = subject_of(address, link)
    rung = opened.spec.rung
    number = version(EMULATOR, PACKAGES).partition("version ")[2].partition(" ")[0]
    machine = f"{rung.machine}, emulated by QEMU {number}"
    return replace(opened, spec=replace(opened.spec, rung=replace(rung, machine=machine)))


def measured(subject: Subject, machine: Machine) -> int:
    """Instructions of a run, the middle of some: asked one by one, so that no byte of the next question interrupts."""
    sample = np.zeros((1, *subject.spec.sample), np.float32)
    for _ in range(RUNS):
        subject(sample)
    ticks = list(device_of(subject).ticks)[-RUNS:]
    return sorted(ticks)[RUNS // 2] * machine.instructions
