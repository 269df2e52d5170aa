import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from samewhy_edge import cli as edge_cli
from samewhy_edge.bench import (
    BATCHES,
    LEAST,
    REPEATS,
    WARM_UP,
    Timing,
    benchmark,
    coldstart,
    latency,
    measured,
    threads_of,
    timing,
    with_threads,
)
from samewhy_edge.cli_bench import bench
from samewhy_edge.errors import ArtifactError, InputError
from tests.worlds import subject

ADDRESS = "litert:models/fashion_ds_cnn/int8.tflite"


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


# The long form


def test_everything_has_a_number_a_unit_or_a_reason() -> None:
    samples = np.zeros((2, 28, 28, 1), np.float32)
    found = benchmark(ADDRESS, samples, seconds=0.05)
    assert found["cold"]["process_s"] > found["cold"]["import_s"] + found["cold"]["open_s"] > 0
    memory = [found["cold"][f"memory_{when}_mb"] for when in ("imported", "single", "batch")]
    assert memory == sorted(memory)
    assert memory[0] > 5  # megabytes: a Python with numpy in it
    latency = found["latency"]
    assert 0 < latency["p50_ms"] <= latency["p90_ms"] <= latency["p99_ms"] <= latency["slowest_ms"]
    assert latency["queries"] >= LEAST
    assert {(row["threads"], row["batch"]) for row in found["throughput"]} == {
        (threads, batch) for threads in threads_of(ADDRESS) for batch in BATCHES
    }
    for row in found["throughput"]:
        assert row["samples_per_second"] == pytest.approx(1e3 / row["ms_per_sample"], rel=0.05)
    unknown = {name for name in found["after"] if found["after"][name] is None}
    assert {"arena", "profile", *unknown} == set(found["unread"])
    assert json.loads(json.dumps(found)) is not None


def test_percentiles_are_of_single_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("samewhy_edge.bench.measured", lambda *_: [*map(float, range(1, 101))])
    found = latency(
        subject(lambda samples: np.zeros((1, 2), np.float32), (4, 1), 2), np.zeros((1, 4, 1), np.float32), 1
    )
    assert (found["p50_ms"], found["p90_ms"], found["p99_ms"], found["slowest_ms"]) == (50.5, 90.1, 99.01, 100)


def test_measuring_goes_on_for_the_time_and_for_a_least_number(slow: Slow) -> None:
    taken = measured(lambda _: slow(np.zeros((1, 4, 1))), 0.02, 3)
    assert len(taken) == 7  # of 3 ms each
    assert len(measured(lambda _: slow(np.zeros((1, 4, 1))), 0.0, 5)) == 5


@pytest.mark.parametrize(
    ("address", "threads", "named"),
    [
        ("litert:a.tflite", 2, "litert:a.tflite?threads=2"),
        ("litert:a.tflite?kernels=reference", 4, "litert:a.tflite?kernels=reference&threads=4"),
        ("http://host/model", None, "http://host/model"),
    ],
)
def test_threads_are_an_option_of_the_address(address: str, threads: int | None, named: str) -> None:
    assert with_threads(address, threads) == named


def test_threads_that_are_named_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("samewhy_edge.bench.processors", lambda: 6)
    assert threads_of("litert:a.tflite") == (1, 2, 4)
    assert threads_of("litert:a.tflite?threads=3") == (None,)
    assert threads_of("torch:a.pt") == (None,)


def test_a_file_that_a_new_process_cannot_open_says_why() -> None:
    with pytest.raises(ArtifactError, match=r"a new process could not ask it .*no file"):
        coldstart("litert:nowhere.tflite")


@pytest.mark.parametrize("seconds", [0.0, -1.0, 1e9])
def test_no_time_is_refused(seconds: float) -> None:
    with pytest.raises(InputError, match="--seconds"):
        benchmark(ADDRESS, np.zeros((1, 28, 28, 1), np.float32), seconds)


def test_the_verb_prints_tables_and_writes_json(tmp_path: Path) -> None:
    edge_cli.app.command("bench")(bench)
    out = tmp_path / "bench.json"
    done = CliRunner().invoke(edge_cli.app, ["bench", ADDRESS, "--seconds", "0.02", "--out", str(out)])
    assert (done.exit_code, done.exception) == (0, None)
    assert json.loads(out.read_text())["address"] == ADDRESS
