"""Nothing is asked twice and nothing is lost: every answer under the digest of its question, on disk as it comes.

A journal is a header (magic, version, rung and K as JSON, CRC-32) and entries of one size (a key of 16 bytes, K float32
scores, a CRC-32 that goes on from the header's), all little-endian. Entries count up to the first that is torn or
damaged; what follows is cut off and asked again.
"""

import json
import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import final

import numpy as np

from samewhy_edge.arrays import Samples, Scores
from samewhy_edge.errors import ContractError, InputError, OutputError
from samewhy_edge.files import sha256, write_bytes
from samewhy_edge.predictor import Predictor, Spec, Subject
from samewhy_edge.quant import Affine

MAGIC = b"samewhy journal\n"
VERSION = 1
FRONT = struct.Struct("<16sII")  # magic, version, bytes of the JSON that follows
CHECK = struct.Struct("<I")
KEY = 16  # bytes; two among 10^12 questions share a key with a chance of 10^-15
SCORE = np.dtype("<f4")


@final
@dataclass(frozen=True, slots=True)
class Journal:
    """An open journal, ready to be added to."""

    path: Path
    start: int  # CRC-32 of the header, as it stands there
    sync: bool = False  # wait for the disk after each batch: outlives a power cut too, not only a killed process

    def append(self, answers: Mapping[bytes, bytes]) -> None:
        """Add scores by key, in one write.

        Raises:
            OutputError: the file cannot be written.
        """
        entries = b"".join(sealed(key + scores, self.start) for key, scores in answers.items())
        with _writing(self.path), self.path.open("ab") as log:
            log.write(entries)
            log.flush()
            if self.sync:
                os.fsync(log.fileno())


@final
@dataclass(slots=True)
class Remembering:
    """Another predictor that is never asked the same input twice.

    Inputs are the same where their codes are, or their float32 bytes where the tensor holds real numbers. Answers are
    the inner predictor's own, bit for bit, where those do not depend on the batch. Memory grows by some 200 bytes and
    the scores with every different input.
    """

    inner: Predictor
    spec: Spec
    journal: Journal | None = None
    known: dict[bytes, bytes] = field(default_factory=dict)  # scores by key
    asked: int = 0  # samples that the inner predictor was given
    repeated: int = 0  # samples that it was not given, because their answer was known or on its way

    @classmethod
    def resumed(cls, subject: Subject, path: Path, sync: bool = False) -> "Remembering":
        """The subject with all that the journal at `path` knows; the journal is begun where it is missing.

        Raises:
            InputError: the file is no journal, or one of another version or rung.
            OutputError: the file cannot be written.
        """
        journal, known = open_journal(path, subject.spec, sync)
        return cls(subject.ask, subject.spec, journal, known)

    def __call__(self, samples: Samples, /) -> Scores:
        """Scores of shape (N, K) for samples of shape (N, *S, C).

        Raises:
            ContractError: the inner predictor's scores are not float32 of shape (N, K).
            OutputError: the journal cannot be written.
        """
        keys = digests(samples, self.spec.input)
        fresh: dict[bytes, int] = {}  # where each unknown key is first seen
        for place, key in enumerate(keys):
            if key not in self.known:
                fresh.setdefault(key, place)
        if fresh:
            self._learn(samples[list(fresh.values())], list(fresh))
        self.repeated += len(keys) - len(fresh)
        rows = b"".join([self.known[key] for key in keys])
        return np.frombuffer(rows, SCORE).reshape(len(keys), self.spec.classes).astype(np.float32)

    def _learn(self, samples: Samples, keys: list[bytes]) -> None:
        scores = self.inner(samples)
        self.asked += len(samples)
        check_scores(scores, len(samples), self.spec.classes)
        answers = dict(zip(keys, (row.tobytes() for row in scores.astype(SCORE, copy=False)), strict=True))
        if self.journal:
            self.journal.append(answers)
        self.known.update(answers)


def digests(samples: Samples, entry: Affine | None) -> list[bytes]:
    """A key for each sample: BLAKE2b over its codes, or over its float32 values where there is no encoding."""
    values = entry.encode(samples) if entry else samples
    return [blake2b(row.tobytes(), digest_size=KEY).digest() for row in values]


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
