"""Generated C in this process: a shared library for each model, over kernels that are compiled once."""

import ctypes
import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np

from samewhy_bridge.emit import sources
from samewhy_bridge.graph import graph_of
from samewhy_bridge.kernel_files import C
from samewhy_bridge.program import Program, program_of

STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror")
SANITIZED = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
HARNESS = Path(__file__).parent / "many.c"


def asked(content: bytes, inputs: Any) -> Any:
    """What the C of a file answers: (N, *shape) of its output for inputs (N, *shape)."""
    program = program_of(graph_of(content, "model"))
    answers = _answers(program, len(inputs))
    rows = np.ascontiguousarray(inputs)
    assert rows.nbytes == len(rows) * program.input.bytes
    _library(content).many(rows.ctypes.data_as(ctypes.c_void_p), answers.ctypes.data_as(ctypes.c_void_p), len(rows))
    return answers


def asked_under_sanitizers(content: bytes, inputs: Any) -> Any:
    """The same, in a process that dies of what is undefined or outside."""
    program = program_of(graph_of(content, "model"))
    folder = Path(mkdtemp(dir=bench()))
    files = [*_written(program, folder), HARNESS, _kernels(*SANITIZED)]
    gcc(*STRICT, *SANITIZED, "-DALONE", *_places(folder), *files, "-o", folder / "alone")
    done = subprocess.run([folder / "alone"], input=np.ascontiguousarray(inputs).tobytes(), capture_output=True)
    shutil.rmtree(folder)
    assert done.returncode == 0, done.stderr.decode()
    answers = _answers(program, len(inputs))
    return np.frombuffer(done.stdout, answers.dtype).reshape(answers.shape)


def gcc(*words: object) -> None:
    """Compile, or fail with what the compiler said."""
    done = subprocess.run(["gcc", *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _answers(program: Program, count: int) -> Any:
    return np.zeros((count, *program.output.shape), program.output.dtype)


@cache
def bench() -> Path:
    """A folder for what is compiled."""
    return Path(mkdtemp(prefix="samewhy-bridge-"))


@cache
def _kernels(*flags: str) -> Path:
    """All of them, in one archive."""
    folder = Path(mkdtemp(dir=bench()))
    for path in (C / "kernels").glob("*.c"):
        gcc(*STRICT, *flags, "-c", path, "-o", folder / f"{path.stem}.o")
    subprocess.run(["ar", "rcs", folder / "kernels.a", *folder.glob("*.o")], check=True)
    return folder / "kernels.a"


def _library(content: bytes) -> Any:
    """Of the file; compiled once."""
    folder = bench() / hashlib.sha256(content).hexdigest()[:16]
    if not folder.is_dir():
        folder.mkdir()
        files = list(_written(program_of(graph_of(content, "model")), folder))
        whole = ("-shared", "-fPIC", "-Wl,-Bsymbolic", "-o", folder / "model.so")
        gcc(*STRICT, *_places(folder), *files, HARNESS, _kernels("-O2", "-fPIC"), *whole)
    return ctypes.CDLL(str(folder / "model.so"))


def _places(folder: Path) -> tuple[str, ...]:
    return f"-I{folder}", f"-I{C}"


def _written(program: Program, folder: Path) -> Iterator[Path]:
    """C files of the model."""
    for name, text in sources(program).items():
        (folder / name).write_bytes(text)
        if name.endswith(".c"):
            yield folder / name
