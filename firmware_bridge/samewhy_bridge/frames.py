"""Frames on a wire: 00, COBS(payload, CRC-16), 00, and text between them. docs/reference/wire.md tells all of it.

Source: Cheshire and Baker, Consistent Overhead Byte Stuffing, IEEE/ACM Transactions on Networking 7(2), 1999
"""

import binascii
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import final

VERSION = 1
MARK = 0xB0  # high half of a payload's first byte, with the version below; never ASCII
HEAD = struct.Struct("<BBH")  # mark, kind, sequence
CRC = struct.Struct(">H")
CHECK = struct.Struct("<I")
BLOCK = 254  # bytes without a zero that one code of COBS can stand before
LONGEST = 2**20  # bytes of a frame that are waited for
NO_SEQUENCE = 0xFFFF
UNHARMED = 0x1D0F ^ 0xFFFF


@final
class Kind(IntEnum):
    """Of a frame."""

    INFO = 1
    QUERY = 2
    DUMP = 3
    PACKED = 4
    ANSWER = 0x80  # added to a question's kind
    ERROR = 0xFF


@final
class Refusal(IntEnum):
    """First byte of an error's body."""

    DAMAGED = 1
    TOO_LONG = 2
    VERSION = 3
    UNKNOWN = 4
    LENGTH = 5
    NO_ROW = 6


@final
@dataclass(frozen=True, slots=True)
class Frame:
    """One that came unharmed, or is to be sent."""

    kind: int
    sequence: int
    body: bytes

    def packed(self) -> bytes:
        """As it travels."""
        content = self.payload()
        return b"\0" + stuffed(content + CRC.pack(crc16(content))) + b"\0"

    def payload(self) -> bytes:
        """What the CRC-16 is of."""
        return HEAD.pack(MARK | VERSION, self.kind, self.sequence) + self.body

    def check(self, model: bytes, answer: bytes) -> int:
        """CRC-32 that binds an answer's body to this question, put to the model with this SHA-256."""
        return zlib.crc32(answer, zlib.crc32(self.payload()[1:], zlib.crc32(model)))


@final
@dataclass(frozen=True, slots=True)
class Damage:
    """Something that began as a frame and is none."""

    why: str


@final
@dataclass(frozen=True, slots=True)
class Text:
    """A line that is no part of a frame."""

    words: str


Event = Frame | Damage | Text


@final
@dataclass(slots=True)
class Reader:
    """Takes bytes as they come, in pieces of any size."""

    _left: bytearray = field(default_factory=bytearray)

    def feed(self, content: bytes) -> Iterator[Event]:
        """What has become whole."""
        *whole, rest = bytes(self._left + content).split(b"\0")
        self._left = bytearray(rest)
        for piece in whole:
            yield from pieces(piece)
        yield from self._lines()

    def _lines(self) -> Iterator[Event]:
        """Text does not wait for a zero, and nothing is waited for without end."""
        if len(self._left) > LONGEST:
            self._left.clear()
            yield Damage(f"more than {LONGEST:,} bytes without an end")
        if len(self._left) > 1 and not marked(self._left):
            lines, newline, rest = self._left.rpartition(b"\n")
            self._left = bytearray(rest)
            yield from texts(bytes(lines + newline))


def pieces(piece: bytes) -> Iterator[Event]:
    """What stands between two zeros."""
    if not marked(piece):
        yield from texts(piece)
        return
    try:
        yield unpacked(piece)
    except ValueError as error:
        yield Damage(str(error))


def texts(content: bytes) -> Iterator[Text]:
    """Lines that hold something."""
    yield from (Text(line.decode("latin-1")) for line in content.splitlines() if line.strip())


def marked(piece: bytes | bytearray) -> bool:
    """Whether it begins as a frame does: a code of COBS, then the mark."""
    return len(piece) > 1 and piece[1] & 0xF0 == MARK


def unpacked(piece: bytes) -> Frame:
    """The frame between two zeros.

    Raises:
        ValueError: it is damaged, or of another version.
    """
    content = unstuffed(piece)
    if len(content) < HEAD.size + CRC.size:
        raise ValueError(f"{len(content)} bytes, a frame has at least {HEAD.size + CRC.size}")
    if crc16(content) != UNHARMED:
        raise ValueError("a wrong CRC-16")
    mark, kind, sequence = HEAD.unpack(content[: HEAD.size])
    if mark != MARK | VERSION:
        raise ValueError(f"version {mark & 0x0F} of the protocol, version {VERSION} is spoken here")
    return Frame(kind, sequence, content[HEAD.size : -CRC.size])


def crc16(content: bytes) -> int:
    """CRC-16/GENIBUS; `UNHARMED` for what ends in its own. Inverted, else zeros behind a frame would go unnoticed."""
    return binascii.crc_hqx(content, 0xFFFF) ^ 0xFFFF


def stuffed(content: bytes) -> bytes:
    """COBS: the same without a zero in it."""
    out = bytearray()
    for run in content.split(b"\0"):
        whole = len(run) // BLOCK * BLOCK
        for start in range(0, whole, BLOCK):
            out += b"\xff" + run[start : start + BLOCK]
        out.append(len(run) - whole + 1)
        out += run[whole:]
    return bytes(out)


def unstuffed(content: bytes) -> bytes:
    """What `stuffed` was given.

    Raises:
        ValueError: it ends within a block, or holds a zero.
    """
    out, at = bytearray(), 0
    while at < len(content):
        code = content[at]
        block = content[at + 1 : at + code]
        if code == 0 or len(block) != code - 1 or 0 in block:
            raise ValueError("a block that is cut")
        at += code
        out += block
        if code <= BLOCK and at < len(content):
            out.append(0)
    return bytes(out)
