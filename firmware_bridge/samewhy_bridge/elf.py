"""Where things lie in a firmware: the symbols of a 32-bit ELF file, and the bytes that it loads.

Source: Tool Interface Standard, Executable and Linking Format, version 1.2
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

from samewhy_edge.errors import ArtifactError

HEADER = struct.Struct("<16sHHIIIIIHHHHHH")
SECTION = struct.Struct("<10I")
SYMBOL = struct.Struct("<IIIBBH")
SEGMENT = struct.Struct("<8I")
MAGIC = b"\x7fELF\x01\x01"  # of 32 bits, the lowest byte first
SYMTAB, LOAD = 2, 1


@final
@dataclass(frozen=True, slots=True)
class Symbol:
    """A function or an object."""

    address: int  # of a function of Thumb without its lowest bit, which tells the instruction set
    size: int


@final
@dataclass(frozen=True, slots=True)
class Elf:
    """A firmware's file."""

    path: Path
    symbols: Mapping[str, Symbol]
    segments: tuple[tuple[int, bytes], ...]  # address and content

    def content(self, symbol: Symbol) -> bytes:
        """What the file holds there; empty for what no segment holds."""
        for start, content in self.segments:
            at = symbol.address - start
            if at >= 0 and at + symbol.size <= len(content):
                return content[at : at + symbol.size]
        return b""


def read_elf(path: Path) -> Elf:
    """A firmware's file.

    Raises:
        ArtifactError: there is none, another kind of file, or one without symbols.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read ({error.strerror}); give the file that was flashed") from error
    if not content.startswith(MAGIC):
        raise ArtifactError(f"{path}: no 32-bit ELF file; expected the linker's output, not a .bin or .hex")
    try:
        symbols = dict(symbols_of(content))
        segments = tuple(segments_of(content))
    except (struct.error, IndexError) as error:
        raise ArtifactError(f"{path}: a damaged ELF file ({error}); link it anew") from error
    if not symbols:
        raise ArtifactError(f"{path}: no symbols; expected a file that was not stripped")
    return Elf(path, symbols, segments)


def symbols_of(content: bytes) -> Iterator[tuple[str, Symbol]]:
    """All that have a name."""
    fields = HEADER.unpack_from(content)
    start, size, count = fields[6], fields[11], fields[12]
    sections = [SECTION.unpack_from(content, start + number * size) for number in range(count)]
    for _, kind, _, _, offset, length, link, *_ in sections:
        if kind != SYMTAB:
            continue
        names = content[sections[link][4] : sections[link][4] + sections[link][5]]
        for at in range(offset, offset + length, SYMBOL.size):
            name, value, extent, *_ = SYMBOL.unpack_from(content, at)
            word = names[name : names.index(0, name)].decode("latin-1")
            if word and word[0] != "$":  # marks of code and data
                yield word, Symbol(value & ~1 if extent else value, extent)


def segments_of(content: bytes) -> Iterator[tuple[int, bytes]]:
    """What is loaded, where it is used."""
    fields = HEADER.unpack_from(content)
    start, size, count = fields[5], fields[9], fields[10]
    for number in range(count):
        kind, offset, address, _, length, *_ = SEGMENT.unpack_from(content, start + number * size)
        if kind == LOAD and length:
            yield address, content[offset : offset + length]
