"""Who does the asking of a study: threads of this process, or workers elsewhere. The pieces of work are the same.

A piece is a rung, and what is to be done with it. What it found is a step of its own, so an interrupted run goes on
with the pieces that are missing, whoever does them.
"""

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, final

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from samewhy_edge.errors import WorkerError
from samewhy_edge.files import write_npz
from samewhy_edge.journal import Memory, remembered
from samewhy_edge.predictor import Subject, open_predictor
from samewhy_edge.query import Progress
from samewhy_edge.rung import Rung
from samewhy_host.show import Advance, Show
from samewhy_host.steps import Step, Steps

Arrays = Mapping[str, NDArray[Any]]
Told = Callable[[int, int], object]  # number of the piece, queries of it that are answered
Given = Generator[tuple[int, Arrays], None, None]  # number of the piece, what it found

JOURNAL, FOUND = "journal.log", "found.npz"


class Work(Protocol):
    """What is to be done with a rung: a dataclass, for it is pickled, in a module that imports what it needs alone."""

    def __call__(self, subject: Subject, progress: Progress, /) -> Arrays:
        """What it finds; `progress` is told the number of queries just answered."""
        ...


@final
@dataclass(frozen=True, slots=True)
class Located:
    """A rung, and how it is opened."""

    name: str
    address: str
    rung: Rung


@final
@dataclass(frozen=True, slots=True)
class Piece:
    """Work with a rung, small enough to be lost."""

    step: str  # "ask-int8": the step's name
    label: str  # of the bar; pieces of one label share it
    queries: int  # that the bar counts, at most; 0 for no bar
    rung: Located
    work: Work
    inputs: Mapping[str, Any]  # JSON; what decides the result besides the rung
    code: Sequence[ModuleType]  # what computes it


@final
@dataclass(frozen=True, slots=True)
class Job:
    """A piece that is to be done, and where its journal is kept by who can."""

    piece: Piece
    journal: Path


class Crew(Protocol):
    """Whoever does pieces of work."""

    def each(self, jobs: Sequence[Job], told: Told) -> Given:
        """What each job found, as it comes; closed early, it stops all that is under way.

        Raises:
            SamewhyError: the first error of a job.
            WorkerError: there is nobody to do them, or who is there would not find the same.
        """
        ...


@final
@dataclass(frozen=True, slots=True)
class Tools:
    """What pieces are done by: where finished steps lie, who works, and who is told."""

    steps: Steps
    crew: Crew
    show: Show


class StoppedError(Exception):
    """The run was interrupted while a thread was at work."""


def found(pieces: Sequence[Piece], tools: Tools) -> list[Arrays]:
    """What each piece found, now or in an earlier run; with it `seconds`, of the run that did it."""
    steps = [tools.steps.step(one.step, {"rung": asdict(one.rung.rung), **one.inputs}, one.code) for one in pieces]
    # the slowest rungs stand at the end of a ladder, so they start first
    missing = [place for place in reversed(range(len(pieces))) if not steps[place].done]
    jobs = [Job(pieces[place], steps[place].partial / JOURNAL) for place in missing]
    told = bars(tools.show, [job.piece for job in jobs])
    with closing(tools.crew.each(jobs, told)) as given:
        for number, arrays in given:
            told(number, jobs[number].piece.queries)
            end(steps[missing[number]], arrays)
    return [load(step.folder / FOUND) for step in steps]


def end(step: Step, arrays: Arrays) -> None:
    """Keep what a piece found; its journal has done its duty."""
    write_npz(step.begin() / FOUND, **arrays)
    (step.partial / JOURNAL).unlink(missing_ok=True)
    step.end()


def load(path: Path) -> Arrays:
    """Arrays of a `.npz`."""
    with np.load(path) as arrays:
        return dict(arrays)


def perform(located: Located, work: Work, memory: Callable[[Subject], Memory], progress: Progress) -> Arrays:
    """Do the work with the rung that was meant.

    Raises:
        WorkerError: the address opens another rung.
    """
    subject = open_predictor(located.address)
    same_rung(located, subject.spec.rung)
    start = time.perf_counter()
    arrays = work(remembered(subject, memory(subject)), progress)
    return {**arrays, "seconds": np.array(time.perf_counter() - start)}


def same_rung(located: Located, here: Rung) -> None:
    """Refuse to answer for another rung.

    Raises:
        WorkerError: naming what differs.
    """
    apart = [
        f"{field.name} {getattr(here, field.name)}, expected {getattr(located.rung, field.name)}"
        for field in fields(Rung)
        if getattr(here, field.name) != getattr(located.rung, field.name)
    ]
    if apart:
        raise WorkerError(
            f"rung {located.name} is another one where it should be asked: {'; '.join(apart)}. Answers count only from "
            "the rung that the study names; use workers like this machine, or start the study on one like them"
        )


@final
@dataclass(frozen=True, slots=True)
class Threads:
    """Threads of this process, as many as there are processors, an interpreter each; every answer goes to a journal."""

    def each(self, jobs: Sequence[Job], told: Told) -> Given:
        """What each job found, as it comes; the first error stops all. Raises what a job raises."""
        with at_work(dict(enumerate(jobs)), told) as numbers:
            for future in as_completed(numbers):  # so that an error is seen at once, whoever comes first in order
                yield numbers.pop(future), future.result()


@contextmanager
def at_work(jobs: Mapping[int, Job], told: Told) -> Iterator[dict[Future[Arrays], int]]:
    """The numbers of the jobs by what they will have found; whatever is still under way at the end is stopped."""
    stop = threading.Event()
    with one_sum_at_a_time(), ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            yield {pool.submit(here, job, counted(number, told, stop)): number for number, job in jobs.items()}
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)


def one_sum_at_a_time() -> AbstractContextManager[object]:
    """One thread for each of numpy's matrix products, in this process, from now on or while the context lasts.

    Threads share a sum otherwise, and their number shows in its last bits; pieces fill the processors anyway.
    """
    limits: AbstractContextManager[object] = threadpool_limits(1, "blas")
    return limits


def here(job: Job, progress: Progress) -> Arrays:
    """Do a job in this process, with its journal."""
    piece = job.piece
    return perform(piece.rung, piece.work, lambda subject: Memory.resumed(subject.spec, job.journal), progress)


def counted(number: int, told: Told, stop: threading.Event) -> Progress:
    """Counts the queries of a piece, and stops its thread when the run is interrupted."""
    count = 0

    def advance(more: int) -> None:
        nonlocal count
        if stop.is_set():
            raise StoppedError(f"piece {number}")
        count += more
        told(number, count)

    return advance


def bars(show: Show, pieces: Sequence[Piece]) -> Told:
    """A bar for each label, which appears with its first answer; a piece that is begun anew does not go back."""
    totals, opened, turn = Counter[str](), dict[str, Advance](), threading.Lock()
    counts = [0] * len(pieces)
    for piece in pieces:
        totals[piece.label] += piece.queries

    def told(number: int, count: int) -> None:
        piece = pieces[number]
        with turn:
            more = min(count, piece.queries) - counts[number]
            if more <= 0:
                return
            counts[number] += more
            if piece.label not in opened:
                opened[piece.label] = show.bar(piece.label, totals[piece.label])
            opened[piece.label](more)

    return told
