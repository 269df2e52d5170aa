"""Work for crews that run it in processes of their own."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
from threadpoolctl import threadpool_info

from samewhy_edge.arrays import Samples
from samewhy_edge.errors import InputError
from samewhy_edge.predictor import Subject
from samewhy_edge.query import Progress
from samewhy_host.crew import Arrays, StoppedError


@final
@dataclass(frozen=True, slots=True, eq=False)
class Asking:
    """Scores of samples; says which process asked."""

    samples: Samples

    def __call__(self, subject: Subject, progress: Progress, /) -> Arrays:
        scores = subject(self.samples)
        progress(len(scores))
        return {"scores": scores, "process": np.array(os.getpid())}


@final
@dataclass(frozen=True, slots=True)
class Counting:
    """Threads of numpy's matrix products, while a piece is done."""

    def __call__(self, subject: Subject, progress: Progress, /) -> Arrays:
        return {"threads": np.array([one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"])}


@final
@dataclass(frozen=True, slots=True)
class Waiting:
    """Notes its process and counts one query every 20 ms, until a file is there; notes when it is stopped."""

    notes: str
    until: str

    def __call__(self, subject: Subject, progress: Progress, /) -> Arrays:
        self.note(f"begun {os.getpid()}")
        try:
            while not Path(self.until).exists():
                progress(1)
                time.sleep(0.02)
        except StoppedError:
            self.note("stopped")
            raise
        return {"process": np.array(os.getpid())}

    def note(self, words: str) -> None:
        with Path(self.notes).open("a") as notes:
            notes.write(f"{words}\n")


@final
@dataclass(frozen=True, slots=True)
class Failing:
    """Finds nothing, once a file is there."""

    after: str

    def __call__(self, subject: Subject, progress: Progress, /) -> Arrays:
        while not Path(self.after).exists():
            time.sleep(0.02)
        raise InputError("it broke")


@final
@dataclass(frozen=True, slots=True)
class Needy:
    """Needs a package that is nowhere."""

    def __call__(self, subject: Subject, progress: Progress, /) -> Arrays:
        import no_such_package  # type: ignore[import-not-found]  # noqa: F401

        return {}


@final
@dataclass(frozen=True, slots=True)
class Claiming:
    """Says what is true, and in one process something else about this package."""

    known: dict[str, str]
    process: int

    def __call__(self) -> dict[str, str]:
        return {**self.known, "samewhy": "9.9"} if os.getpid() == self.process else self.known
