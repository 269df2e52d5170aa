import math
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samewhy_edge import open_predictor, query
from samewhy_edge.arrays import Keep, Samples, Scores
from samewhy_edge.blend import blend
from samewhy_edge.errors import InputError
from samewhy_edge.features import CellsByChannel, Coalitions, labels_of
from samewhy_edge.fill import Background, Blur, Fill, Mean, ZeroPoint, backgrounds
from samewhy_edge.grids import RandomGrids
from samewhy_edge.plan import Each, Plan, Windows
from samewhy_edge.query import ask, batch_size
from samewhy_edge.testing import random_samples
from tests.golden import golden
from tests.worlds import Constant, Recording, additive, subject

PLAN = RandomGrids((6, 5), 150, 3, 0.5, (0, 0))
SAMPLES = np.random.default_rng(1).normal(size=(3, 6, 5, 2)).astype(np.float32)
WORLD = additive(6, 5, 2)


def test_every_sample_is_asked_under_every_mask() -> None:
    world = additive(6, 5, 2)
    answers = ask(world, SAMPLES, PLAN)
    assert answers.shape == (3, 150, 3)
    for sample, row in zip(SAMPLES, answers, strict=True):
        one = world(PLAN.keep(77, 78)[..., None] * sample)[0]
        np.testing.assert_allclose(row[77], one, rtol=1e-4)


@pytest.mark.parametrize("size", [1, 7, 149, 1000])
def test_the_batch_size_does_not_change_which_query_gets_which_answer(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = ask(additive(6, 5, 2), SAMPLES, PLAN)
    monkeypatch.setattr(query, "BATCH", size)
    np.testing.assert_allclose(ask(additive(6, 5, 2), SAMPLES, PLAN), known, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("fill", [0.0, 0.5, -3.25])
def test_blending_is_exact_where_keep_is_zero_or_one(fill: float) -> None:
    sample = np.array([[0.1], [1e-7], [3e7], [-0.3]], np.float32)
    keep = np.array([[1, 0, 1, 0], [0, 1, 0, 1]], np.float32)
    blended = blend(sample, keep, np.full_like(sample, fill))
    assert np.array_equal(blended, np.where(keep[..., None] == 1, sample, np.float32(fill)))


def test_blending_between_is_linear() -> None:
    sample, keep = np.full((2, 1), 4, np.float32), np.array([[0.25, 0.75]], np.float32)
    assert blend(sample, keep, np.full_like(sample, 8)).ravel().tolist() == [7, 5]


def test_all_channels_of_a_position_are_hidden_together() -> None:
    sample = np.arange(1, 7, dtype=np.float32).reshape(2, 3)
    assert blend(sample, np.array([[0, 1]], np.float32), np.zeros_like(sample))[0].tolist() == [[0, 0, 0], [4, 5, 6]]


@pytest.mark.parametrize("fill", [0.0, 0.5])
def test_blended_batches_are_float32(fill: float) -> None:
    assert blend(SAMPLES[0], PLAN.keep(0, 2), np.full_like(SAMPLES[0], fill)).dtype == np.float32


def test_samples_are_left_as_they_are() -> None:
    samples = SAMPLES.copy()
    ask(additive(6, 5, 2), samples, PLAN, fill=1.0)
    assert np.array_equal(samples, SAMPLES)


def test_every_sample_sees_the_same_masks() -> None:
    world = Recording(Constant())
    ask(world, np.ones((2, 6, 5, 1), np.float32), PLAN)
    first, second = (np.concatenate(world.asked[i::2]) for i in (0, 1))
    assert np.array_equal(first[..., 0], PLAN.keep(0, 150))
    assert np.array_equal(second, first)


def test_no_batch_is_larger_than_the_bounds() -> None:
    world = Recording(Constant())
    ask(world, SAMPLES, PLAN)
    assert max(len(batch) for batch in world.asked) <= 64


def test_large_samples_are_asked_in_small_batches() -> None:
    world = Recording(Constant())
    plan = Windows((1024, 1024), (1024, 512), (1024, 256), (0, 0))
    ask(world, np.ones((1, 1024, 1024, 3), np.float32), plan)
    assert [len(batch) for batch in world.asked] == [2, 2]


def test_a_sample_larger_than_the_room_is_asked_alone() -> None:
    assert batch_size(10, query.ROOM * 3) == 1


@given(st.integers(1, 5000), st.integers(1, 2**22))
def test_batches_are_within_the_bounds_and_as_few_as_possible(queries: int, values: int) -> None:
    most = min(query.BATCH, max(1, query.ROOM // values))
    size = batch_size(queries, values)
    assert 1 <= size <= most
    assert math.ceil(queries / size) == math.ceil(queries / most)


def test_batches_are_near_equal_rather_than_full_with_a_small_tail() -> None:
    assert batch_size(65, 1) == 33


def test_progress_adds_up_to_all_queries_of_all_samples() -> None:
    told: list[int] = []
    ask(Constant(), SAMPLES, PLAN, progress=told.append)
    assert sum(told) == 3 * 150
    assert told == [50] * 9  # as soon as a batch is answered


# Threads.

CHOSEN = np.random.default_rng(6).integers(0, 2, (90, 8)).astype(np.float32)
KINDS_OF_FILL: dict[str, Fill] = {"number": 0.5, "zero-point": ZeroPoint(), "mean": Mean(), "blur": Blur(1.0)}


@final
@dataclass
class Unsteady:
    """A world that takes longer for some batches than for others, and calls a hook before each."""

    hook: Callable[[], object] = lambda: None
    asked: list[int] = field(default_factory=list)

    def __call__(self, samples: Samples, /) -> Scores:
        self.hook()
        time.sleep(0.001 * (len(self.asked) % 3))
        self.asked.append(len(samples))
        return WORLD(samples)


@pytest.mark.parametrize("count", [2, 3, 7])
def test_threads_get_the_bytes_of_one_and_ask_each_query_once(count: int) -> None:
    crew = [Unsteady() for _ in range(count)]
    told: list[int] = []
    answers = ask(crew[0], SAMPLES, PLAN, Mean(), told.append, crew[1:])
    assert answers.tobytes() == ask(WORLD, SAMPLES, PLAN, Mean()).tobytes()
    assert sum(sum(one.asked) for one in crew) == sum(told) == 3 * 150
    assert sum(bool(one.asked) for one in crew) >= 2
    assert max(max(one.asked, default=0) for one in crew) <= 64


def test_interpreters_in_threads_give_the_codes_of_one() -> None:
    subjects = [open_predictor(golden("image_int8")) for _ in range(3)]
    samples = random_samples(subjects[0], 4)
    plan = RandomGrids((8, 8), 500, 3, 0.5, (0, 0))
    known = ask(subjects[0], samples, plan, Blur(2.0))
    assert ask(subjects[0], samples, plan, Blur(2.0), others=subjects[1:]).tobytes() == known.tobytes()


def test_the_samples_of_each_piece_are_asked_under_masks_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[int, int]] = []
    keep = RandomGrids.keep

    def noting(self: RandomGrids, start: int, stop: int) -> Keep:
        made.append((start, stop))
        return keep(self, start, stop)

    monkeypatch.setattr(RandomGrids, "keep", noting)
    ask(WORLD, SAMPLES, PLAN, others=[WORLD])
    assert sorted(made) == [(0, 50), (50, 100), (100, 150)]


@pytest.mark.parametrize("error", [ValueError("it broke"), KeyboardInterrupt()], ids=["error", "interrupt"])
@pytest.mark.parametrize("after", [0, 3])
def test_what_stops_one_thread_stops_all_and_is_raised(error: BaseException, after: int) -> None:
    broken, sound = Unsteady(), Unsteady(lambda: time.sleep(0.01))

    def fail() -> None:
        if len(broken.asked) >= after:
            raise error

    broken.hook, before = fail, threading.active_count()
    plan = RandomGrids((6, 5), 6400, 3, 0.5, (0, 0))
    with pytest.raises(type(error)) as raised:
        ask(broken, SAMPLES, plan, others=[sound])
    assert raised.value is error
    assert threading.active_count() == before
    assert len(sound.asked) < 150  # of 300 batches


@pytest.mark.parametrize("count", [1, 3])
def test_progress_may_stop_the_asking(count: int) -> None:
    crew, before = [Unsteady(lambda: time.sleep(0.002)) for _ in range(count)], threading.active_count()
    told: list[int] = []

    def progress(answered: int) -> None:
        told.append(answered)
        if len(told) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ask(crew[0], SAMPLES, RandomGrids((6, 5), 6400, 3, 0.5, (0, 0)), progress=progress, others=crew[1:])
    assert threading.active_count() == before
    assert sum(len(one.asked) for one in crew) < 100  # of 300 batches
    assert len(told) == 5


INTERRUPTED = """
import time
import numpy as np
from samewhy_edge.grids import RandomGrids
from samewhy_edge.query import ask
def slow(samples):
    time.sleep(0.05)
    return np.zeros((len(samples), 2), np.float32)
plan = RandomGrids((6, 5), 64000, 3, 0.5, (0, 0))
ask(slow, np.ones((3, 6, 5, 1), np.float32), plan, progress=lambda n: print(n, flush=True), others=[slow] * {others})
"""


@pytest.mark.parametrize("others", [0, 2])
def test_a_process_that_asks_in_threads_ends_when_it_is_interrupted(others: int) -> None:
    words = [sys.executable, "-c", INTERRUPTED.format(others=others)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "64\n"
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=20)[1]
    assert process.returncode == -signal.SIGINT
    assert said.rstrip().endswith("KeyboardInterrupt")


def test_progress_counts_repeats_at_once_and_adds_up() -> None:
    samples = SAMPLES.copy()
    told: list[int] = []
    samples[:, 2:] = 0
    plan = Windows((6, 5), (2, 2), (1, 1), (0, 0))
    world = Unsteady()
    ask(world, samples, plan, progress=told.append, others=[Unsteady()])
    hidden = 3 * 3 * 4  # windows below row 2
    assert told[0] == hidden
    assert sum(told) == 3 * len(plan)


# Plans and fills.


def by_definition(samples: Samples, plans: Sequence[Plan], hidden: Samples) -> Any:
    """Query after query."""
    rows = []
    for sample, plan, background in zip(samples, plans, hidden, strict=True):
        keep = plan.keep(0, len(plan))
        shown = keep if keep.ndim > sample.ndim else keep[..., None]
        rows.append(np.concatenate([WORLD((one * sample + (1 - one) * background)[None]) for one in shown]))
    return np.stack(rows)


@pytest.mark.parametrize("others", [0, 1])
@pytest.mark.parametrize("fill", KINDS_OF_FILL)
def test_every_fill_stands_where_nothing_is_kept(fill: str, others: int) -> None:
    hidden = backgrounds(KINDS_OF_FILL[fill], SAMPLES)
    answers = ask(WORLD, SAMPLES, PLAN, KINDS_OF_FILL[fill], others=[WORLD] * others)
    np.testing.assert_allclose(answers, by_definition(SAMPLES, [PLAN] * 3, hidden), rtol=1e-4, atol=1e-4)


def test_backgrounds_from_a_file_may_differ_between_samples(tmp_path: Path) -> None:
    hidden = SAMPLES[::-1] * 2
    np.save(tmp_path / "b.npy", hidden)
    answers = ask(WORLD, SAMPLES, PLAN, Background(str(tmp_path / "b.npy")))
    np.testing.assert_allclose(answers, by_definition(SAMPLES, [PLAN] * 3, hidden), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("others", [0, 2])
def test_channels_are_kept_and_filled_apart(others: int) -> None:
    plan = Coalitions(CellsByChannel((2,)).labels((6, 5, 2)), CHOSEN)
    answers = ask(WORLD, SAMPLES, plan, Mean(), others=[WORLD] * others)
    known = by_definition(SAMPLES, [plan] * 3, backgrounds(Mean(), SAMPLES))
    np.testing.assert_allclose(answers, known, rtol=1e-4, atol=1e-4)
    apart = ask(WORLD, SAMPLES, Coalitions(labels_of((2,), (6, 5, 2))[0][0], CHOSEN[:, :4]), Mean())
    assert np.abs(answers - apart).max() > 0.1


@pytest.mark.parametrize("others", [0, 2])
def test_samples_may_have_plans_of_their_own(others: int) -> None:
    drawn = np.random.default_rng(7)
    plan = Each(tuple(Coalitions(drawn.integers(0, 8, (6, 5)), CHOSEN) for _ in SAMPLES))
    answers = ask(WORLD, SAMPLES, plan, 0.5, others=[WORLD] * others)
    known = by_definition(SAMPLES, plan.plans, np.full_like(SAMPLES, 0.5))
    np.testing.assert_allclose(answers, known, rtol=1e-4, atol=1e-4)


def test_plans_for_another_number_of_samples_are_refused() -> None:
    with pytest.raises(InputError, match="features of 2 samples, expected one set for each of the 3 samples"):
        ask(WORLD, SAMPLES, Each((PLAN, PLAN)))


def test_a_subject_checks_its_samples_before_it_is_asked() -> None:
    world, spoiled = Recording(WORLD), SAMPLES.copy()
    spoiled[1, 2, 3, 0] = np.nan
    with pytest.raises(InputError, match=r"samples hold 1 NaN or infinite values"):
        ask(subject(world, (6, 5, 2), 3), spoiled, PLAN)
    assert world.asked == []


def test_memory_does_not_grow_with_the_number_of_masks() -> None:
    def peak(count: int) -> int:
        tracemalloc.start()
        ask(Constant(), np.ones((2, 64, 64, 1), np.float32), RandomGrids((64, 64), count, 7, 0.5, (0, 0)))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    few, many = peak(128), peak(1280)
    assert many < few + 1_000_000  # 18 MB of masks more; the scores of 2 x 1152 queries and what holds them are little
