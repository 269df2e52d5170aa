"""Maps one can look at on a machine without a plotting library: a PNG of samples beside their maps.

Source: PNG specification (ISO/IEC 15948), colour type 2, one IDAT chunk, filter 0.
"""

import math
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.arrays import Map, Maps, Samples
from samewhy_edge.files import write_bytes

Pixels = NDArray[np.uint8]  # (H, W, 3)

AGAINST, NEUTRAL, FOR = (33, 102, 172), (247, 247, 247), (178, 24, 43)  # ColorBrewer RdBu: blue, white, red
BLANK = 255
CELL, GAP = 96, 4  # pixels of a cell at least, and between cells


def contact_sheet(samples: Samples, columns: Sequence[Maps]) -> Pixels:
    """One row a sample: the sample itself, then its map of every column; each map on its own symmetric scale."""
    rows = []
    for i, sample in enumerate(samples):
        drawn = (diverging(as_drawn(maps[i], sample.ndim)) for maps in columns)
        cells = [enlarge(cell) for cell in (grey(sample), *drawn)]
        height = max(len(cell) for cell in cells)
        rows.append(np.concatenate([frame(cell, height) for cell in cells], axis=1))
    return np.concatenate(rows)


def grey(sample: NDArray[np.float32]) -> Pixels:
    """A sample as grey (or RGB where it has three channels), stretched to its own range; a series as a strip."""
    values = stretched(sample)
    if values.ndim == 2:  # (T, C): a row a channel
        values = values.T[..., None]
    return values if values.shape[-1] == 3 else np.repeat(values.mean(-1, keepdims=True).astype(np.uint8), 3, -1)


def stretched(sample: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A sample in bytes, from 0 at its lowest value to 255 at its highest."""
    span = float(sample.max() - sample.min()) or 1.0
    return np.asarray((sample - sample.min()) / span * 255, np.uint8)


def diverging(one: NDArray[np.floating[Any]]) -> Pixels:
    """A map from blue (against the target) over white to red (for it); zero is white, and what is NaN is blank."""
    values = np.atleast_2d(one)
    told = np.isfinite(values)
    shares = np.where(told, values, 0) / (np.abs(values[told]).max(initial=0) or 1.0)
    ends = np.where(shares[..., None] > 0, np.array(FOR), np.array(AGAINST))
    colours = NEUTRAL + np.abs(shares)[..., None] * (ends - NEUTRAL)
    return np.asarray(np.where(told[..., None], colours, BLANK), np.uint8)


def as_drawn(one: Map, axes: int) -> NDArray[np.floating[Any]]:
    """A map as rows and columns, for a sample of that many axes, its channels among them.

    A series with channels has a row a channel. An image has them side by side, NaN between them: a sum would hide one
    that speaks for the target behind one that speaks against it.
    """
    if one.ndim < axes:
        return np.atleast_2d(one)
    return one.T if axes == 2 else tiled(one)


def tiled(one: Map) -> NDArray[np.floating[Any]]:
    """Channels of (H, W, C) in a grid as square as can be; a single one as it is."""
    across = math.ceil(math.sqrt(one.shape[-1]))
    down = math.ceil(one.shape[-1] / across)
    gap = int(one.shape[-1] > 1)
    cells = np.full((down * across, one.shape[0] + gap, one.shape[1] + gap), np.nan, one.dtype)
    cells[: one.shape[-1], : one.shape[0], : one.shape[1]] = np.moveaxis(one, -1, 0)
    rows = cells.reshape(down, across, *cells.shape[1:]).swapaxes(1, 2).reshape(down * cells.shape[1], -1)
    return rows[: len(rows) - gap, : rows.shape[1] - gap]


def enlarge(pixels: Pixels) -> Pixels:
    """Whole-number magnification to a square cell of about `CELL` pixels."""
    scale = [max(1, CELL // size) for size in pixels.shape[:2]]
    return pixels.repeat(scale[0], axis=0).repeat(scale[1], axis=1)


def frame(pixels: Pixels, height: int) -> Pixels:
    """The cell with a white margin on its right and below, down to its neighbours' `height`."""
    return np.pad(pixels, ((0, height - len(pixels) + GAP), (0, GAP), (0, 0)), constant_values=255)


def write_png(path: Path, pixels: Pixels) -> None:
    """Write (H, W, 3) bytes as a PNG file.

    Raises:
        OutputError: the folder cannot be written.
    """
    height, width, _ = pixels.shape
    lines = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes())), (b"IEND", b""))
    write_bytes(path, b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks))


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
