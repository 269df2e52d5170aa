"""The GDB remote protocol: memory, registers and breakpoints of a processor, through QEMU, OpenOCD, pyOCD or J-Link.

Source: Debugging with GDB, appendix E
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import final

from samewhy_bridge.ports import LostError, Opener, Port, TroubleError

PIECE = 512  # bytes of memory in one packet: every server has room for so many
WORD = 4
SP, LR, PC = 13, 14, 15
BREAK = b"\x03"
SECONDS = 5.0  # for a reply of the server itself
STOPPED = ("S", "T")
HARDWARE, SOFTWARE = 1, 0  # kinds of breakpoints; the first works in flash


@final
@dataclass(slots=True)
class Debugger:
    """A halted processor behind a server of the protocol."""

    opener: Opener
    _port: Port | None = None
    _left: bytes = b""
    _pending: list[bytes] = field(default_factory=list)  # replies that came and were not waited for yet

    def attach(self) -> None:
        """Connect, which halts the processor.

        Raises:
            LostError: nobody listens.
            TroubleError: who listens does not speak the protocol.
        """
        self._port, self._left, self._pending = self.opener(), b"", []
        reply = self.ask("qSupported")
        while reply.startswith(STOPPED):  # that it was halted may be told first
            reply = self._replied("qSupported")
        if not self.ask("?").startswith(STOPPED):
            raise TroubleError("the server says nothing of the processor")

    def detach(self) -> None:
        """Let the processor go on, and disconnect."""
        port, self._port = self._port, None
        if port:
            with suppress(LostError):
                port.write(packet("D"))
                port.read(0.2)
            with suppress(LostError):
                port.close()

    def read(self, address: int, count: int) -> bytes:
        """Memory."""
        found = b""
        while len(found) < count:
            size = min(PIECE, count - len(found))
            found += self._bytes(f"m{address + len(found):x},{size:x}", size)
        return found

    def write(self, address: int, content: bytes) -> None:
        """Memory."""
        for start in range(0, len(content), PIECE):
            piece = content[start : start + PIECE]
            self._fine(f"M{address + start:x},{len(piece):x}:{piece.hex()}")

    def registers(self) -> bytearray:
        """All, as the server has them; the first sixteen are r0 to pc, on every server."""
        found = self.ask("g")
        try:
            content = bytearray.fromhex(found.replace("x", "0"))
        except ValueError as error:
            raise TroubleError(f"registers that are none: {found[:40]!r}") from error
        if len(content) < (PC + 1) * WORD:
            raise TroubleError(f"{len(content) // WORD} registers, expected 16 and more")
        return content

    def set_registers(self, content: bytes) -> None:
        """All, as `registers` gave them."""
        self._fine(f"G{content.hex()}")

    @contextmanager
    def breakpoint(self, address: int) -> Iterator[None]:
        """One that is there meanwhile."""
        kind = HARDWARE if self.ask(f"Z{HARDWARE},{address:x},2") == "OK" else SOFTWARE
        if kind == SOFTWARE:
            self._fine(f"Z{SOFTWARE},{address:x},2")
        try:
            yield
        finally:
            self._fine(f"z{kind},{address:x},2")

    def run(self, seconds: float) -> bool:
        """Let it run until it stops; halt it where it does not in time, and say so by False."""
        port = self._opened()
        port.write(packet("c"))
        if self._stopped(seconds):
            return True
        port.write(BREAK)
        if not self._stopped(SECONDS):
            raise TroubleError("the processor cannot be halted")
        return False

    def ask(self, command: str) -> str:
        """The reply to a packet.

        Raises:
            TroubleError: there is none in time.
        """
        self._opened().write(packet(command))
        return self._replied(command)

    def _replied(self, command: str) -> str:
        reply = self._reply(SECONDS)
        if reply is None:
            raise TroubleError(f"no reply to {command[:20]!r}")
        return reply

    def _stopped(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while (reply := self._reply(until - time.monotonic())) is not None:
            if reply.startswith((*STOPPED, "W", "X")):
                return True
        return False

    def _reply(self, seconds: float) -> str | None:
        """The next packet that is no output of the program."""
        until = time.monotonic() + seconds
        while True:
            while self._pending:
                found = self._pending.pop(0).decode("latin-1")
                if not (found.startswith("O") and found != "OK"):
                    return found
            left = until - time.monotonic()
            content = self._opened().read(left) if left > 0 else b""
            if not content and time.monotonic() >= until:
                return None
            self._feed(content)

    def _feed(self, content: bytes) -> None:
        """Packets, acknowledged; one that was hurt is asked for again."""
        self._left += content
        while (start := self._left.find(b"$")) >= 0 and (end := self._left.find(b"#", start)) >= 0:
            if len(self._left) < end + 3:
                return
            body, told = self._left[start + 1 : end], self._left[end + 1 : end + 3]
            whole = told.lower() == b"%02x" % (sum(body) % 256)
            self._opened().write(b"+" if whole else b"-")
            self._left = self._left[end + 3 :]
            if whole:
                self._pending.append(expanded(body))

    def _opened(self) -> Port:
        if self._port is None:
            raise LostError("not attached")
        return self._port

    def _bytes(self, command: str, size: int) -> bytes:
        found = self.ask(command)
        try:
            content = bytes.fromhex(found)
        except ValueError:
            content = b""
        if len(content) != size:
            raise TroubleError(f"{found[:20]!r} to {command}, expected {size} bytes")
        return content

    def _fine(self, command: str) -> None:
        found = self.ask(command)
        if found != "OK":
            raise TroubleError(f"{found[:20]!r} to {command[:20]!r}, expected OK")


def packet(command: str) -> bytes:
    """A command as it travels."""
    body = command.encode("latin-1")
    return b"$%b#%02x" % (body, sum(body) % 256)


def expanded(body: bytes) -> bytes:
    """A reply without its shorthand: escaped bytes, and ``*`` with a count for a run of one character."""
    out, at = bytearray(), 0
    while at < len(body):
        if body[at] == ord("}") and at + 1 < len(body):
            out.append(body[at + 1] ^ 0x20)
            at += 2
        elif body[at] == ord("*") and out and at + 1 < len(body):
            out += out[-1:] * (body[at + 1] - 29)
            at += 2
        else:
            out.append(body[at])
            at += 1
    return bytes(out)
