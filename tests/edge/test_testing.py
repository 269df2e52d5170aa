from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from samewhy_edge.errors import InputError
from samewhy_edge.predictor import Predictor, Spec, Subject
from samewhy_edge.quant import Affine
from samewhy_edge.testing import check_predictor, random_samples
from tests.worlds import RUNG, Constant, Recording, additive, subject

SAMPLE = (6, 5, 2)
WORLD = additive(*SAMPLE)

SHAPE, AGAIN, SIZE, ORDER, UNTOUCHED, REFUSES, APART = (
    "one row of finite float32 scores a sample",
    "the same samples get the same scores",
    "the batch size changes nothing",
    "neighbours in a batch change nothing",
    "the samples are not written to",
    "bad samples are refused",
    "different samples get different scores",
)


class Counting:
    """Adds the number of questions so far."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, samples: Any, /) -> Any:
        self.asked += 1
        return WORLD(samples) + np.float32(self.asked)


def mixing(samples: Any, /) -> Any:
    return WORLD(samples) + samples.mean()


def first_of_batch(samples: Any, /) -> Any:
    scores = WORLD(samples)
    scores[0] += 1
    return scores


def clipping(samples: Any, /) -> Any:
    return WORLD(np.clip(samples, 0.2, 0.8, out=samples))


def doubling(samples: Any, /) -> Any:
    samples *= 2
    return WORLD(samples)


def one_row(samples: Any, /) -> Any:
    return WORLD(samples)[:1]


def one_row_more(samples: Any, /) -> Any:
    return WORLD(np.concatenate([samples, samples[:1]]))


def one_class_more(samples: Any, /) -> Any:
    return np.pad(WORLD(samples), ((0, 0), (0, 1)))


def nothing_finite(samples: Any, /) -> Any:
    return WORLD(samples) + np.float32(np.nan)


def double(samples: Any, /) -> Any:
    return WORLD(samples).astype(np.float64)


def slightly_off(samples: Any, /) -> Any:
    return WORLD(samples) + np.float32(2e-5 * len(samples))


@dataclass
class Unguarded:
    """A subject without the border check."""

    spec: Spec
    ask: Predictor

    def __call__(self, samples: Any, /) -> Any:
        return self.ask(samples)


def broken(ask: Any, samples: Any = None) -> list[str]:
    return [check.promise for check in check_predictor(subject(ask, SAMPLE, 3), samples) if not check.kept]


def quantized(ask: Any) -> Subject:
    return Subject(Spec(SAMPLE, 3, RUNG, Affine(0.5, 3, "int8"), Affine(0.5, 3, "int8")), ask)


def test_a_good_predictor_keeps_all_promises() -> None:
    checks = list(check_predictor(subject(WORLD, SAMPLE, 3)))
    assert [check.promise for check in checks] == [SHAPE, AGAIN, SIZE, ORDER, UNTOUCHED, REFUSES, APART]
    assert all(check.kept for check in checks)


@pytest.mark.parametrize("count", [1, 3, 5, 9])
def test_a_good_predictor_keeps_all_promises_for_any_number_of_given_samples(count: int) -> None:
    assert broken(WORLD, np.random.default_rng(0).normal(size=(count, *SAMPLE)).astype(np.float32)) == []


@pytest.mark.parametrize("sample", [(6, 1, 2), (1, 6, 2), (6, 2, 1), (1, 3), (9, 1)])
def test_samples_with_short_axes_keep_all_promises(sample: tuple[int, ...]) -> None:
    checks = list(check_predictor(subject(additive(*sample), sample, 3)))
    assert [check for check in checks if not check.kept] == []


@pytest.mark.parametrize(
    ("ask", "promises"),
    [
        (Counting, [AGAIN, SIZE, ORDER]),
        (lambda: mixing, [SIZE]),
        (lambda: first_of_batch, [SIZE, ORDER]),
        (lambda: clipping, [UNTOUCHED]),
        (lambda: doubling, [AGAIN, SIZE, ORDER, UNTOUCHED]),
        (lambda: Constant((0.1, 0.2, 0.3)), [APART]),
        (lambda: one_class_more, [SHAPE]),
        (lambda: double, [SHAPE]),
    ],
    ids=["state", "batch", "first", "clips", "doubles", "constant", "classes", "float64"],
)
def test_a_breaker_is_found_by_the_promise_that_it_breaks(ask: Callable[[], Any], promises: list[str]) -> None:
    assert broken(ask()) == promises


@pytest.mark.parametrize("ask", [one_row, one_row_more])
def test_another_number_of_rows_is_reported_and_not_a_crash(ask: Any) -> None:
    assert broken(ask)[0] == SHAPE


def test_scores_that_are_not_finite_are_named() -> None:
    first = next(check_predictor(subject(nothing_finite, SAMPLE, 3)))
    assert (first.promise, first.kept, first.seen) == (SHAPE, False, "float32 (5, 3), not all finite")


def test_a_predictor_that_takes_anything_is_found() -> None:
    unguarded: Any = Unguarded(Spec(SAMPLE, 2, RUNG), Constant())
    checks = {check.promise: check for check in check_predictor(unguarded)}
    assert not checks[REFUSES].kept
    assert checks[REFUSES].seen == "accepted: NaN, float64, shape"


def test_what_was_seen_is_said() -> None:
    seen = {check.promise: check.seen for check in check_predictor(subject(one_class_more, SAMPLE, 3))}
    assert seen[SHAPE] == "float32 (5, 4)"
    assert seen[SIZE].startswith("largest difference ")


def test_real_scores_may_round_with_the_batch_and_integer_ones_may_not() -> None:
    assert broken(slightly_off) == []
    assert [check.promise for check in check_predictor(quantized(slightly_off)) if not check.kept] == [SIZE]


def test_given_samples_are_the_ones_that_are_asked() -> None:
    world, samples = Recording(WORLD), np.full((6, *SAMPLE), 0.5, np.float32)
    list(check_predictor(subject(world, SAMPLE, 3), samples))
    assert np.array_equal(world.asked[0], samples[:5])


def test_given_samples_of_another_shape_are_refused() -> None:
    with pytest.raises(InputError, match=r"samples have shape \(2, 6, 5\)"):
        list(check_predictor(subject(WORLD, SAMPLE, 3), np.zeros((2, 6, 5), np.float32)))


def test_random_samples_repeat_and_fill_the_range_of_the_input_codes() -> None:
    samples = random_samples(quantized(WORLD), 50)
    assert np.array_equal(samples, random_samples(quantized(WORLD), 50))
    assert samples.dtype == np.float32
    assert samples.shape == (50, *SAMPLE)
    low, high = -0.5 * (128 + 3), 0.5 * (127 - 3)
    assert low <= samples.min() < 0.95 * low
    assert 0.95 * high < samples.max() <= high


def test_random_samples_of_real_inputs_fill_zero_to_one() -> None:
    samples = random_samples(subject(WORLD, SAMPLE, 3), 50)
    assert 0 <= samples.min() < 0.05
    assert 0.95 < samples.max() <= 1
