"""The workers of a Dask scheduler as a crew: pieces go out a few at a time, artifacts once to each worker.

Nothing is lost with a worker, for Dask gives its pieces to another one; nothing with this process, for what was found
is kept here. Rungs that no file holds, such as a board on a wire, are asked by threads of this process meanwhile.
"""

import pickle
import time
import uuid
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from concurrent.futures import Future as Here
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import final

import dask
from distributed import Client, Future, KilledWorker, Security
from distributed.comm.addressing import get_address_host_port
from distributed.versions import VersionMismatchWarning

from samewhy_edge.address import parse_address
from samewhy_edge.errors import WorkerError
from samewhy_edge.rung import artifact
from samewhy_host.crew import Arrays, Given, Job, Located, Told, at_work
from samewhy_host.dask_worker import Luggage, Order, about, do, installed, named, refuse

PATIENCE = 60.0  # seconds without any worker until a study gives up
CONNECT = 20.0  # seconds until a scheduler must have answered
POLL = 1.0  # seconds without news until we look after the scheduler
AHEAD = 2  # pieces that are on their way for each thread of a worker
LIMITS = {"distributed.admin.large-graph-warning-threshold": "1GB"}  # a piece brings its samples along; that is meant


@final
@dataclass(frozen=True, slots=True)
class Dask:
    """The workers of a scheduler that was found fit."""

    client: Client

    def each(self, jobs: Sequence[Job], told: Told) -> Given:
        """What each job found, as it comes; the first error stops all.

        Raises:
            SamewhyError: what a piece raises, with the address of its worker.
            WorkerError: the scheduler is lost, nobody works for it, or who does is unlike this machine.
        """
        if not jobs:
            return
        topic = f"samewhy-{uuid.uuid4().hex}"
        files = carried([job.piece.rung for job in jobs])
        staying = {number: job for number, job in enumerate(jobs) if job.piece.rung not in files}
        with ExitStack() as stack:
            names = stack.enter_context(luggage(self.client, topic, files.values()))
            stack.enter_context(heard(self.client, topic, told))
            orders = (
                Order(job.piece.rung, names[files[job.piece.rung]], job.piece.work, about(), number, topic)
                for number, job in enumerate(jobs)
                if number not in staying
            )
            errand = Errand(self.client, orders)
            stack.callback(errand.cancel)
            for future, number in stack.enter_context(at_work(staying, told)).items():
                errand.expect(number, future)
            for _ in jobs:
                yield errand.next()


@final
@dataclass(slots=True)
class Errand:
    """Pieces of work on their way: those that are left to send, those that are out, and those that came back."""

    client: Client
    orders: Iterator[Order]
    out: dict[int, Future[Arrays]] = field(default_factory=dict)
    back: SimpleQueue[tuple[int, Future[Arrays] | Here[Arrays]]] = field(default_factory=SimpleQueue)

    def next(self) -> tuple[int, Arrays]:
        """The number and the result of the piece that comes back next.

        Raises:
            WorkerError: the scheduler is lost, or has had no workers for a while.
        """
        seen = time.monotonic()
        while True:
            if self._send():
                seen = time.monotonic()
            elif time.monotonic() - seen > PATIENCE:
                raise nobody(self.client)
            with suppress(Empty):
                number, future = self.back.get(timeout=POLL)
                self.out.pop(number, None)
                return number, result_of(future, self.client)

    def expect(self, number: int, future: Future[Arrays] | Here[Arrays]) -> None:
        """Take note of it when it is done."""
        future.add_done_callback(lambda done: self.back.put((number, done)))

    def cancel(self) -> None:
        """Nobody waits for what is out."""
        if self.out:
            farewell(self.client, lambda: self.client.cancel(list(self.out.values()), force=True))

    def _send(self) -> int:
        """Send as many as the workers will soon take; how many of them there can be done at once."""
        threads = threads_of(self.client)
        for order in islice(self.orders, max(0, AHEAD * threads - len(self.out))):
            with dask.config.set(LIMITS):
                key = f"{order.rung.name}-{order.number}-{order.topic}"
                self.out[order.number] = self.client.submit(do, pickle.dumps(order), key=key)
            self.expect(order.number, self.out[order.number])
        return threads


def result_of(future: Future[Arrays] | Here[Arrays], client: Client) -> Arrays:
    """What a piece found.

    Raises:
        SamewhyError: what it raised.
        WorkerError: it ended several workers, or the scheduler is lost.
    """
    try:
        arrays: Arrays = future.result()
    except KilledWorker as error:
        raise WorkerError(
            f"{error.allowed_failures + 1} workers ended while they did {error.task!r}, the last one at "
            f"{error.last_worker.address}; look into their logs, most often their memory does not suffice"
        ) from error
    except (CancelledError, OSError) as error:
        raise lost(client) from error
    return arrays


def threads_of(client: Client) -> int:
    """How many pieces the workers do at once.

    Raises:
        WorkerError: the scheduler is lost.
    """
    if client.status != "running":
        raise lost(client)
    try:
        return sum(client.nthreads().values())
    except OSError as error:
        raise lost(client) from error


def lost(client: Client) -> WorkerError:
    """The scheduler went away."""
    return WorkerError(
        f"lost the scheduler {address_of(client)}; finished pieces are kept, start it again and run the same command"
    )


def nobody(client: Client) -> WorkerError:
    """No workers."""
    return WorkerError(
        f"the scheduler {address_of(client)} has had no workers for {PATIENCE:.0f} s; finished pieces are kept, start "
        "workers (dask worker ADDRESS) and run the same command"
    )


def address_of(client: Client) -> str:
    """Of the scheduler, also when it is lost."""
    return str(client.scheduler and client.scheduler.address)


def farewell(client: Client, word: Callable[[], object]) -> None:
    """A last word, which need not be said where the scheduler is lost."""
    if client.status == "running":
        with suppress(OSError):
            word()


def carried(rungs: Iterable[Located]) -> dict[Located, Path]:
    """The file of each rung whose artifact is what its address names; others stay where they are."""
    files = {rung: parse_address(rung.address).path for rung in set(rungs)}
    return {rung: path for rung, path in files.items() if path.is_file() and artifact(path) == rung.rung.artifact}


@contextmanager
def luggage(client: Client, topic: str, files: Iterable[Path]) -> Iterator[Mapping[Path, str]]:
    """By file: the name under which every worker has it, those that come later too, until the end.

    Raises:
        WorkerError: the scheduler is lost.
    """
    threads_of(client)
    names = {path: f"{topic}-{place}" for place, path in enumerate(dict.fromkeys(files))}
    with ExitStack() as stack:
        for path, name in names.items():
            stack.callback(farewell, client, partial(client.unregister_worker_plugin, name))
            client.register_plugin(Luggage(name, path.name, path.read_bytes()), name=name)
        yield names


@contextmanager
def heard(client: Client, topic: str, told: Told) -> Iterator[None]:
    """Tells how far pieces are, while they are under way."""
    client.subscribe_topic(topic, lambda event: told(*event[1]))
    try:
        yield
    finally:
        farewell(client, lambda: client.unsubscribe_topic(topic))


@contextmanager
def connected(scheduler: str) -> Iterator[Dask]:
    """The workers of the scheduler at ``tcp://host:port`` or ``tls://host:port``, once they are found fit.

    Raises:
        WorkerError: nobody answers there, nobody works for it, or who does is unlike this machine.
    """
    with client_of(scheduler) as client:
        refuse_unlike(client)
        yield Dask(client)


def refuse_unlike(client: Client) -> None:
    """See to it that pieces can be passed on and done, before any are made.

    Raises:
        WorkerError: nobody works for the scheduler, or who does is unlike this machine.
    """
    address = address_of(client)
    with named(f"scheduler {address}"):
        refuse(client.run_on_scheduler(installed), installed())
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except TimeoutError as error:
        raise nobody(client) from error
    with named(f"a worker of {address}"):
        all_found = client.run(about)
    for worker, found in all_found.items():
        with named(f"worker {worker}"):
            refuse(found, about())


def client_of(scheduler: str) -> Client:
    """A client that is connected.

    Raises:
        WorkerError: nobody answers there.
    """
    try:
        get_address_host_port(scheduler, strict=True)  # clients try again and again whatever the address is
        if scheduler.startswith("tls") and Security().get_connection_args("client").get("ssl_context") is None:
            raise ValueError("no certificates in Dask's configuration (distributed.comm.tls)")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", VersionMismatchWarning)  # what matters of it is refused in `connected`
            return Client(scheduler, timeout=CONNECT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise WorkerError(
            f"--scheduler {scheduler}: {str(error) or type(error).__name__}; expected the address that dask scheduler "
            "prints, such as tcp://host:8786"
        ) from error
