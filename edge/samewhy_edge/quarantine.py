"""Foreign files are first opened in a process of their own, so that one that crashes the interpreter is an error.

That process runs a module such as `samewhy_edge.examination`, which prints what it found as a line of JSON.
"""

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, final

from samewhy_edge.errors import ArtifactError

PATIENCE = 300  # seconds until a file that does not answer is given up


@final
@dataclass(frozen=True, slots=True)
class Findings:
    """What a `.tflite` file takes and gives: (dtype, scale, zero point) of both ends, shapes, operators."""

    sample: tuple[int, ...]
    classes: int
    input: tuple[str, float, int]
    output: tuple[str, float, int]
    operators: tuple[str, ...]


@lru_cache
def examine(path: Path, kernels: str, sha256: str) -> Findings:
    """Open and ask a file in a process of its own; `sha256` makes a changed file another question.

    Raises:
        ArtifactError: the file is broken, crashes or hangs the interpreter, or cannot be asked as a black box.
    """
    return findings(found_of("samewhy_edge.examination", path, kernels))


def findings(found: Mapping[str, Any]) -> Findings:
    """As an examination printed them."""
    return Findings(
        sample=tuple(found["sample"]),
        classes=found["classes"],
        input=tuple(found["input"]),
        output=tuple(found["output"]),
        operators=tuple(found["operators"]),
    )


def found_of(module: str, path: Path, *more: str) -> Mapping[str, Any]:
    """What a module prints of a file, in a process of its own: ``python -m MODULE FILE ...``.

    Raises:
        ArtifactError: as `examine`; with ``refused``, the reason that it printed.
    """
    command = [sys.executable, "-m", module, str(path), *more]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired as error:
        raise ArtifactError(
            f"{path}: no answer within {PATIENCE} s; expected a model that ends, check the file"
        ) from error
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        raise ArtifactError(
            f"{path}: crashed the interpreter ({name}); it is truncated or not meant for it, export it anew"
        )
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ArtifactError(f"{path}: {last}")
    answer: Mapping[str, Any] = json.loads(lines[-1])
    if "refused" in answer:
        raise ArtifactError(f"{path}: {answer['refused']}")
    return answer
