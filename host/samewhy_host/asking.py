"""Every question of a study to every rung: scores of the test split, answers under the plans, timings.

Each is a step of its own with a journal until it is done, so that an interrupted run asks nothing twice. Rungs are
asked at the same time, an interpreter a thread.
"""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge import bench, blend, fill, journal, litert, plan, predictor, quant, query, repeats
from samewhy_edge.arrays import Answers, Samples, Scores
from samewhy_edge.errors import InputError
from samewhy_edge.explain import Explainer, described
from samewhy_edge.files import sha256, write_json, write_npz
from samewhy_edge.fill import Fill
from samewhy_edge.journal import Memory, remembered
from samewhy_edge.plan import Each, Plan, digest
from samewhy_edge.predictor import Subject, open_predictor
from samewhy_edge.query import ask
from samewhy_host import onnx_runtime, torch_runtime
from samewhy_host.manifest import Step
from samewhy_host.show import Show
from samewhy_host.steps import Steps

CODE = (blend, fill, journal, litert, plan, predictor, quant, query, repeats, onnx_runtime, torch_runtime)
CHUNK = 250  # test samples at a time


@final
@dataclass(frozen=True, slots=True)
class Question:
    """A plan with its fill: what the explainers that share it ask."""

    plan: Plan | Each
    fill: Fill
    digest: str
    label: str


@final
@dataclass(frozen=True, slots=True)
class Rungs:
    """The ladder, opened from the run's folder."""

    folder: Path
    steps: tuple[Step, ...]

    def open(self, place: int) -> Subject:
        """A predictor of its own for whoever asks."""
        step = self.steps[place]
        runtime, _, rest = step.address.partition(":")
        local = (self.folder / rest.partition("?")[0]).is_file()
        return open_predictor(f"{runtime}:{self.folder / rest}" if local else step.address)


@final
@dataclass(frozen=True, slots=True)
class Given:
    """Answers (N, M, K), and the seconds that they took; of the last run alone, where one before it was interrupted."""

    answers: Answers
    seconds: float


class StoppedError(Exception):
    """The run was interrupted while a thread was asking."""


def question(explainer: Explainer, sample: tuple[int, ...], seed: int, draw: int = 0) -> Question:
    """What an explainer asks; `draw` 1 is for the ceiling."""
    masks = explainer.plan(sample, seed, draw)
    return Question(masks, explainer.fill, digest(masks), f"{explainer.name}{' (ceiling)' if draw else ''}")


def same_ends(rungs: Rungs, sample: tuple[int, ...], classes: int) -> list[Subject]:
    """All rungs, opened once to see that they take the study's samples and give its classes.

    Raises:
        InputError: naming the rung, and what it takes and gives.
    """
    subjects = [rungs.open(place) for place in range(len(rungs.steps))]
    for step, subject in zip(rungs.steps, subjects, strict=True):
        if subject.spec.sample != sample or subject.spec.classes != classes:
            raise InputError(
                f"rung {step.name} takes samples {subject.spec.sample} and gives {subject.spec.classes} scores; "
                f"the data has samples {sample} and {classes} classes"
            )
    return subjects


def test_scores(rungs: Rungs, subjects: Sequence[Subject], samples: Samples, steps: Steps, show: Show) -> list[Scores]:
    """Scores (T, K) of the whole test split, a rung each."""
    identity = sha256(samples)

    def job(place: int, stop: threading.Event) -> Path:
        advance = lazy_bar(show, f"test {rungs.steps[place].name}", len(samples), stop)

        def make(folder: Path) -> None:
            rows = []
            with journalled(rungs.open(place), folder) as subject:
                for start in range(0, len(samples), CHUNK):
                    rows.append(subject(samples[start : start + CHUNK]))
                    advance(len(rows[-1]))
                write_npz(folder / "scores.npz", scores=np.concatenate(rows))

        inputs = {"rung": asdict(subjects[place].spec.rung), "samples": identity}
        return steps.once(f"test-{rungs.steps[place].name}", inputs, CODE, make)

    # the slowest rungs stand at the end of a ladder, so they start first
    jobs = [partial(job, place) for place in reversed(range(len(subjects)))]
    folders = at_once(jobs)[::-1]
    return [load(folder / "scores.npz", "scores")[0] for folder in folders]


def answers(
    rungs: Rungs,
    subjects: Sequence[Subject],
    asked: Sequence[tuple[int, Question]],
    samples: Samples,
    steps: Steps,
    show: Show,
) -> list[Given]:
    """What each (rung, question) gave."""
    identity = sha256(samples)

    def job(place: int, what: Question, stop: threading.Event) -> Path:
        name = rungs.steps[place].name
        advance = lazy_bar(show, f"{what.label} {name}", len(what.plan) * len(samples), stop)

        def make(folder: Path) -> None:
            start = time.perf_counter()
            # one interpreter a rung: rungs are asked at the same time and fill the processors already
            with journalled(rungs.open(place), folder) as subject:
                given = ask(subject, samples, what.plan, what.fill, advance)
                write_npz(folder / "answers.npz", answers=given, seconds=np.array(time.perf_counter() - start))

        inputs = {
            "rung": asdict(subjects[place].spec.rung),
            "samples": identity,
            "plan": what.digest,
            "fill": described(what.fill),
        }
        return steps.once(f"ask-{name}", inputs, CODE, make)

    jobs = [partial(job, place, what) for place, what in reversed(asked)]
    found = [load(folder / "answers.npz", "answers", "seconds") for folder in at_once(jobs)[::-1]]
    return [Given(answers, float(seconds)) for answers, seconds in found]


@contextmanager
def journalled(subject: Subject, folder: Path) -> Iterator[Subject]:
    """The subject with a journal in the folder of a step, which is removed when the step has what it wanted.

    The folder's name holds the digest of the rung, the samples and the masks, so a journal is found by those alone.
    """
    path = folder / "journal.log"
    yield remembered(subject, Memory.resumed(subject.spec, path))
    path.unlink()


def timings(rungs: Rungs, subjects: Sequence[Subject], samples: Samples, steps: Steps) -> dict[str, dict[str, float]]:
    """Milliseconds a sample on this machine, one rung after the other."""
    table = {}
    for step, subject in zip(rungs.steps, subjects, strict=True):

        def make(folder: Path, subject: Subject = subject) -> None:
            write_json(folder / "timing.json", asdict(bench.timing(subject, samples)))

        folder = steps.once(f"time-{step.name}", {"rung": asdict(subject.spec.rung)}, (*CODE, bench), make)
        table[step.name] = json.loads((folder / "timing.json").read_text())
    return table


def lazy_bar(show: Show, name: str, total: int, stop: threading.Event) -> Callable[[int], None]:
    """A bar that appears with the first answer, and stops the thread when the run is interrupted."""
    opened: list[Callable[[int], object]] = []

    def advance(count: int) -> None:
        if stop.is_set():
            raise StoppedError(name)
        if not opened:
            opened.append(show.bar(name, total))
        opened[0](count)

    return advance


def at_once(jobs: Sequence[Callable[[threading.Event], Path]]) -> list[Path]:
    """Results of the jobs, in their order, as many at a time as there are processors; the first error stops all."""
    stop = threading.Event()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        futures = [pool.submit(job, stop) for job in jobs]
        try:
            for future in as_completed(futures):  # so that an error is seen at once, whoever comes first in order
                future.result()
            return [future.result() for future in futures]
        except BaseException:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def load(path: Path, *names: str) -> list[NDArray[Any]]:
    """Arrays of a `.npz`."""
    with np.load(path) as arrays:
        return [arrays[name] for name in names]
