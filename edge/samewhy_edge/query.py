"""The one place that asks a predictor under masks, and bounds the memory of it."""

import math
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from queue import SimpleQueue
from typing import final

import numpy as np

from samewhy_edge.arrays import Answers, Keep, Sample, Samples, Scores
from samewhy_edge.blend import blend, blend_codes
from samewhy_edge.errors import InputError
from samewhy_edge.fill import Fill, Filling, backgrounds
from samewhy_edge.plan import Each, Plan
from samewhy_edge.predictor import Predictor, Subject, check_samples
from samewhy_edge.repeats import without_repeats

Progress = Callable[[int], object]  # told the number of queries just answered
Answered = tuple[int, int, Scores]  # number of the sample, number of the first query, scores (m, K)

BATCH = 64  # queries at a time
ROOM = 8 * 2**20  # float32 values of one blended batch at most: 32 MiB


@final
@dataclass(frozen=True, slots=True)
class Piece:
    """A batch of masks, and the samples that it is laid over."""

    places: tuple[int, ...]
    plan: Plan
    start: int
    stop: int


def ask(
    predictor: Predictor,
    samples: Samples,
    plan: Plan | Each,
    fill: Fill | Filling = 0.0,
    progress: Progress = lambda _: None,
    others: Sequence[Predictor] = (),
) -> Answers:
    """Scores (N, M, K) of every sample under every mask of the plan.

    Masks are made once a batch and shared by all samples; memory does not grow with the number of masks. Queries that
    show what another query of the sample shows, because the features in which they differ equal the fill, are not
    asked: they have its scores. `others` are more predictors of the same rung, asked at the same time in threads; the
    scores are the same with any number of them.

    Raises:
        InputError: samples or a fill that do not fit, or a plan for another number of samples.
    """
    if isinstance(predictor, Subject):
        check_samples(samples, predictor.spec.sample)
    filled = backgrounds(fill, samples)
    entry = predictor.spec.input if isinstance(predictor, Subject) else None
    plans, rows = without_repeats(samples, filled, plan_of_each(plan, len(samples)), entry)
    repeated = sum(map(len, rows)) - sum(map(len, plans))
    if repeated:
        progress(repeated)
    found: list[dict[int, Scores]] = [{} for _ in samples]  # by the first query of a batch
    work = list(pieces(plans, samples))
    with closing(answered(work, samples, filled, (predictor, *others))) as given:
        for place, start, scores in given:
            found[place][start] = scores
            progress(len(scores))
    return np.stack(
        [np.concatenate([one[start] for start in sorted(one)])[row] for one, row in zip(found, rows, strict=True)]
    )


def answered(
    work: Sequence[Piece], samples: Samples, filled: Samples, crew: Sequence[Predictor]
) -> Generator[Answered, None, None]:
    """The work, in the order in which it is done; closed early, it ends with the batches that are being asked."""
    if len(crew) == 1:
        for piece in work:
            yield from scores_of(crew[0], piece, samples, filled)
        return
    left, stop = iter(work), threading.Event()
    turn: threading.Lock = threading.Lock()
    done: SimpleQueue[Answered | BaseException] = SimpleQueue()

    def job(one: Predictor) -> None:
        try:
            while piece := taken(left, turn):
                for answer in scores_of(one, piece, samples, filled):
                    done.put(answer)
                    if stop.is_set():
                        return
        except BaseException as error:  # raised again where the answers are awaited
            done.put(error)

    with ThreadPoolExecutor(len(crew)) as pool:
        for one in crew:
            pool.submit(job, one)
        try:
            for _ in range(sum(len(piece.places) for piece in work)):
                answer = done.get()
                if isinstance(answer, BaseException):
                    raise answer
                yield answer
        finally:
            stop.set()


def taken(left: Iterator[Piece], turn: threading.Lock) -> Piece | None:
    """The next piece for whoever is free."""
    with turn:
        return next(left, None)


def scores_of(predictor: Predictor, piece: Piece, samples: Samples, filled: Samples) -> Iterator[Answered]:
    """Scores (m, K) of each sample of a piece, under masks made once."""
    keep = piece.plan.keep(piece.start, piece.stop)
    for i in piece.places:
        yield i, piece.start, one_batch(predictor, samples[i], keep, filled[i])


def one_batch(predictor: Predictor, sample: Sample, keep: Keep, background: Sample) -> Scores:
    """Scores (m, K) of one sample; straight to codes where the predictor takes them."""
    if not isinstance(predictor, Subject):
        return predictor(blend(sample, keep, background))
    if predictor.coded is None or predictor.spec.input is None:
        return predictor.ask(blend(sample, keep, background))
    return predictor.coded(blend_codes(sample, keep, background, predictor.spec.input))


def pieces(plans: Sequence[Plan], samples: Samples) -> Iterator[Piece]:
    """Batches of each plan; samples that share a plan share its masks."""
    sharing: dict[int, list[int]] = {}
    for place, plan in enumerate(plans):
        sharing.setdefault(id(plan), []).append(place)
    for places in sharing.values():
        plan = plans[places[0]]
        size = batch_size(len(plan), samples[0].size)
        for start in range(0, len(plan), size):
            yield Piece(tuple(places), plan, start, min(start + size, len(plan)))


def batch_size(queries: int, values: int) -> int:
    """Near-equal batches within the bounds, so that an interpreter is resized once."""
    most = max(1, min(BATCH, ROOM // values))
    return math.ceil(queries / math.ceil(queries / most))


def plan_of_each(plan: Plan | Each, count: int) -> list[Plan]:
    """The plan of each of `count` samples.

    Raises:
        InputError: plans for another number of samples.
    """
    if not isinstance(plan, Each):
        return [plan] * count
    if len(plan.plans) != count:
        raise InputError(f"features of {len(plan.plans)} samples, expected one set for each of the {count} samples")
    return list(plan.plans)
