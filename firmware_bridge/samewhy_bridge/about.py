"""What a board says of itself: the body of the answer to INFO, which a debugger reads too."""

import struct
from dataclasses import dataclass
from math import prod
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from samewhy_bridge.frames import VERSION
from samewhy_edge.errors import ArtifactError
from samewhy_edge.quant import Affine, affine
from samewhy_edge.rung import Artifact, Rung

FRONT = struct.Struct("<BBHII32sIIIQH")
END = struct.Struct("<BB5HfiI")
TYPES = ("i1", "u1", "<i2", "<i4", "<f4")
ASCII, PACKS = 1, 2  # flags: the other dialect is spoken on the same port; packed questions are understood


@final
@dataclass(frozen=True, slots=True)
class End:
    """A tensor at an end of the model."""

    dtype: str  # as numpy writes it
    shape: tuple[int, ...]
    scale: float
    zero_point: int
    size: int  # bytes

    def coding(self) -> Affine | None:
        """What codes stand for; None where the tensor holds real numbers."""
        return affine(self.dtype, self.scale, self.zero_point)

    def read(self, rows: bytes) -> NDArray[Any]:
        """Tensors (N, ...) from their bytes, one after the other."""
        return np.frombuffer(rows, self.dtype).reshape(-1, *self.shape[1:])


@final
@dataclass(frozen=True, slots=True)
class About:
    """A board, and the model in it."""

    ascii: bool
    packs: bool
    batch: int  # questions that one frame may hold
    room: int  # bytes that the board keeps while the model runs
    tick_rate: int  # a second; 0 where ticks are not time
    sha256: bytes  # of the model's file
    file_bytes: int  # 0 where the firmware was not told
    arena_bytes: int
    constant_bytes: int
    macs: int
    layers: int
    input: End
    output: End
    runtime: str
    kernels: str
    machine: str
    name: str

    @property
    def sample(self) -> tuple[int, ...]:
        """(*S, C)."""
        return self.input.shape[1:]

    @property
    def classes(self) -> int:
        """K."""
        return prod(self.output.shape)

    def rung(self) -> Rung:
        """As it says itself."""
        return Rung(Artifact(self.sha256.hex(), self.file_bytes), self.runtime, self.kernels, self.machine)


def read_about(body: bytes) -> About:
    """What the body of an answer to INFO says.

    Raises:
        ValueError: it is cut, of another version, or says what cannot be.
    """
    try:
        version, flags, batch, room, *numbers = FRONT.unpack_from(body)
        ends = [end_of(body[start : start + END.size]) for start in (FRONT.size, FRONT.size + END.size)]
    except struct.error as error:
        raise ValueError(f"{len(body)} bytes about the board: {error}") from error
    if version != VERSION or not batch:
        raise ValueError(
            f"version {version}, {batch} questions a frame; expected version {VERSION}, at least 1 question"
        )
    words = texts_of(body[FRONT.size + 2 * END.size :], 4)
    return About(bool(flags & ASCII), bool(flags & PACKS), batch, room, *numbers, *ends, *words)


def end_of(content: bytes) -> End:
    """A tensor.

    Raises:
        ValueError: a type that does not exist, or sizes that do not fit.
    """
    kind, rank, *dims, scale, zero_point, count = END.unpack(content)
    if kind >= len(TYPES) or rank > len(dims):
        raise ValueError(f"a tensor of type {kind} and rank {rank}")
    end = End(TYPES[kind], tuple(dims[:rank]), scale, zero_point, count)
    if prod(end.shape) * np.dtype(end.dtype).itemsize != count:
        raise ValueError(f"a tensor {end.dtype} of shape {end.shape} in {count} bytes")
    return end


def texts_of(content: bytes, count: int) -> list[str]:
    """Texts, each behind its length.

    Raises:
        ValueError: there are fewer.
    """
    found = []
    for _ in range(count):
        length = content[0] if content else len(content)
        if not content or len(content) <= length:
            raise ValueError("a text about the board that is cut")
        found.append(content[1 : 1 + length].decode("utf-8", "replace"))
        content = content[1 + length :]
    return found


def usable(about: About, where: str) -> About:
    """The same, if it can be asked as a black box.

    Raises:
        ArtifactError: shapes that are not those of samples and scores, or codes without a scale.
    """
    entry, exit_ = about.input, about.output
    if len(entry.shape) not in (3, 4) or entry.shape[0] != 1:
        raise ArtifactError(f"{where}: input shape {entry.shape}; expected (1, *S, C) with one or two spatial axes")
    if len(exit_.shape) < 2 or max(exit_.shape) != prod(exit_.shape):
        raise ArtifactError(f"{where}: output shape {exit_.shape}; expected one row of class scores, (1, K)")
    for end in (entry, exit_):
        if end.dtype != "<f4" and not end.scale > 0:
            raise ArtifactError(f"{where}: {end.dtype} codes without a scale; expected quantized integers or float32")
    return about
