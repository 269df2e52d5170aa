from typing import Any

import numpy as np
import pytest

from samewhy_edge.bench import REPEATS, WARM_UP, Timing, timing


class Slow:
    """Takes 2 ms and 1 ms a sample of a clock of its own; the first questions at each batch size take a second."""

    def __init__(self) -> None:
        self.now = 0.0
        self.asked: list[int] = []

    def __call__(self, samples: Any, /) -> Any:
        cold = self.asked.count(len(samples)) < WARM_UP
        self.asked.append(len(samples))
        self.now += 1.0 if cold else 2e-3 + 1e-3 * len(samples)
        return np.zeros((len(samples), 2), np.float32)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    one = Slow()
    monkeypatch.setattr("samewhy_edge.bench.time.perf_counter", lambda: one.now)
    return one


@pytest.mark.parametrize("count", [1, 5, 100])
def test_times_are_milliseconds_a_sample_after_a_warm_up(slow: Slow, count: int) -> None:
    assert timing(slow, np.zeros((count, 4, 1), np.float32)) == Timing(3.0, 3.0, 32, round(34 / 32, 4))


def test_singles_and_whole_batches_are_asked_equally_often(slow: Slow) -> None:
    timing(slow, np.zeros((5, 4, 1), np.float32), batch=12)
    assert slow.asked == [1] * (WARM_UP + REPEATS) + [12] * (WARM_UP + REPEATS)


def test_the_ninetieth_percentile_sees_a_slow_tail(slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = [1.0] * 17 + [50.0] * 3
    monkeypatch.setattr("samewhy_edge.bench._milliseconds", lambda *_: taken)
    found = timing(slow, np.zeros((1, 4, 1), np.float32))
    assert (found.single_p50, found.single_p90) == (1.0, 50.0)
