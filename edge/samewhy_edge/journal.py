"""Nothing is asked twice and nothing is lost: every answer under the digest of its question, on disk as it comes.

A journal is a header (magic, version, rung and K as JSON, CRC-32) and entries of one size (a key of 16 bytes, K float32
scores, a CRC-32 that goes on from the header's), all little-endian. Entries count up to the first that is torn or
damaged; what follows is cut off and asked again.
"""

import json
import os
import struct
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import TypeVar, final

import numpy as np

from samewhy_edge.arrays import Codes, Samples, Scores
from samewhy_edge.errors import ContractError, InputError, OutputError
from samewhy_edge.files import sha256, write_bytes
from samewhy_edge.predictor import Spec, Subject

MAGIC = b"samewhy journal\n"
VERSION = 1
FRONT = struct.Struct("<16sII")  # magic, version, bytes of the JSON that follows
CHECK = struct.Struct("<I")
KEY = 16  # bytes; two among 10^12 questions share a key with a chance of 10^-15
SCORE = np.dtype("<f4")
Batch = TypeVar("Batch", Samples, Codes)


@final
@dataclass(frozen=True, slots=True)
class Journal:
    """An open journal, ready to be added to."""

    path: Path
    start: int  # CRC-32 of the header, as it stands there
    sync: bool = False  # wait for the disk after each batch: outlives a power cut too, not only a killed process
    _turn: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def append(self, answers: Mapping[bytes, bytes]) -> None:
        """Add scores by key, in one write; threads take turns.

        Raises:
            OutputError: the file cannot be written.
        """
        entries = b"".join(sealed(key + scores, self.start) for key, scores in answers.items())
        with self._turn, _writing(self.path), self.path.open("ab") as log:
            log.write(entries)
            log.flush()
            if self.sync:
                os.fsync(log.fileno())


@final
@dataclass(slots=True)
class Memory:
    """Scores by key, shared by all who ask the same rung, in threads too.

    It grows by some 200 bytes and the scores with every different input.
    """

    spec: Spec
    journal: Journal | None = None
    known: dict[bytes, bytes] = field(default_factory=dict)
    asked: int = 0  # inputs that a predictor was given
    repeated: int = 0  # inputs that none was given, because their answer was known or on its way
    _asking: set[bytes] = field(default_factory=set)  # on its way, each in one thread
    _change: threading.Condition = field(default_factory=threading.Condition)

    @classmethod
    def resumed(cls, spec: Spec, path: Path, sync: bool = False) -> "Memory":
        """All that the journal at `path` knows; it is begun where it is missing.

        Raises:
            InputError: the file is no journal, or one of another version or rung.
            OutputError: the file cannot be written.
        """
        journal, known = open_journal(path, spec, sync)
        return cls(spec, journal, known)

    def scores(self, keys: Sequence[bytes], ask: Callable[[list[int]], Scores]) -> Scores:
        """Scores (N, K) of inputs with these keys; `ask` is given the places of those that must be asked.

        Raises:
            ContractError: what `ask` gave is not float32 of shape (N, K).
            OutputError: the journal cannot be written.
        """
        given = 0
        while mine := self._claimed(keys):
            try:
                given += self._learn(list(mine), ask(list(mine.values())))
            finally:
                self._release(mine)
        with self._change:
            self.repeated += len(keys) - given
        rows = b"".join([self.known[key] for key in keys])
        return np.frombuffer(rows, SCORE).reshape(len(keys), self.spec.classes).astype(np.float32)

    def _claimed(self, keys: Sequence[bytes]) -> dict[bytes, int]:
        """Keys to ask now, by their first place; none when all are known. Whoever waits here has claimed nothing."""
        with self._change:
            while unknown := {key for key in keys if key not in self.known}:
                free = unknown - self._asking
                if free:
                    self._asking |= free
                    places: dict[bytes, int] = {}
                    for place, key in enumerate(keys):
                        if key in free:
                            places.setdefault(key, place)
                    return places
                self._change.wait()
            return {}

    def _learn(self, keys: list[bytes], scores: Scores) -> int:
        with self._change:
            self.asked += len(keys)
        check_scores(scores, len(keys), self.spec.classes)
        answers = dict(zip(keys, (row.tobytes() for row in scores.astype(SCORE, copy=False)), strict=True))
        if self.journal:
            self.journal.append(answers)
        with self._change:
            self.known.update(answers)
        return len(keys)

    def _release(self, keys: Iterable[bytes]) -> None:
        with self._change:
            self._asking.difference_update(keys)
            self._change.notify_all()


@final
@dataclass(frozen=True, slots=True)
class Remembering:
    """A subject that is never asked the same input twice, by samples or by codes; threads share its memory.

    Inputs are the same where their codes are, or their float32 bytes where the tensor holds real numbers. Answers are
    the subject's own, bit for bit, where those do not depend on the batch.
    """

    inner: Subject
    memory: Memory

    def __call__(self, samples: Samples, /) -> Scores:
        """Scores of shape (N, K) for samples of shape (N, *S, C). Raises what `Memory.scores` does."""
        coding = self.inner.spec.input
        if coding and self.inner.coded:
            return self.coded(coding.encode(samples))
        keys = digests(coding.encode(samples) if coding else samples)
        return self.memory.scores(keys, lambda places: self.inner.ask(taken(samples, places)))

    def coded(self, codes: Codes, /) -> Scores:
        """Scores of shape (N, K) for codes of shape (N, *S, C), where the subject takes them."""
        coded = self.inner.coded
        if coded is None:
            raise InputError(f"{self.inner.spec.rung.runtime} takes samples, not codes; ask it by samples")
        return self.memory.scores(digests(codes), lambda places: coded(taken(codes, places)))


def remembered(subject: Subject, memory: Memory) -> Subject:
    """The subject behind a memory, with the doors that it has."""
    asking = Remembering(subject, memory)
    return replace(subject, ask=asking, coded=asking.coded if subject.coded else None)


def digests(values: Samples | Codes) -> list[bytes]:
    """A key for each row: BLAKE2b over its bytes."""
    if not len(values):
        return []
    content, size = memoryview(np.ascontiguousarray(values).data).cast("B"), values[0].nbytes
    return [blake2b(content[i * size : (i + 1) * size], digest_size=KEY).digest() for i in range(len(values))]


def taken(values: Batch, places: list[int]) -> Batch:
    """The rows at these places, without a copy where that is all of them."""
    return values if len(places) == len(values) else values[places]


def check_scores(scores: Scores, count: int, classes: int) -> None:
    """Refuse scores that cannot be written down as they are.

    Raises:
        ContractError: saying what was found and what was expected.
    """
    if scores.shape != (count, classes) or scores.dtype != np.float32:
        found = f"{scores.dtype} scores of shape {scores.shape}"
        raise ContractError(f"found {found}, expected float32 of shape {(count, classes)}; run samewhy check on it")


def open_journal(path: Path, spec: Spec, sync: bool = False) -> tuple[Journal, dict[bytes, bytes]]:
    """The journal at `path` and the scores that it holds by key; begun where it is missing, cut where it is damaged.

    Raises:
        InputError: the file is no journal, or one of another version or rung.
        OutputError: the file cannot be written.
    """
    header = header_of(spec)
    content = _content(path)
    if header.startswith(content):  # missing, or the header itself is torn
        write_bytes(path, header)
        content = header
    if not content.startswith(header):
        raise InputError(f"{path}: {_kind(content)}, expected {_kind(header)}; move it away or choose another folder")
    (start,) = CHECK.unpack(header[-CHECK.size :])  # of all before it: with itself, every header has the same CRC-32
    size = KEY + spec.classes * SCORE.itemsize + CHECK.size
    entries = list(_entries(content[len(header) :], start, size))
    with _writing(path), path.open("r+b") as log:
        log.truncate(len(header) + len(entries) * size)
    return Journal(path, start, sync), dict(entries)


def name_of(spec: Spec) -> str:
    """The file name of a rung's journal: journals of several rungs share a folder."""
    return f"{sha256(_identity(spec))[:16]}.log"


def header_of(spec: Spec) -> bytes:
    """The first bytes of a rung's journal."""
    identity = _identity(spec)
    return sealed(FRONT.pack(MAGIC, VERSION, len(identity)) + identity)


def sealed(body: bytes, start: int = 0) -> bytes:
    """The body and its CRC-32, which goes on from `start`."""
    return body + CHECK.pack(zlib.crc32(body, start))


def _identity(spec: Spec) -> bytes:
    rung = {**asdict(spec.rung), "artifact": spec.rung.artifact.sha256}
    return json.dumps({**rung, "scores": spec.classes}, sort_keys=True).encode()


def _entries(content: bytes, start: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    for at in range(0, len(content) - size + 1, size):
        body = content[at : at + size - CHECK.size]
        if sealed(body, start) != content[at : at + size]:
            return
        yield body[:KEY], body[KEY:]


def _kind(content: bytes) -> str:
    """What a file is, judged by its first bytes."""
    _, version, length = FRONT.unpack(content[: FRONT.size].ljust(FRONT.size, b"\0"))
    if not content.startswith(MAGIC):
        return "no journal"
    if version != VERSION:
        return f"a journal of version {version}"
    body = content[: FRONT.size + length]
    if not content.startswith(sealed(body)):
        return "a journal with a damaged header"
    return f"a journal of version {version} of {body[FRONT.size :].decode()}"


def _content(path: Path) -> bytes:
    with _writing(path):
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return b""


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror}); choose another --out") from error
