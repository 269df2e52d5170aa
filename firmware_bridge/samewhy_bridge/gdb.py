"""``gdb:host:port?elf=firmware.elf``: a board without a wire, asked through its debugger.

The input is written into the board's memory, `samewhy_invoke` is run to its end, the output is read. The symbols of the
ELF file tell where; that this is the file which was flashed is checked before anything of it is run.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from samewhy_bridge.about import About, read_about, usable
from samewhy_bridge.debugger import LR, PC, SP, WORD, Debugger
from samewhy_bridge.device import EXPECTED, expected
from samewhy_bridge.elf import Elf, Symbol, read_elf
from samewhy_bridge.ports import LostError, TroubleError, tcp_of
from samewhy_edge.address import Address
from samewhy_edge.arrays import Samples, Scores
from samewhy_edge.errors import AddressError, ArtifactError, WireError
from samewhy_edge.predictor import Spec, Subject

CALLED = ("samewhy_about", "samewhy_input", "samewhy_output", "samewhy_invoke")
PLACES = ("samewhy_wire_poll", "main")  # where it is halted: all is set up there
ROOM = 1024  # bytes below the stack for what `samewhy_about` tells
TOLD = 512  # bytes of it at most
REACHED = 3.0  # seconds until it is there, if it ever comes there
PAUSE = 0.2


@final
@dataclass(slots=True)
class Debugged:
    """A board behind its debugger, as a predictor."""

    where: str
    debugger: Debugger
    elf: Elf
    seconds: float  # for a run
    tries: int
    about: About | None = None
    _ends: tuple[int, int] | None = None  # where the input and the output are; None while nothing is known
    _registers: bytearray = field(default_factory=bytearray)  # where it was halted
    _place: int = 0

    def __call__(self, samples: Samples, /) -> Scores:
        """Scores of shape (N, K) for samples of shape (N, *S, C)."""
        coding = self.introduced().input.coding()
        return self.coded(coding.encode(samples) if coding else samples)

    def coded(self, codes: NDArray[Any], /) -> Scores:
        """Scores of shape (N, K) for what the input tensor holds, (N, *S, C)."""
        about = self.introduced()
        rows = codes.astype(about.input.dtype, copy=False)
        outputs = about.output.read(b"".join([self._patiently(row.tobytes()) for row in rows]))
        scores, coding = outputs.reshape(len(rows), about.classes), about.output.coding()
        return coding.decode(scores) if coding else scores.astype(np.float32)

    def introduced(self) -> About:
        """What the board says of itself.

        Raises:
            WireError: the debugger cannot be reached, or the board no longer holds what it held.
        """
        if self.about is None:
            self._patiently(None)
        if self.about is None:
            raise WireError(f"{self.where}: said nothing of itself")  # of no tries
        return self.about

    def close(self) -> None:
        """Let the board go on where it was."""
        if self._ends is not None:
            try:
                self.debugger.set_registers(bytes(self._registers))
            except (TroubleError, LostError):
                self._ends = None
        self._ends = None
        self.debugger.detach()

    def __del__(self) -> None:
        """A line ends with whoever kept it."""
        self.close()

    def _patiently(self, content: bytes | None) -> bytes:
        for left in reversed(range(self.tries)):
            try:
                ends = self._begun()
                return b"" if content is None else self._once(ends, content)
            except (TroubleError, LostError) as trouble:
                self._ends = None
                self.debugger.detach()
                if not left:
                    raise WireError(
                        f"{self.where}: {trouble}, tried {self.tries} times; see whether the debugger's server runs "
                        "and nobody else uses it, then run the same command: answers so far are kept"
                    ) from trouble
                time.sleep(PAUSE * 2 ** (self.tries - left - 1))
        raise WireError(f"{self.where}: not asked at all")  # of no tries

    def _once(self, ends: tuple[int, int], content: bytes) -> bytes:
        """A run begins with its input: the arena may have given its room to later tensors."""
        about = self.introduced()
        self.debugger.write(ends[0], content)
        self._call("samewhy_invoke")
        return self.debugger.read(ends[1], about.output.size)

    def _begun(self) -> tuple[int, int]:
        """Halt it where all is set up, look who it is, and where its ends are."""
        if self._ends is not None:
            return self._ends
        self.debugger.attach()
        self._same_file()
        self._halted()
        self._known(self._told())
        self._ends = self._call("samewhy_input"), self._call("samewhy_output")
        return self._ends

    def _same_file(self) -> None:
        """Nothing is run by the symbols of a file that is not the board's.

        Raises:
            ArtifactError: another firmware.
        """
        for name in (*CALLED, "samewhy_model"):
            symbol = self.elf.symbols[name]
            if self.debugger.read(symbol.address, symbol.size) != self.elf.content(symbol):
                raise ArtifactError(
                    f"{self.where}: what the board holds at {name} is not what {self.elf.path} holds; "
                    "expected the file that was flashed"
                )

    def _halted(self) -> None:
        """At a place where functions can be called; where it sleeps instead, that will do."""
        self._place = next(self.elf.symbols[name].address for name in PLACES if name in self.elf.symbols)
        if word(self.debugger.registers(), PC) != self._place:
            with self.debugger.breakpoint(self._place):
                self.debugger.run(REACHED)
        self._registers = self.debugger.registers()

    def _call(self, name: str, first: int = 0, room: int = 0) -> int:
        """Call a function of the firmware, with one argument; what it returns."""
        values = bytearray(self._registers)
        put(values, 0, first)
        put(values, SP, (word(values, SP) - room) & ~7)
        put(values, LR, self._place | 1)
        put(values, PC, self.elf.symbols[name].address)
        with self.debugger.breakpoint(self._place):
            self.debugger.set_registers(bytes(values))
            if not self.debugger.run(self.seconds):
                raise TroubleError(f"{name} does not end within {self.seconds:g} s")
        found = self.debugger.registers()
        if word(found, PC) != self._place:
            raise TroubleError(f"the processor stopped at {word(found, PC):#x} in {name}")
        return word(found, 0)

    def _told(self) -> About:
        room = (word(self._registers, SP) - TOLD) & ~7
        length = self._call("samewhy_about", room, ROOM) & 0xFFFF
        try:
            return read_about(self.debugger.read(room, min(length, TOLD)))
        except ValueError as error:
            raise TroubleError(f"an introduction that cannot be read: {error}") from error

    def _known(self, found: About) -> None:
        if self.about is not None and found != self.about:
            raise WireError(
                f"{self.where}: the board holds model {found.sha256.hex()[:12]} now, expected "
                f"{self.about.sha256.hex()[:12]} as before; flash that again and run the same command"
            )
        self.about = found


def word(registers: bytes | bytearray, number: int) -> int:
    """A register."""
    return int.from_bytes(registers[number * WORD : (number + 1) * WORD], "little")


def put(registers: bytearray, number: int, value: int) -> None:
    """Set a register."""
    registers[number * WORD : (number + 1) * WORD] = (value & 0xFFFFFFFF).to_bytes(WORD, "little")


def open_gdb(address: Address) -> Subject:
    """The board behind ``gdb:host:port?elf=firmware.elf``.

    Raises:
        AddressError: no host or port, no ELF file, or an option that does not exist.
        ArtifactError: the file is not the firmware of a samewhy project, or not the one on the board.
        WireError: nobody answers.
    """
    address.only("elf", "timeout", "tries", *EXPECTED)
    if "elf" not in address.options:
        raise AddressError(f"{address.rest}: where things lie is in the firmware's file; give elf=firmware.elf")
    elf = having(read_elf(Path(address.options["elf"])), (*CALLED, "samewhy_model"))
    where = f"gdb:{address.rest.partition('?')[0]}"
    debugger = Debugger(tcp_of(address))
    ask = Debugged(where, debugger, elf, address.number("timeout", 60), address.count("tries", 4))
    about = usable(ask.introduced(), where)
    entry = about.input.coding()
    rung = expected(address, where, about.rung())
    spec = Spec(about.sample, about.classes, rung, entry, about.output.coding(), f"{where}, debugger")
    return Subject(spec, ask, ask.coded if entry else None)


def having(elf: Elf, names: Sequence[str]) -> Elf:
    """The file, if it has these symbols.

    Raises:
        ArtifactError: some are missing.
    """
    missing = [name for name in names if elf.symbols.get(name, Symbol(0, 0)).size == 0]
    if missing:
        raise ArtifactError(
            f"{elf.path}: no {', '.join(missing)} in it; expected the firmware of a project of samewhy firmware "
            "generate, linked with its wire/samewhy_about.c"
        )
    return elf
