import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import final

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from samewhy_edge.errors import InputError, WorkerError
from samewhy_edge.predictor import Subject
from samewhy_edge.query import Progress
from samewhy_host import crew
from samewhy_host.crew import Arrays, Job, Located, Piece, StoppedError, Threads, Tools, bars, found
from samewhy_host.show import Show
from samewhy_host.steps import Steps
from tests.host import small
from tests.host.works import Counting
from tests.worlds import additive, subject

SAMPLES = small.noise(4, 6, 5, 2)
KNOWN = subject(additive(6, 5, 2, seed=1), (6, 5, 2), 3)
HERE = Located("float", "world:first", KNOWN.spec.rung)


@final
@dataclass
class Told:
    """What bars were opened, and how far each came."""

    bars: dict[str, list[int]] = field(default_factory=dict)

    def show(self) -> Show:
        return Show(bar=self.bar)

    def bar(self, name: str, total: int) -> Callable[[int], object]:
        self.bars[name] = [total, 0]

        def advance(count: int) -> None:
            self.bars[name][1] += count

        return advance


@pytest.fixture(autouse=True)
def world(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "open_predictor", lambda _: KNOWN)


def piece(work: crew.Work, name: str = "a", queries: int = 4) -> Piece:
    return Piece("ask-float", "a bar", queries, HERE, work, {"name": name}, ())


def jobs(folder: Path, *works: crew.Work) -> list[Job]:
    return [Job(piece(work), folder / f"{place}.partial" / "journal.log") for place, work in enumerate(works)]


def tools(folder: Path, show: Show | None = None) -> Tools:
    return Tools(Steps(folder), Threads(), show or Show())


def asking(subject: Subject, progress: Progress) -> Arrays:
    progress(len(SAMPLES))
    return {"scores": subject(SAMPLES)}


def test_results_come_in_the_order_of_the_pieces(tmp_path: Path) -> None:
    def late(place: int) -> crew.Work:
        def work(_: Subject, __: Progress) -> Arrays:
            time.sleep(0.02 * (3 - place))
            return {"place": np.array(place)}

        return work

    given = found([piece(late(place), str(place)) for place in range(4)], tools(tmp_path))
    assert [int(one["place"]) for one in given] == [0, 1, 2, 3]
    assert all(one["seconds"] > 0 for one in given)


def test_a_piece_is_done_once_and_found_again(tmp_path: Path) -> None:
    count: list[int] = []

    def counting(subject: Subject, progress: Progress) -> Arrays:
        count.append(1)
        return asking(subject, progress)

    (first,), (second,) = (found([piece(counting)], tools(tmp_path)) for _ in range(2))
    assert len(count) == 1
    assert first["scores"].tobytes() == second["scores"].tobytes() == KNOWN(SAMPLES).tobytes()
    found([piece(counting, "b")], tools(tmp_path))
    assert len(count) == 2


def test_an_error_leaves_what_was_found_and_the_journal_of_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    asked: list[int] = []
    counting = Subject(KNOWN.spec, lambda samples: asked.append(len(samples)) or KNOWN.ask(samples))  # type: ignore[func-returns-value]  # append gives None
    monkeypatch.setattr(crew, "open_predictor", lambda _: counting)
    fails = [True]

    def failing(subject: Subject, progress: Progress) -> Arrays:
        scores = asking(subject, progress)
        if fails:
            raise InputError("it broke")
        return scores

    pieces = [piece(failing, "fails"), piece(asking, "works")]  # the last is done first
    with pytest.raises(InputError, match="it broke"):
        found(pieces, tools(tmp_path))
    assert asked == [4, 4]
    assert len(list(tmp_path.glob("*.partial/journal.log"))) == 1
    assert len(list(tmp_path.glob("*/found.npz"))) == 1
    fails.clear()
    assert len(found(pieces, tools(tmp_path))) == 2
    assert asked == [4, 4]
    assert not list(tmp_path.rglob("journal.log"))


def test_another_rung_than_the_study_names_is_refused(tmp_path: Path) -> None:
    other = replace(HERE, rung=replace(HERE.rung, machine="armv7l", kernels="reference"))
    with pytest.raises(
        WorkerError, match=r"rung float is another one .*kernels none, expected reference; machine .*, expected armv7l"
    ):
        found([replace(piece(asking), rung=other)], tools(tmp_path))
    assert not list(tmp_path.glob("*/found.npz"))


@pytest.mark.parametrize("first", [True, False], ids=["failing job first", "failing job last"])
def test_an_error_of_one_job_stops_the_others_and_is_raised(
    first: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    seen: list[str] = []
    begun = threading.Event()

    def failing(_: Subject, __: Progress) -> Arrays:
        begun.wait(20)
        raise InputError("it broke")

    def patient(_: Subject, progress: Progress) -> Arrays:
        begun.set()
        try:
            for _ in range(2000):
                progress(0)
                time.sleep(0.01)
        except StoppedError:
            seen.append("stopped")
        return {}

    works = [failing, patient] if first else [patient, failing]
    with pytest.raises(InputError, match="it broke"):
        list(Threads().each(jobs(tmp_path, *works), lambda *_: None))
    assert seen == ["stopped"]


def test_no_job_starts_after_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    started: list[int] = []

    def failing(_: Subject, __: Progress) -> Arrays:
        time.sleep(0.05)
        raise InputError("it broke")

    def late(_: Subject, progress: Progress) -> Arrays:
        started.append(1)
        while True:
            progress(0)
            time.sleep(0.01)

    with pytest.raises(InputError, match="it broke"):
        list(Threads().each(jobs(tmp_path, failing, *[late] * 20), lambda *_: None))
    assert len(started) <= 1  # the pool may have taken one before the error was seen


def test_sums_are_not_shared_among_threads_while_pieces_are_done(tmp_path: Path) -> None:
    def threads() -> set[int]:
        return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}

    with threadpool_limits(2, "blas"):
        before = threads()
        (given,) = found([piece(Counting())], tools(tmp_path))
        assert set(given["threads"]) == {1}
        assert threads() == before


def test_pieces_of_one_label_share_a_bar_that_opens_with_the_first_answer() -> None:
    told = Told()
    tell = bars(told.show(), [piece(asking, queries=10), piece(asking, queries=20)])
    assert not told.bars
    tell(0, 3)
    tell(1, 4)
    tell(0, 10)
    assert told.bars == {"a bar": [30, 14]}


def test_a_bar_neither_goes_back_nor_beyond_its_end() -> None:
    told = Told()
    tell = bars(told.show(), [piece(asking, queries=10), piece(asking, queries=0)])
    for count in (6, 2, 7, 12):  # begun anew after 6
        tell(0, count)
    tell(1, 5)
    assert told.bars == {"a bar": [10, 10]}


def test_a_finished_piece_fills_its_part_of_the_bar(tmp_path: Path) -> None:
    told = Told()
    found([piece(lambda *_: {}, queries=7)], tools(tmp_path, told.show()))
    assert told.bars == {"a bar": [7, 7]}
