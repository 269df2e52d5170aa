"""Questions of many askers, answered together: a bounded queue before one or more predictors."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, TimeoutError
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.arrays import Scores

Rows = NDArray[Any]  # samples (N, *S, C), or their codes
Door = Callable[[Rows], Scores]


class BusyError(Exception):
    """The queue is full, or a question stood in it too long; it can be asked again later."""


@final
@dataclass(frozen=True, slots=True)
class Limits:
    """How much waits, and how long."""

    together: int  # rows that a predictor is asked at a time, at most
    merges: bool  # whether rows of different questions may be asked together
    rows: int = 1024  # that wait, at most
    wait: float = 0.0  # seconds that a free predictor waits for more rows
    patience: float = 30.0  # seconds until a question that nobody took up is given back


@final
@dataclass(frozen=True, slots=True)
class _Question:
    rows: Rows
    answer: "Future[Scores]" = field(default_factory=Future)


@final
@dataclass(slots=True)
class Batcher:
    """A queue with a thread for each door; while all are busy, questions pile up and are then asked together.

    Each door is a predictor of the same rung that one thread at a time may ask.
    """

    doors: Sequence[Door]
    limits: Limits
    rows: int = 0  # asked so far
    batches: int = 0  # in which they were asked
    _waiting: deque[_Question] = field(default_factory=deque)
    _change: threading.Condition = field(default_factory=threading.Condition)
    _closed: bool = False
    _crew: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Begin to answer."""
        self._crew = [threading.Thread(target=self._work, args=(door,), daemon=True) for door in self.doors]
        for one in self._crew:
            one.start()

    def close(self) -> None:
        """Answer what waits, then end."""
        with self._change:
            self._closed = True
            self._change.notify_all()
        for one in self._crew:
            one.join()

    def ask(self, rows: Rows) -> Scores:
        """Scores (N, K) of N rows, N at least 1; whatever the predictor raises is raised here.

        Raises:
            BusyError: the queue is full, or was not served in time.
        """
        together = self.limits.together
        mine = [_Question(rows[start : start + together]) for start in range(0, len(rows), together)]
        self._queue(mine, len(rows))
        try:
            found = [self._awaited(one) for one in mine]
        finally:
            for one in mine:
                one.answer.cancel()
        return found[0] if len(found) == 1 else np.concatenate(found)

    def _queue(self, mine: Sequence[_Question], count: int) -> None:
        with self._change:
            waiting = sum(len(one.rows) for one in self._waiting)
            if self._closed or (waiting and waiting + count > self.limits.rows):
                raise BusyError(f"{waiting} samples wait already, {self.limits.rows} may; ask again later")
            self._waiting.extend(mine)
            self._change.notify(len(mine))

    def _awaited(self, one: _Question) -> Scores:
        try:
            return one.answer.result(self.limits.patience)
        except TimeoutError:
            if one.answer.cancel():
                raise BusyError(f"not taken up within {self.limits.patience:g} s; ask again later") from None
        return one.answer.result()  # it is being asked

    def _work(self, door: Door) -> None:
        while group := self._taken():
            try:
                scores = door(group[0].rows if len(group) == 1 else np.concatenate([one.rows for one in group]))
            except BaseException as error:  # raised again by those who asked
                for one in group:
                    one.answer.set_exception(error)
            else:
                for one, part in zip(group, _parts(scores, group), strict=True):
                    one.answer.set_result(part)

    def _taken(self) -> list[_Question]:
        """Questions to ask together now; none when all is answered and closed."""
        group: list[_Question] = []
        with self._change:
            while not self._grown(group) and not self._closed:
                self._change.wait()
            until = time.monotonic() + self.limits.wait
            while self._room(group) and not self._closed and (left := until - time.monotonic()) > 0:
                self._change.wait(left)
                self._grown(group)
            self.rows += sum(len(one.rows) for one in group)
            self.batches += bool(group)
        return group

    def _grown(self, group: list[_Question]) -> bool:
        """Add what waits and fits, without what was given back; whether there is anything to ask."""
        while self._waiting and self._fits(group, self._waiting[0]):
            one = self._waiting.popleft()
            if one.answer.set_running_or_notify_cancel():
                group.append(one)
        return bool(group)

    def _fits(self, group: list[_Question], one: _Question) -> bool:
        total = sum(len(each.rows) for each in (*group, one))
        return not group or (self.limits.merges and total <= self.limits.together)

    def _room(self, group: list[_Question]) -> bool:
        return self.limits.merges and sum(len(one.rows) for one in group) < self.limits.together


def _parts(scores: Scores, group: Sequence[_Question]) -> Iterator[Scores]:
    start = 0
    for one in group:
        yield scores[start : start + len(one.rows)]
        start += len(one.rows)
