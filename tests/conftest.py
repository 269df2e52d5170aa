import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import settings

# Workers that stand side by side would wait for each other's threads; before anything brings OpenMP in.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell makes deaf to interrupts what it puts into the background, and so would be all that tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples on every machine and run; no folder is written.
settings.register_profile("samewhy", deadline=None, derandomize=True, max_examples=60, database=None)
settings.load_profile("samewhy")


@pytest.fixture(autouse=True)
def strict_floats() -> Iterator[None]:
    """Overflow, division by zero and invalid values are errors, in tests and in what they test."""
    before = np.seterr(over="raise", divide="raise", invalid="raise")
    yield
    np.seterr(**before)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def elsewhere() -> Callable[[str], str]:
    """Runs lines of Python in a process of their own and returns what they print."""

    def run(lines: str) -> str:
        done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=True, timeout=120)
        return done.stdout.strip()

    return run
