"""``serial:/dev/ttyACM0?baud=115200`` and ``tcp:host:port``: a board as a predictor like any other.

The rung is what the board says of itself: the model by its SHA-256, the runtime, the kernels, the machine.
"""

import threading
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from samewhy_bridge.about import TYPES, About, usable
from samewhy_bridge.dialect import open_dialect
from samewhy_bridge.frames import Kind
from samewhy_bridge.link import Link, Patience
from samewhy_bridge.packing import packed
from samewhy_bridge.ports import Opener, serial_of, tcp_of
from samewhy_edge.address import Address
from samewhy_edge.arrays import Samples, Scores
from samewhy_edge.errors import AddressError, ArtifactError, WireError
from samewhy_edge.layers import Layer
from samewhy_edge.predictor import Spec, Subject
from samewhy_edge.quant import Affine
from samewhy_edge.rung import Rung, artifact

EXPECTED = ("model", "sha256")
OPTIONS = ("dialect", "timeout", "tries", *EXPECTED)
DIALECTS = ("frames", "mlperf")
TICKS = 4  # bytes before each output
KEPT = 4096  # the last tick counts


@final
@dataclass(frozen=True, slots=True)
class Device:
    """A board behind a link: encodes, asks as many samples at a time as it takes, decodes."""

    link: Link
    about: About
    ticks: deque[int] = field(default_factory=lambda: deque(maxlen=KEPT))  # of the last runs
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, samples: Samples, /) -> Scores:
        """Scores of shape (N, K) for samples of shape (N, *S, C)."""
        coding = self.about.input.coding()
        return self.coded(coding.encode(samples) if coding else samples)

    def coded(self, codes: NDArray[Any], /) -> Scores:
        """Scores of shape (N, K) for what the input tensor holds, (N, *S, C)."""
        scores = self.answers(codes).reshape(len(codes), self.about.classes)
        coding = self.about.output.coding()
        return coding.decode(scores) if coding else scores.astype(np.float32)

    def answers(self, codes: NDArray[Any]) -> NDArray[Any]:
        """What the output tensor holds for each, (N, ...).

        Raises:
            WireError: the board fails, refuses, or holds another model than before.
        """
        rows, size = codes.astype(self.about.input.dtype, copy=False), self.about.batch
        questions = [self._question(rows[start : start + size].tobytes()) for start in range(0, len(rows), size)]
        with self._turn:
            found = self.link.ask(questions) if questions else []
        table = np.frombuffer(b"".join(found), np.uint8)
        width = TICKS + self.about.output.size
        if len(table) != len(rows) * width:
            raise WireError(f"{self.link.where}: {len(table)} bytes for {len(rows)} samples, expected {width} for each")
        table = table.reshape(len(rows), width)
        self.ticks.extend(int(count) for count in table[:, :TICKS].copy().view("<u4").ravel())
        return self.about.output.read(table[:, TICKS:].tobytes())

    def _question(self, content: bytes) -> tuple[Kind, bytes]:
        """The shorter way to ask."""
        if self.about.packs and len(content) == self.about.input.size:
            fewer = packed(content)
            if len(fewer) < len(content):
                return Kind.PACKED, fewer
        return Kind.QUERY, content

    def layers(self, samples: Samples) -> list[Layer]:
        """What every operator gave for samples (N, *S, C), as far as its output lies in the arena."""
        coding = self.about.input.coding()
        rows = (coding.encode(samples) if coding else samples).astype(self.about.input.dtype, copy=False)
        return [self._layer(row, rows) for row in range(self.about.layers)]

    def _layer(self, number: int, rows: NDArray[Any]) -> Layer:
        with self._turn:
            questions = [(Kind.DUMP, number.to_bytes(2, "little") + row.tobytes()) for row in rows]
            found = [Dump.read(body) for body in self.link.ask(questions)]
        first = found[0]
        return Layer(first.operator, "", f"{first.tensor}", np.stack([one.values for one in found]))


@final
@dataclass(frozen=True, slots=True)
class Dump:
    """An operator's output."""

    operator: int
    tensor: int
    values: NDArray[Any]  # flat

    @classmethod
    def read(cls, body: bytes) -> "Dump":
        """From the body of an answer."""
        operator, tensor, kind = int.from_bytes(body[:2], "little"), int.from_bytes(body[2:4], "little"), body[4]
        return cls(operator, tensor, np.frombuffer(body[5:], TYPES[kind]))


def open_tcp(address: Address) -> Subject:
    """The board behind ``tcp:host:port``.

    Raises:
        AddressError: no host or port, or an option that does not exist.
        ArtifactError: another model than expected, or one that cannot be asked as a black box.
        WireError: nobody answers.
    """
    return open_board(address, tcp_of(address))


def open_serial(address: Address) -> Subject:
    """The board behind ``serial:/dev/ttyACM0?baud=115200``. Raises what `open_tcp` does."""
    return open_board(address, serial_of(address), "baud")


def open_board(address: Address, opener: Opener, *more: str) -> Subject:
    """The board behind a line, in the dialect that the address names."""
    if address.choice("dialect", DIALECTS) == "mlperf":
        return open_dialect(address, opener, "dialect", "timeout", "tries", *more)
    address.only(*OPTIONS, *more)
    where = f"{address.runtime}:{address.rest.partition('?')[0]}"
    patience = Patience(address.number("timeout", Patience().seconds), address.count("tries", Patience().tries))
    return subject_of(address, Link(where, opener, patience))


def subject_of(address: Address, link: Link) -> Subject:
    """The predictor behind a link, once the board has introduced itself and holds what is expected."""
    about = usable(link.introduced(), link.where)
    rung = expected(address, link.where, about.rung())
    device = Device(link, about)
    return subject(device, rung, link.where)


def subject(device: Device, rung: Rung, wire: str) -> Subject:
    """The doors of a device."""
    about = device.about
    entry: Affine | None = about.input.coding()
    spec = Spec(about.sample, about.classes, rung, entry, about.output.coding(), wire)
    return Subject(spec, device, device.coded if entry else None, layers=device.layers if about.layers else None)


def expected(address: Address, where: str, rung: Rung) -> Rung:
    """The rung, whose artifact is the one that the address expects: ``model=PATH`` or ``sha256=`` and some digits.

    Raises:
        AddressError: digits that are none.
        ArtifactError: it is another one.
    """
    digits = address.options.get("sha256", "").lower()
    if "sha256" in address.options and (len(digits) < 8 or set(digits) - set("0123456789abcdef")):
        raise AddressError(f"sha256={digits}: expected at least 8 hexadecimal digits")
    if "model" in address.options:
        known = artifact(replace(address, path=type(address.path)(address.options["model"])).file())
        digits, rung = known.sha256, replace(rung, artifact=replace(rung.artifact, bytes=known.bytes))
    if not rung.artifact.sha256.startswith(digits):
        found = rung.artifact.sha256
        raise ArtifactError(
            f"{where}: the firmware holds model {found[:12]}, expected {digits[:12]}; "
            "flash the firmware of that model, or ask for this one"
        )
    return rung


def device_of(subject: Subject) -> Device:
    """The device behind a subject that this module opened.

    Raises:
        WireError: it is none.
    """
    if not isinstance(subject.ask, Device):
        raise WireError(f"{subject.spec.wire}: no board that speaks frames; expected a serial:, tcp: or qemu: address")
    return subject.ask
