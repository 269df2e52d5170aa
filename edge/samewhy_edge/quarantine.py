"""Foreign files are first opened in a process of their own, so that one that crashes the interpreter is an error.

That process runs `samewhy_edge.examination`, which prints what it found as a line of JSON.
"""

import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import final

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
    command = [sys.executable, "-m", "samewhy_edge.examination", str(path), kernels]
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
    answer = json.loads(lines[-1])
    if "refused" in answer:
        raise ArtifactError(f"{path}: {answer['refused']}")
    return Findings(
        sample=tuple(answer["sample"]),
        classes=answer["classes"],
        input=tuple(answer["input"]),
        output=tuple(answer["output"]),
        operators=tuple(answer["operators"]),
    )
