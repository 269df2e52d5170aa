import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samewhy_edge.batching import Batcher, BusyError, Limits
from tests.edge.serving import Gate


def double(rows: Any) -> Any:
    return rows.astype(np.float32) * 2


def rows_of(*values: int) -> Any:
    return np.array(values, np.int8)[:, None]


def started(*doors: Any, together: int = 8, merges: bool = True, **limits: Any) -> Batcher:
    batcher = Batcher(doors, Limits(together, merges, **limits))
    batcher.start()
    return batcher


def pile(pool: ThreadPoolExecutor, batcher: Batcher, gate: Gate, *questions: Any) -> list[Any]:
    """The first question is being asked when the others come, one after the other."""
    futures = [pool.submit(batcher.ask, questions[0])]
    assert gate.entered.wait(10)
    for number, rows in enumerate(questions[1:], 1):
        futures.append(pool.submit(batcher.ask, rows))
        while len(batcher._waiting) < number:
            threading.Event().wait(0.001)
    return futures


@given(st.lists(st.integers(1, 20), min_size=1, max_size=6), st.integers(1, 9), st.booleans())
def test_everyone_gets_the_answers_to_their_own_rows(sizes: list[int], together: int, merges: bool) -> None:
    batcher = started(double, double, together=together, merges=merges)
    questions = [np.full((size, 1), number, np.int8) for number, size in enumerate(sizes)]
    with ThreadPoolExecutor(len(sizes)) as pool:
        answers = list(pool.map(batcher.ask, questions))
    batcher.close()
    for rows, answer in zip(questions, answers, strict=True):
        assert np.array_equal(answer, double(rows))
    assert batcher.rows == sum(sizes)


@pytest.mark.parametrize(("merges", "sizes"), [(True, [1, 8, 1]), (False, [1, 3, 3, 2, 1])], ids=["merged", "alone"])
def test_what_piles_up_is_asked_together_up_to_the_bound(merges: bool, sizes: list[int]) -> None:
    gate = Gate(double)
    batcher = started(gate, merges=merges)
    with ThreadPoolExecutor(8) as pool:
        questions = [rows_of(0), rows_of(1, 2, 3), rows_of(4, 5, 6), rows_of(7, 8), rows_of(9)]
        futures = pile(pool, batcher, gate, *questions)
        gate.open.set()
        assert [one.result().ravel().tolist() for one in futures] == [(2 * rows).ravel().tolist() for rows in questions]
    batcher.close()
    assert gate.sizes == sizes


def test_a_free_predictor_waits_for_more_where_it_is_told_to() -> None:
    sizes: list[int] = []

    def noting(rows: Any) -> Any:
        sizes.append(len(rows))
        return double(rows)

    batcher = started(noting, wait=20.0, together=4)  # the fourth row ends the wait
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(batcher.ask, [rows_of(n) for n in range(4)]))
    batcher.close()
    assert sizes == [4]


def test_a_full_queue_refuses_and_takes_again_when_there_is_room() -> None:
    gate = Gate(double)
    batcher = started(gate, rows=4)
    with ThreadPoolExecutor(4) as pool:
        futures = pile(pool, batcher, gate, rows_of(0), rows_of(1, 2, 3))
        with pytest.raises(BusyError, match="3 samples wait already, 4 may; ask again later"):
            batcher.ask(rows_of(4, 5))
        futures.append(pool.submit(batcher.ask, rows_of(6)))
        gate.open.set()
        assert [len(one.result()) for one in futures] == [1, 3, 1]
    assert len(batcher.ask(rows_of(4, 5))) == 2
    batcher.close()


def test_a_question_that_nobody_takes_up_is_given_back_and_never_asked() -> None:
    gate = Gate(double)
    batcher = started(gate, patience=0.05)
    with ThreadPoolExecutor(2) as pool:
        (first,) = pile(pool, batcher, gate, rows_of(0))
        with pytest.raises(BusyError, match=r"not taken up within 0\.05 s; ask again later"):
            batcher.ask(rows_of(1, 2))
        gate.open.set()
        assert first.result().tolist() == [[0]]  # what is being asked is waited for, however long it takes
    batcher.close()
    assert gate.sizes == [1]


def test_an_error_is_raised_by_all_who_asked_and_the_next_are_answered() -> None:
    def picky(rows: Any) -> Any:
        if (rows < 0).any():
            raise RuntimeError("below nought")
        return double(rows)

    gate = Gate(picky)
    batcher = started(gate)
    with ThreadPoolExecutor(4) as pool:
        futures = pile(pool, batcher, gate, rows_of(0), rows_of(-1), rows_of(1))
        gate.open.set()
        assert futures[0].result().tolist() == [[0]]
        for one in futures[1:]:
            with pytest.raises(RuntimeError, match="below nought"):
                one.result()
    assert batcher.ask(rows_of(3)).tolist() == [[6]]
    batcher.close()


def test_closing_answers_what_waits_and_refuses_what_comes_later() -> None:
    gate = Gate(double)
    batcher = started(gate)
    with ThreadPoolExecutor(3) as pool:
        futures = pile(pool, batcher, gate, rows_of(0), rows_of(1))
        closed = pool.submit(batcher.close)
        while not batcher._closed:
            threading.Event().wait(0.001)
        with pytest.raises(BusyError):
            batcher.ask(rows_of(2))
        gate.open.set()
        closed.result()
    assert [one.result().tolist() for one in futures] == [[[0]], [[2]]]
