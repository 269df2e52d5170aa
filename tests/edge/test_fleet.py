import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samewhy_edge import exchange, fleet, open_predictor
from samewhy_edge.errors import AddressError, ContractError, WireError
from samewhy_edge.explain import DEFAULTS, explain
from samewhy_edge.fleet import Device, Fleet, FleetWarning, by_samples
from samewhy_edge.journal import Memory, remembered
from samewhy_edge.occlusion import Occlusion
from samewhy_edge.predictor import Subject
from samewhy_edge.query import ask
from samewhy_edge.testing import check_predictor, random_samples
from tests.edge.serving import served
from tests.golden import golden

INT8 = open_predictor(golden("image_int8"))
SAMPLES = random_samples(INT8, 40)
KNOWN = INT8(SAMPLES)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "PAUSE", 0.01)


def machine(subject: Subject, name: str) -> Subject:
    return replace(subject, spec=replace(subject.spec, rung=replace(subject.spec.rung, machine=name)))


def test_a_fleet_answers_as_each_of_its_devices_and_keeps_all_promises() -> None:
    with served() as one, served() as other:
        subject = open_predictor(f"fleet:{one.url},{other.url}")
        assert subject(SAMPLES).tobytes() == KNOWN.tobytes()
        assert subject.coded
        assert subject.spec.input
        assert subject.coded(subject.spec.input.encode(SAMPLES)).tobytes() == KNOWN.tobytes()
        assert [check for check in check_predictor(subject) if not check.kept] == []
        assert subject.at_once == 2
        assert subject(SAMPLES[:0]).shape == (0, 3)


def test_the_rung_is_that_of_the_devices_and_the_wire_names_them_all() -> None:
    # a predictor of its own each: servers do not share an interpreter
    pi, zero, second = (machine(open_predictor(golden("image_int8")), name) for name in ("a Pi", "a Zero", "a Pi"))
    with served(pi) as one, served(zero) as other, served(second) as third:
        rung = open_predictor(f"fleet:{one.url},{other.url}").spec.rung
        assert replace(rung, machine="") == replace(INT8.spec.rung, machine="")
        assert rung.machine == "a Pi + a Zero"
        spec = open_predictor(f"fleet:{third.url},{one.url}").spec
        assert spec.rung == pi.spec.rung  # devices of a kind share a journal with one of them
        assert spec.wire == f"fleet of {of(third.url)}, {of(one.url)}"


def of(url: str) -> str:
    return f"{url.removesuffix('/model')}/v2/models/model, binary"


def test_any_addresses_make_a_fleet() -> None:
    subject = open_predictor(f"fleet:{golden('image_int8')},{golden('image_int8', threads=2)}")
    assert np.array_equal(subject(SAMPLES), KNOWN)


def test_the_queries_of_a_batch_are_spread_and_counted() -> None:
    with served() as one, served() as other:
        subject = open_predictor(f"fleet:{one.url},{other.url}")
        for _ in range(10):
            subject(SAMPLES)
        assert subject.answered
        shares = subject.answered()
    assert set(shares) == {one.url, other.url}
    assert sum(shares.values()) == 400
    assert min(shares.values()) > 0


def doors(*inner: Callable[[Any], Any], merges: bool = True) -> Fleet:
    found = Fleet([Device(f"device {n}", replace(INT8, ask=door)) for n, door in enumerate(inner)], merges)
    found.begin()
    return found


def repeated(one: Fleet, times: int) -> None:
    for _ in range(times):
        one.ask(by_samples, SAMPLES)


def good(rows: Any) -> Any:
    return open_predictor(golden("image_int8")).ask(rows)


def dies(after: int) -> Callable[[Any], Any]:
    """A device that answers so many requests, and is then gone."""
    left = [after]

    def door(rows: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise WireError("device: gone")
        return good(rows)

    return door


def test_real_numbers_are_not_divided_and_codes_are() -> None:
    sizes: list[int] = []

    def noting(rows: Any) -> Any:
        sizes.append(len(rows))
        return good(rows)

    doors(noting, noting).ask(by_samples, SAMPLES)
    assert sizes == [20, 20]
    sizes.clear()
    doors(noting, noting, merges=False).ask(by_samples, SAMPLES)
    assert sizes == [40]


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_device_that_dies_is_left_out_and_its_queries_are_asked_elsewhere(after: int) -> None:
    one = doors(dies(after), good)
    with pytest.warns(FleetWarning, match=r"device 0 is left out \(device: gone\); 1 of the fleet go on"):
        assert all(np.array_equal(one.ask(by_samples, SAMPLES), KNOWN) for _ in range(6))
    assert sum(one.answered().values()) == 240


def test_a_device_that_is_left_out_is_not_asked_again() -> None:
    asked = []

    def failing(rows: Any) -> Any:
        asked.append(len(rows))
        raise WireError("gone")

    one = doors(failing, good)
    with pytest.warns(FleetWarning):
        one.ask(by_samples, SAMPLES)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        repeated(one, 3)
    assert asked == [20]


def test_where_nobody_is_left_the_reasons_are_told() -> None:
    one = doors(dies(0), dies(1))
    with pytest.warns(FleetWarning), pytest.raises(WireError, match="no device of the fleet answers any more: device"):
        repeated(one, 3)


def test_a_device_that_is_far_slower_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "FELT", 0.05)

    def slow(rows: Any) -> Any:
        time.sleep(0.2)
        return KNOWN[: len(rows)]

    one = doors(slow, lambda rows: KNOWN[: len(rows)])
    with pytest.warns(FleetWarning, match=r"device 0 is left out \(.* times as slow as the fastest\); 1 of the fleet"):
        repeated(one, 5)
    assert one.answered()["device 0"] == 60  # three answers, none of them lost


def test_devices_that_differ_a_little_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "FELT", 0.0)

    def pause(seconds: float) -> Callable[[Any], Any]:
        def door(rows: Any) -> Any:
            time.sleep(seconds)
            return KNOWN[: len(rows)]

        return door

    one = doors(pause(0.06), pause(0.02))
    repeated(one, 6)
    assert min(one.answered().values()) > 0


def test_an_error_that_is_no_devices_fault_is_raised_and_costs_no_device() -> None:
    def broken(rows: Any) -> Any:
        raise KeyError("a bug")

    one = doors(broken, broken)
    for _ in range(3):
        with pytest.raises(KeyError):
            one.ask(by_samples, SAMPLES)


def test_each_device_is_asked_as_often_at_once_as_it_bears() -> None:
    now, most, turn = [0], [0], threading.Lock()

    def counting(rows: Any) -> Any:
        with turn:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.02)
        with turn:
            now[0] -= 1
        return KNOWN[: len(rows)]

    one = Fleet([Device("a", replace(INT8, ask=counting, at_once=2))], True)
    one.begin()
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: one.ask(by_samples, SAMPLES), range(12)))
    assert most[0] == 2


def test_an_explanation_survives_the_death_of_a_device_and_asks_nothing_twice(tmp_path: Path) -> None:
    explainer, targets = Occlusion((2,), (1,)), np.array([0, 1])
    known = explain(INT8, SAMPLES[:2], targets, explainer, seed=0)
    plan = explainer.plan((8, 8, 1), 0, 0)
    with ExitStack() as stack, served() as lasting:
        dying = stack.enter_context(served())
        subject = open_predictor(f"fleet:{dying.url}?tries=1,{lasting.url}")
        memory = Memory.resumed(subject.spec, tmp_path / "journal")
        first = remembered(subject, memory)
        assert subject.answered
        before = sum(subject.answered().values())

        def kill(count: int) -> None:
            stack.close()

        with pytest.warns(FleetWarning, match=f"{dying.url}.* is left out"):
            scores = ask(first, SAMPLES[:2], plan, 0.0, kill, [first])
        asked = memory.asked
        again = remembered(subject, Memory.resumed(subject.spec, tmp_path / "journal"))
        assert np.array_equal(ask(again, SAMPLES[:2], plan), scores)
        assert sum(subject.answered().values()) - before == asked  # nothing was answered twice, nothing is missing
    assert np.array_equal(explain(again, SAMPLES[:2], targets, explainer, seed=0), known)


def test_a_device_that_is_not_there_is_left_out_from_the_start() -> None:
    with served() as gone:
        lost = gone.url
    with served() as one:
        with pytest.warns(FleetWarning, match=f"{lost}.tries=1 is left out .*; 1 of the fleet go on"):
            subject = open_predictor(f"fleet:{lost}?tries=1,{one.url}")
        assert np.array_equal(subject(SAMPLES), KNOWN)
    with pytest.raises(WireError, match=r"no device of the fleet can be reached: .*; http.*cannot be reached"):
        open_predictor(f"fleet:{lost}?tries=1,{one.url}?tries=1")


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        (golden("image_uint8"), "has artifact .* expected the same of all devices"),
        (golden("image_int8", kernels="reference"), "has kernels reference, .* xnnpack; expected the same of all"),
    ],
    ids=["file", "kernels"],
)
def test_devices_with_another_file_or_kernels_are_refused(other: str, sentence: str) -> None:
    with (
        served() as one,
        served(open_predictor(other)) as two,
        pytest.raises(ContractError, match=rf"fleet: {two.url} {sentence}"),
    ):
        open_predictor(f"fleet:{one.url},{two.url}")


def test_devices_that_answer_unlike_each_other_are_refused() -> None:
    assert INT8.coded
    assert INT8.spec.output
    coded, step = INT8.coded, INT8.spec.output.scale
    lying = replace(INT8, coded=lambda codes: coded(codes) + np.float32(step))
    with (
        served() as one,
        served(lying) as other,
        pytest.raises(ContractError, match=f"fleet: {other.url} answers 5 samples of noise unlike {one.url}, up to"),
    ):
        open_predictor(f"fleet:{one.url},{other.url}")


@pytest.mark.parametrize(
    ("rest", "sentence"),
    [
        ("litert:a.tflite,litert:a.tflite", "found litert:a.tflite twice; expected addresses of devices"),
        ("litert:a.tflite,", "found an empty address; expected addresses of devices"),
        ("litter:a.tflite", "did you mean 'litert'"),
        ("a,b", "expected runtime:path"),
    ],
)
def test_addresses_that_make_no_fleet_are_refused(rest: str, sentence: str) -> None:
    with pytest.raises(AddressError, match=sentence):
        open_predictor(f"fleet:{rest}")


def test_a_comma_within_an_address_is_written_in_another_way(tmp_path: Path) -> None:
    path = tmp_path / "a,b.tflite"
    path.write_bytes(Path(golden("image_int8").partition(":")[2]).read_bytes())
    subject = open_predictor(f"fleet:litert:{str(path).replace(',', '%2C')}")
    assert np.array_equal(subject(SAMPLES), KNOWN)


def test_the_maps_of_a_fleet_are_those_of_one_device() -> None:
    with served() as one, served() as other:
        subject = open_predictor(f"fleet:{one.url},{other.url}")
        for explainer in DEFAULTS:
            here = explain(INT8, SAMPLES[:2], np.array([0, 2]), explainer, seed=0)
            assert np.array_equal(explain(subject, SAMPLES[:2], np.array([0, 2]), explainer, seed=0), here)
