"""Results appear whole or not at all: written beside their place, then moved there."""

import hashlib
import io
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.errors import OutputError


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a killed run, sees the old one or the new one.

    Raises:
        OutputError: the folder cannot be made or written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(content)
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise OutputError(f"{path}: cannot be written ({error.strerror}); choose another --out") from error


def write_json(path: Path, value: Any) -> None:
    """Sorted and indented, so that two runs differ line by line."""
    write_bytes(path, (json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n").encode())


def write_npz(path: Path, **arrays: NDArray[Any]) -> None:
    """Compressed; equal arrays give equal bytes."""
    write_bytes(path, npz_bytes(**arrays))


def npz_bytes(**arrays: NDArray[Any]) -> bytes:
    """A compressed `.npz` as bytes; equal arrays give equal ones."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def sha256(content: bytes | NDArray[Any]) -> str:
    """Hex digest of bytes or of an array's bytes."""
    return hashlib.sha256(content.tobytes() if isinstance(content, np.ndarray) else content).hexdigest()


def writable(folder: Path) -> Path:
    """The folder, made where it is missing.

    Raises:
        OutputError: it cannot be made or written; found before any work is done.
    """
    write_bytes(folder / ".writable", b"")
    (folder / ".writable").unlink()
    return folder
