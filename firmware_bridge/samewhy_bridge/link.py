"""Questions to a board over a line that may fail: what is damaged or lost is asked again, what is answered is bound to
its question and to the model, and nothing else is ever taken for an answer."""

import struct
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import final

from samewhy_bridge.about import About, read_about
from samewhy_bridge.frames import CHECK, NO_SEQUENCE, Damage, Event, Frame, Kind, Reader, Refusal, Text
from samewhy_bridge.ports import LostError, Opener, Port, TroubleError
from samewhy_edge.errors import WireError

HURT = (Refusal.DAMAGED, Refusal.TOO_LONG, Refusal.VERSION)  # what a board says of a frame that was hurt on its way
HELLO, LAST = 0.5, 4.0  # of `Patience.spare` until a board has said who it is, first and at most: it may still boot
PAUSE = 0.2  # seconds until a lost line is opened again, doubled each time
LONGEST = 10.0  # of these pauses
SPARE = 5  # times the longest of the last waits
WAITS = 32  # that are remembered
SLOW = 1e6, 1e3  # products and bytes a second of a board that has not answered yet
STARTED = "m-init-done"  # a board says it when it starts


@final
@dataclass(frozen=True, slots=True)
class Patience:
    """How long and how often."""

    seconds: float = 60.0  # for an answer, at most
    tries: int = 8  # in a row without any answer
    spare: float = 1.0  # seconds more than some times the longest of the last waits, until an answer is missed


@final
@dataclass(frozen=True, slots=True)
class Asked:
    """A question on its way."""

    place: int
    question: Frame
    size: int  # bytes on the line


@final
@dataclass(slots=True, weakref_slot=True)
class Link:
    """A board, asked by one thread at a time."""

    where: str
    opener: Opener
    patience: Patience = Patience()
    about: About | None = None  # as it said first; another model is refused from then on
    troubles: deque[str] = field(default_factory=lambda: deque(maxlen=100))  # that were overcome
    _port: Port | None = None
    _reader: Reader = field(default_factory=Reader)
    _sequence: int = 0
    _sure: bool = False  # whether the board has introduced itself since the last trouble
    _waits: deque[float] = field(default_factory=lambda: deque(maxlen=WAITS))  # seconds until answers came
    _open: dict[int, Asked] = field(default_factory=dict)  # unanswered, by sequence
    _found: dict[int, bytes] = field(default_factory=dict)  # answers by place

    def ask(self, questions: Sequence[tuple[Kind, bytes]]) -> list[bytes]:
        """Bodies of the answers to questions, without their check; in order.

        Raises:
            WireError: the board cannot be reached, refuses, holds another model, or goes on failing.
        """
        self._found, left = {}, self.patience.tries
        while len(self._found) < len(questions) or not self._sure:
            before = len(self._found)
            try:
                self._introduced(self.patience.tries - left)
                self._round(questions, self.patience.tries - left)
            except (TroubleError, LostError) as trouble:
                left = (self.patience.tries if len(self._found) > before else left) - 1
                self._troubled(trouble, left)
        return [self._found[place] for place in range(len(questions))]

    def introduced(self) -> About:
        """What the board says of itself.

        Raises:
            WireError: as `ask`.
        """
        self.ask([])
        if self.about is None:
            raise WireError(f"{self.where}: said nothing of itself")  # of no tries
        return self.about

    def close(self) -> None:
        """Let go of the line; it is opened again when something is asked."""
        port, self._port, self._sure = self._port, None, False
        if port:
            try:
                port.close()
            except LostError:
                return

    def __del__(self) -> None:
        """A line ends with whoever kept it."""
        self.close()

    def _troubled(self, trouble: Exception, left: int) -> None:
        """Note it, and begin anew: with a new line where this one is down."""
        self.troubles.append(str(trouble))
        self._sure = False
        if isinstance(trouble, LostError):
            self.close()
        if left <= 0:
            raise WireError(
                f"{self.where}: {trouble}, tried {self.patience.tries} times; see whether the board runs and the line "
                "is the right one, then run the same command: answers so far are kept"
            )

    def _introduced(self, failures: int) -> None:
        """Ask who is there, unless that is known. All that was asked before is answered before this, or never."""
        if self._sure:
            return
        port = self._opened(failures)
        question = self._question(Kind.INFO, b"")
        port.write(question.packed())
        longest = SPARE * max(self._waits, default=0.0)
        until = time.monotonic() + min(self.patience.seconds, max(self._hello(failures), longest))
        heard: list[Event] = []
        while (answer := self._awaited(port, question, until, heard)) is None:
            pass
        self._open.clear()
        self._known(answer)
        self._sure = True

    def _hello(self, failures: int) -> float:
        return self.patience.spare * min(LAST, HELLO * 2.0**failures)

    def _opened(self, failures: int) -> Port:
        if self._port is None:
            if failures:
                time.sleep(min(LONGEST, PAUSE * 2 ** (failures - 1)))
            self._port, self._reader = self.opener(), Reader()
        return self._port

    def _awaited(self, port: Port, question: Frame, until: float, heard: list[Event]) -> About | None:
        """The introduction, once it is there. Late answers to what was asked before count too."""
        for event in self._events(port, until, heard):
            if isinstance(event, Frame) and (event.kind, event.sequence) == (
                question.kind | Kind.ANSWER,
                question.sequence,
            ):
                return introduction(question, event)
            if self.about and isinstance(event, Frame):
                self._note(event)
            heard[:] = [event]
        return None

    def _known(self, found: About) -> None:
        """Refuse a board that is no longer the one that was asked before."""
        if self.about is not None and found != self.about:
            other = found.sha256 != self.about.sha256
            had, has = (
                (f"model {one.sha256.hex()[:12]}" if other else f"{one.name} on {one.machine}, {one.runtime}")
                for one in (self.about, found)
            )
            raise WireError(
                f"{self.where}: after the line failed the board holds {has}, expected {had} as before; "
                "flash that again and run the same command, or begin anew in another folder"
            )
        self.about = found

    def _round(self, questions: Sequence[tuple[Kind, bytes]], failures: int) -> None:
        """Ask what is not answered, as far ahead as the board keeps."""
        port = self._opened(0)
        waiting = deque(place for place in range(len(questions)) if place not in self._found)
        while waiting or self._open:
            self._send(port, questions, waiting)
            before, started = len(self._found), time.monotonic()
            until = started + min(self.patience.seconds, self._expected() * 2**failures)
            while len(self._found) == before:
                for event in self._events(port, until):
                    self._take(event)
            self._waits.append(time.monotonic() - started)

    def _expected(self) -> float:
        """Seconds within which an answer is there, if nothing went wrong."""
        if self._waits or not self.about:
            return SPARE * max(self._waits, default=0.0) + self.patience.spare
        question = max(one.size for one in self._open.values())
        return self.patience.spare + self.about.macs / SLOW[0] + question / SLOW[1]

    def _send(self, port: Port, questions: Sequence[tuple[Kind, bytes]], waiting: deque[int]) -> None:
        """One question is worked on while others fill the room that the board keeps for them."""
        room = self.about.room if self.about else 0
        ahead = sum(one.size for one in list(self._open.values())[1:])
        while waiting:
            question = self._question(*questions[waiting[0]])
            content = question.packed()
            ahead += len(content) if self._open else 0
            if ahead > room:
                break
            self._open[question.sequence] = Asked(waiting.popleft(), question, len(content))
            port.write(content)

    def _question(self, kind: Kind, body: bytes) -> Frame:
        self._sequence = (self._sequence + 1) % NO_SEQUENCE
        return Frame(kind, self._sequence, body)

    def _events(self, port: Port, until: float, heard: Sequence[Event] = ()) -> Sequence[Event]:
        left = until - time.monotonic()
        content = port.read(left) if left > 0 else b""
        if not content and time.monotonic() >= until:
            raise TroubleError("no answer in time" + "".join(map(instead, heard)))
        return list(self._reader.feed(content))

    def _take(self, event: Event) -> None:
        """An answer, or trouble."""
        if isinstance(event, Damage):
            raise TroubleError(f"an answer that was damaged on its way: {event.why}")
        if isinstance(event, Text):
            if event.words.startswith((STARTED, "e-[")):
                raise TroubleError(f"the board says {event.words.strip()!r}")
            return
        if event.kind == Kind.ERROR:
            self._refused(event)
        self._note(event)

    def _note(self, event: Frame) -> None:
        """Keep an answer, if it is one to what was asked."""
        asked = self._open.get(event.sequence)
        if asked is None or event.kind != asked.question.kind | Kind.ANSWER:
            return
        answer = checked(asked.question, event, self.about.sha256 if self.about else b"")
        del self._open[event.sequence]
        self._found[asked.place] = answer

    def _refused(self, event: Frame) -> None:
        code, why = event.body[0] if event.body else 0, event.body[1:].decode("utf-8", "replace")
        if event.sequence == NO_SEQUENCE and code in HURT:
            raise TroubleError(f"a question was damaged on its way ({why})")
        if event.sequence in self._open:
            raise WireError(f"{self.where}: the board refuses: {why}")


def instead(event: Event) -> str:
    """What came where an answer was awaited, for a message: it tells a wrong baud rate from a board that is off."""
    if isinstance(event, Text):
        return f", but {event.words[:40]!r}"
    if isinstance(event, Damage):
        return f", but something with {event.why}"
    return f", but {event.body[1:].decode('utf-8', 'replace')!r}" if event.kind == Kind.ERROR else ""


def checked(question: Frame, event: Frame, model: bytes) -> bytes:
    """The body of an answer to this very question, put to this model.

    Raises:
        TroubleError: it is not.
    """
    answer, check = event.body[: -CHECK.size], event.body[-CHECK.size :]
    if check != CHECK.pack(question.check(model, answer)):
        raise TroubleError("an answer to something else than was asked")
    return answer


def introduction(question: Frame, event: Frame) -> About:
    """What a board says of itself.

    Raises:
        TroubleError: it cannot be read.
    """
    try:
        found = read_about(event.body[: -CHECK.size])
    except (ValueError, struct.error) as error:
        raise TroubleError(f"an introduction that cannot be read: {error}") from error
    checked(question, event, found.sha256)
    return found
