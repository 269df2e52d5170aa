"""Inputs in fewer bytes: hidden features make long runs of one byte.

A head below 128 stands before head + 1 bytes that follow; another before one byte, which comes head - 126 times.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

SHORTEST = 3  # run that is worth a head of its own
LITERAL, RUN = 128, 129  # bytes at most behind one head


def packed(content: bytes) -> bytes:
    """Heads, bytes and runs that make the content."""
    values = np.frombuffer(content, np.uint8)
    out, done = bytearray(), 0
    for start, stop in runs(values):
        out += literal(content[done:start])
        out += run(values[start], stop - start)
        done = stop
    return bytes(out + literal(content[done:]))


def runs(values: NDArray[np.uint8]) -> Iterator[tuple[int, int]]:
    """Where the same byte stands often enough: first place, and the one behind the last."""
    edges = np.flatnonzero(np.diff(values)) + 1
    starts, stops = np.concatenate([[0], edges]), np.concatenate([edges, [len(values)]])
    long = stops - starts >= SHORTEST
    yield from zip(starts[long].tolist(), stops[long].tolist(), strict=True)


def literal(content: bytes) -> bytes:
    """Bytes as they are, behind heads."""
    pieces = (content[at : at + LITERAL] for at in range(0, len(content), LITERAL))
    return b"".join(bytes([len(piece) - 1]) + piece for piece in pieces)


def run(value: np.uint8, count: int) -> bytes:
    """One byte so many times; a last one that is left alone is a literal."""
    whole, rest = divmod(count, RUN)
    tail = b"" if not rest else bytes([rest + 126, value]) if rest > 1 else bytes([0, value])
    return bytes([RUN + 126, value]) * whole + tail
