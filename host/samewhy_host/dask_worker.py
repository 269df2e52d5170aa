"""What a Dask worker does for `samewhy_host.dask_crew`: it keeps artifacts, and does pieces with them.

The scheduler imports this module too, so nothing heavy stands in it.
"""

import hashlib
import pickle
import platform
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import final

from distributed import Worker, get_worker
from distributed.diagnostics.plugin import WorkerPlugin

import samewhy_edge
import samewhy_host
from samewhy_edge.errors import ArtifactError, ExtraError, SamewhyError, WorkerError
from samewhy_edge.journal import Memory
from samewhy_edge.rung import machine
from samewhy_host.crew import Arrays, Located, StoppedError, Work, one_sum_at_a_time, perform

PACE = 0.5  # seconds between two words about how far a piece is


class Luggage(WorkerPlugin):
    """An artifact, which each worker gets once: those that are there, and those that come later."""

    idempotent = True

    def __init__(self, name: str, file: str, content: bytes) -> None:
        self.name, self.file, self.content = name, file, content

    def setup(self, worker: Worker) -> None:
        """Lay the file down."""
        path = place_of(worker, self.name, self.file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.content)

    def teardown(self, worker: Worker) -> None:
        """Take it away: nobody waits for answers any more."""
        shutil.rmtree(place_of(worker, self.name, self.file).parent, ignore_errors=True)


def place_of(worker: Worker, name: str, file: str) -> Path:
    """Where a worker keeps what came under this name, below its own folder, which goes when it ends."""
    return Path(worker.local_directory) / name / file


@final
@dataclass(frozen=True, slots=True)
class Order:
    """A piece on its way: to be unpickled by a worker alone."""

    rung: Located
    luggage: str  # the name under which the rung's artifact came
    work: Work
    about: Mapping[str, str]  # the client
    number: int
    topic: str  # of the words about how far it is


def do(packed: bytes) -> Arrays:
    """Do a packed order.

    Raises:
        WorkerError: this worker is unlike the client, or opens another rung.
        SamewhyError: what a piece raises, with the worker's address.
    """
    worker = get_worker()
    with named(f"worker {worker.address}"):
        order: Order = pickle.loads(packed)
        refuse(about(), order.about)
        one_sum_at_a_time()
        return done(order, worker)


@contextmanager
def named(who: str) -> Iterator[None]:
    """Errors say who had them.

    Raises:
        SamewhyError: what is raised, with the name; an `ExtraError` where a package is missing there.
    """
    try:
        yield
    except SamewhyError as error:
        raise type(error)(f"{who}: {error}") from error
    except ModuleNotFoundError as error:
        raise ExtraError(
            f"{who}: needs {error.name}, which is not installed there; install there what is installed here"
        ) from error


def done(order: Order, worker: Worker) -> Arrays:
    """What the piece found, with the rung's artifact as it came here.

    Raises:
        ArtifactError: it did not come.
    """
    runtime, _, rest = order.rung.address.partition(":")
    file, mark, options = rest.partition("?")
    path = place_of(worker, order.luggage, Path(file).name)
    if not path.is_file():
        raise ArtifactError(f"{path}: the artifact of {order.rung.name} is not there; run the same command again")
    rung = replace(order.rung, address=f"{runtime}:{path}{mark}{options}")
    return perform(rung, order.work, lambda subject: Memory(subject.spec), Speaker(worker, order, path))


@final
@dataclass(slots=True)
class Speaker:
    """Tells the client how far a piece is, now and then; stops it where nobody waits for it any more."""

    worker: Worker
    order: Order
    path: Path  # of the artifact
    count: int = 0
    last: float = field(default_factory=time.monotonic)

    def __call__(self, more: int) -> None:
        """Count queries that were just answered."""
        self.count += more
        if time.monotonic() - self.last < PACE:
            return
        self.last = time.monotonic()
        if not self.path.exists():
            raise StoppedError(f"piece {self.order.number}")
        self.worker.log_event(self.order.topic, (self.order.number, self.count))


@cache
def about() -> dict[str, str]:
    """What must be the same where a piece is done, besides the rung."""
    return {**installed(), "numpy": version("numpy"), "machine": machine()}


@cache
def installed() -> dict[str, str]:
    """What must be the same where pieces are passed on: Python, Dask, and the source of this package."""
    python = ".".join(platform.python_version_tuple()[:2])
    return {"samewhy": SOURCE, "distributed": version("distributed"), "python": python}


def source() -> str:
    """Version, and a digest of all modules."""
    state = hashlib.sha256()
    for package in (samewhy_edge, samewhy_host):
        folder = Path(str(package.__file__)).parent
        for path in sorted(folder.rglob("*.py")):
            state.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return f"{version('samewhy')} ({state.hexdigest()[:12]})"


SOURCE = source()  # now, for files may change under a worker that runs on with what it has loaded


def refuse(found: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """Refuse a place where answers, or the pieces themselves, might come out otherwise than where they are wanted.

    Raises:
        WorkerError: naming what differs.
    """
    apart = [f"{name} {found[name]}, expected {value}" for name, value in wanted.items() if found[name] != value]
    if apart:
        raise WorkerError(
            f"found {'; '.join(apart)}. Answers are equal only where these are: install the same there, on a machine "
            "of the same kind, or start the study where the workers are"
        )
