"""``serial:...?dialect=mlperf``: a board that speaks the ASCII dialect of MLPerf Tiny and nothing else.

The dialect tells neither shapes nor scales nor the model, prints scores with three decimals, and has no checksum. So
the address says what the input is, the model is marked by its answers, and what was loaded is read back, and results
are read twice, unless the address says ``verify=0``.
"""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from samewhy_bridge.ports import LostError, Opener, Port, TroubleError
from samewhy_edge.address import Address
from samewhy_edge.arrays import Samples, Scores
from samewhy_edge.errors import AddressError, WireError
from samewhy_edge.predictor import Spec, Subject
from samewhy_edge.quant import Affine
from samewhy_edge.remote import marked
from samewhy_edge.rung import Artifact, Rung

OPTIONS = ("shape", "type", "scale", "zero", "verify")
TYPES = ("int8", "uint8", "float32")
READY = "m-ready"
PIECE = 31  # bytes of a `db` command: 65 of the 80 characters that the dialect allows
PAUSE = 0.2


@final
@dataclass(slots=True)
class Talk:
    """Commands and replies on a line that is opened again where it is lost."""

    where: str
    opener: Opener
    seconds: float  # for a reply, at most
    _port: Port | None = None
    _left: bytes = b""

    def __call__(self, command: str) -> list[str]:
        """The lines of the reply, without the last, which says that the board is ready.

        Raises:
            TroubleError: no reply in time, or one that says that something is wrong.
            LostError: the line is down.
        """
        port = self._opened()
        port.write(f"{command}%".encode("ascii"))
        until, lines = time.monotonic() + self.seconds, list[str]()
        while READY not in lines:
            lines += self._lines(port, until)
        wrong = [line for line in lines if line.startswith("e-[")]
        if wrong or lines.count(READY) > 1 or lines[-1] != READY:
            raise TroubleError(f"the board says {'; '.join(wrong or lines)[:200]!r} to {command[:20]!r}")
        return lines[:-1]

    def begin_anew(self) -> None:
        """Forget what is on the way: an empty command, and silence behind it."""
        try:
            port = self._opened()
            port.write(b"%")
            while port.read(PAUSE):
                pass
        except LostError:
            self.close()
        self._left = b""

    def close(self) -> None:
        """Let go of the line."""
        port, self._port, self._left = self._port, None, b""
        try:
            if port:
                port.close()
        except LostError:
            return

    def __del__(self) -> None:
        """A line ends with whoever kept it."""
        self.close()

    def _opened(self) -> Port:
        if self._port is None:
            self._port = self.opener()
        return self._port

    def _lines(self, port: Port, until: float) -> list[str]:
        left = until - time.monotonic()
        content = port.read(left) if left > 0 else b""
        if not content and time.monotonic() >= until:
            raise TroubleError("no reply in time")
        *whole, self._left = (self._left + content).split(b"\n")
        return [line.strip(b"\r\0 ").decode("latin-1") for line in whole if line.strip(b"\r\0 ")]


@final
@dataclass(frozen=True, slots=True)
class Ascii:
    """A board of the dialect as a predictor."""

    talk: Talk
    dtype: str
    encoding: Affine | None
    verify: bool
    tries: int
    classes: list[int] = field(default_factory=list)  # K, once it is known

    def __call__(self, samples: Samples, /) -> Scores:
        """Scores of shape (N, K), of three decimals, for samples of shape (N, *S, C)."""
        return self.coded(self.encoding.encode(samples) if self.encoding else samples)

    def coded(self, codes: NDArray[Any], /) -> Scores:
        """Scores of shape (N, K) for what the input tensor holds, (N, *S, C)."""
        rows = codes.astype(np.dtype(self.dtype).newbyteorder("<"), copy=False)
        scores = [self._patiently(row.tobytes()) for row in rows]
        return np.array(scores, np.float32).reshape(len(rows), self.classes[0] if self.classes else -1)

    def _patiently(self, content: bytes) -> list[float]:
        for left in reversed(range(self.tries)):
            try:
                return self._known(self._once(content))
            except (TroubleError, LostError) as trouble:
                if not left:
                    raise WireError(
                        f"{self.talk.where}: {trouble}, tried {self.tries} times; see whether the board runs and the "
                        "line is the right one, then run the same command: answers so far are kept"
                    ) from trouble
                if isinstance(trouble, LostError):
                    self.talk.close()
                    time.sleep(min(5.0, PAUSE * 2 ** (self.tries - left - 1)))
                self.talk.begin_anew()
        raise WireError(f"{self.talk.where}: not asked at all")  # of no tries

    def _once(self, content: bytes) -> list[float]:
        """One input, loaded, run once without warm-ups: these may find the room of the input used for other things."""
        self.talk(f"db load {len(content)}")
        for start in range(0, len(content), PIECE):
            said = self.talk(f"db {content[start : start + PIECE].hex()}")
        if "m-load-done" not in said:
            raise TroubleError("the board has not counted all bytes of the input")
        if self.verify and loaded(self.talk("db print")) != content:
            raise TroubleError("the board has loaded another input than was sent")
        found = results(self.talk("infer 1 0"))
        if self.verify and results(self.talk("results")) != found:
            raise TroubleError("results that are read twice differ")
        return found

    def _known(self, found: list[float]) -> list[float]:
        if self.classes and len(found) != self.classes[0]:
            raise TroubleError(f"{len(found)} scores, {self.classes[0]} before")
        self.classes[:] = [len(found)]
        return found


def loaded(lines: Sequence[str]) -> bytes:
    """The bytes that `db print` tells.

    Raises:
        TroubleError: other lines than those.
    """
    found = [re.fullmatch(r"m-buffer-((?:[0-9a-fA-F]{2}-?)+)", line) for line in lines]
    if not all(found):
        raise TroubleError(f"db print says {lines[:1]}")
    return bytes.fromhex("".join(one[1] for one in found if one).replace("-", ""))


def results(lines: Sequence[str]) -> list[float]:
    """The scores among the lines of a reply.

    Raises:
        TroubleError: there are none, or more than once.
    """
    found = [one[1] for line in lines if (one := re.fullmatch(r"m-results-\[([-+.,0-9 ]+)\]", line))]
    if len(found) != 1:
        raise TroubleError(f"no results among {list(lines)[-2:]}")
    try:
        return [float(number) for number in found[0].split(",") if number.strip()]
    except ValueError as error:
        raise TroubleError(f"results that are no numbers: {found[0][:40]}") from error


def open_dialect(address: Address, opener: Opener, *more: str) -> Subject:
    """The board behind a line, by what the address says of its input.

    Raises:
        AddressError: no shape, a type or scale that does not fit, or an option that does not exist.
        WireError: nobody answers, or in another dialect.
    """
    address.never("the dialect does not tell which model the board holds", "model", "sha256")
    address.only(*OPTIONS, *more)
    shape, dtype = address.sizes("shape"), address.choice("type", TYPES)
    if shape is None or len(shape) not in (2, 3):
        raise AddressError(f"{address.rest}: the dialect does not tell the input's shape; give shape=28x28x1, or 49x10")
    where = f"{address.runtime}:{address.rest.partition('?')[0]}"
    talk = Talk(where, opener, address.number("timeout", 30))
    verify = address.choice("verify", ("1", "0")) == "1"
    ask = Ascii(talk, dtype, coding_of(address, dtype), verify, address.count("tries", 6))
    rung = introduced(talk, ask.tries)
    classes = ask(np.zeros((1, *shape), np.float32)).shape[1]
    wire = f"{where}, ASCII dialect"
    subject = Subject(Spec(shape, classes, rung, ask.encoding, None, wire), ask, ask.coded if ask.encoding else None)
    return replace(subject, spec=replace(subject.spec, rung=marked(subject)))


def coding_of(address: Address, dtype: str) -> Affine | None:
    """What codes stand for, as the address says.

    Raises:
        AddressError: codes without a scale, or a scale for real numbers.
    """
    if dtype == "float32":
        address.never("float32 holds real numbers", "scale", "zero")
        return None
    try:
        return Affine(address.number("scale", float("nan")), int(address.options.get("zero", "")), dtype)
    except (AddressError, ValueError) as error:
        raise AddressError(
            f"{address.rest}: the dialect does not tell what {dtype} codes stand for; give scale=0.0039&zero=-128"
        ) from error


def introduced(talk: Talk, tries: int) -> Rung:
    """What the board says of itself; the model it does not tell.

    Raises:
        WireError: nothing, or in another dialect.
    """
    for left in reversed(range(tries)):
        try:
            talk.begin_anew()
            name, profile = told(talk("name"), "m-name-dut-"), talk("profile")
            runtime, model = told(profile, "m-profile-"), told(profile, "m-model-")
            return Rung(Artifact("unknown", 0), f"{runtime}, model {model}", "unknown", name)
        except (TroubleError, LostError) as trouble:
            if isinstance(trouble, LostError):
                talk.close()
            if not left:
                raise WireError(
                    f"{talk.where}: {trouble}, tried {tries} times; expected a board that speaks the ASCII dialect, "
                    "see whether it runs, and its baud rate"
                ) from trouble
            time.sleep(PAUSE)
    raise WireError(f"{talk.where}: not asked at all")  # of no tries


def told(lines: Sequence[str], what: str) -> str:
    """What stands in brackets behind these words.

    Raises:
        TroubleError: no line has them.
    """
    for line in lines:
        if line.startswith(f"{what}[") and line.endswith("]"):
            return line[len(what) + 1 : -1]
    raise TroubleError(f"no {what} among {list(lines)[:2]}")
