"""How large an arena TFLite Micro needs, found by trying, and what it says it put there.

What `print_allocations` reports may be too small: memory that operators take while they are prepared is not in it
(tflite-micro issue 2738). The arena is that of a 64-bit machine; the pointers of a microcontroller are half as large.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from samewhy_bridge.tflm_runtime import apart, once
from samewhy_edge.errors import ArtifactError

STEP = 16  # what the arena is aligned to
SMALLEST, LARGEST = 1024, 2**30
TOO_SMALL = re.compile(r"missing: \d+|Failed to allocate (?:tail|temp|memory)|Too many buffers|Arena size is too small")
CRASHED = "crashed the interpreter, whatever the arena; it is truncated or not meant for it, export it anew"
SUM = re.compile(r"Arena allocation (total|head|tail) (\d+) bytes")
MISSING = re.compile(r"Didn't find op for builtin opcode '(\w+)'|registration from op code (\w+)")
PART = re.compile(r"'([^']+)' used (\d+) bytes with alignment overhead \(requested (\d+) bytes for (\d+)")


@final
@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of one kind in the arena."""

    name: str
    used: int
    requested: int
    count: int


@final
@dataclass(frozen=True, slots=True)
class Allocations:
    """What `print_allocations` tells: the head is for tensors that come and go, the tail for what stays."""

    total: int
    head: int
    tail: int
    parts: tuple[Part, ...]


def parsed(text: str) -> Allocations:
    """The report of `print_allocations`.

    Raises:
        ValueError: it has another form.
    """
    sums = {name: int(count) for name, count in SUM.findall(text)}
    if set(sums) != {"total", "head", "tail"}:
        raise ValueError(f"a report of allocations with {', '.join(sums) or 'nothing'}; expected total, head and tail")
    return Allocations(**sums, parts=tuple(Part(name, *map(int, numbers)) for name, *numbers in PART.findall(text)))


def smallest(fits: Callable[[int], bool], first: int = SMALLEST, largest: int = LARGEST) -> int | None:
    """The smallest multiple of `STEP` that fits, by doubling and bisection; None where the largest does not."""
    high = doubled(fits, first, largest)
    if high is None:
        return None
    low = 0 if high == first else high // 2  # the largest that is known not to fit
    while high - low > STEP:
        middle = (low + high) // (2 * STEP) * STEP
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high


def doubled(fits: Callable[[int], bool], first: int = SMALLEST, largest: int = LARGEST) -> int | None:
    """The first of `first`, twice as much, ... that fits; None where the largest does not."""
    size = first
    while not fits(size):
        size *= 2
        if size > largest:
            return None
    return size


def fitting(content: bytes, tensors: bool = False) -> Callable[[int], bool]:
    """Whether an arena of so many bytes is enough; each is tried in a process of its own, for some crash.

    It raises ArtifactError where the file is refused whatever the arena.
    """

    def fits(size: int) -> bool:
        ended = apart(lambda: once(content, size, tensors))
        if ended.code > 0 and not TOO_SMALL.search(ended.said):
            raise ArtifactError(because(ended.said))
        if ended.code < 0 and size >= LARGEST:
            raise ArtifactError(CRASHED)
        return ended.code == 0

    return fits


def because(said: str) -> str:
    """What the interpreter printed, as a reason."""
    missing = MISSING.search(said)
    if missing:
        return (
            f"operator {missing[1] or missing[2]}, which tflite-micro does not have; "
            "expected operators that it has, convert the network without it"
        )
    lines = dict.fromkeys(line.strip() for line in said.splitlines() if line.strip())
    reason = "; ".join(line.rstrip(".") for line in list(lines)[:3]) or "no message"
    return f"tflite-micro refuses it ({reason}); the file is of a kind that it does not run, export it for int8"


def allocations(content: bytes, arena: int) -> Allocations:
    """What the interpreter reports of an arena that is large enough."""
    return parsed(apart(lambda: once(content, arena).print_allocations()).said)
