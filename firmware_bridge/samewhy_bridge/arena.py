"""Where tensors lie in memory: a plan made once, so that the device allocates nothing.

Tensors that are never needed at the same time may share bytes. An operator may write over its input where it reads each
byte before it writes there and the input is not needed later; a reshape's output is its input.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

from samewhy_bridge.calls import Lowered
from samewhy_bridge.graph import Graph

ALIGNMENT = 4  # words and floats may begin at every tensor
BEFORE = -1  # the time at which the input is written
TRIES = 100  # orders in which blocks are placed


@final
@dataclass(frozen=True, slots=True)
class Span:
    """Bytes that are needed from one operator to another, both included."""

    bytes: int
    first: int
    last: int

    def meets(self, other: "Span") -> bool:
        """Whether both are needed at some time."""
        return self.first <= other.last and other.first <= self.last


@final
@dataclass(slots=True)
class Block:
    """What lies at one offset: tensors that take each other's place, and shrink where one is shorter; or scratch."""

    spans: list[Span]
    tensors: list[int] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        """The most that it takes."""
        return max(span.bytes for span in self.spans)

    @property
    def last(self) -> int:
        """When it is needed last."""
        return max(span.last for span in self.spans)


@final
@dataclass(frozen=True, slots=True)
class Arena:
    """Offsets of tensors, and of operators' scratch by their place."""

    bytes: int
    tensors: Mapping[int, int]
    scratch: Mapping[int, int]
    in_use: Mapping[int, int]  # bytes that are needed, by the operator's place

    @property
    def least(self) -> int:
        """The most that is needed at the same time; no plan of these tensors is smaller."""
        return max(self.in_use.values())


def plan(graph: Graph, steps: Mapping[int, Lowered]) -> Arena:
    """Lay out everything that operators, by their place in the graph, read and write."""
    blocks = [*_tensors(graph, steps), *_scratch(steps)]
    offsets = _best(blocks)
    return Arena(
        bytes=_end(blocks, offsets),
        tensors={tensor: offsets[i] for i, block in enumerate(blocks) for tensor in block.tensors},
        scratch={block.last: offsets[i] for i, block in enumerate(blocks) if not block.tensors},
        in_use={time: sum(_bytes_at(block, time) for block in blocks) for time in (BEFORE, *steps)},
    )


def _tensors(graph: Graph, steps: Mapping[int, Lowered]) -> list[Block]:
    last = _last_uses(graph, steps)
    entry = graph.input
    home = {entry: Block([Span(_rounded(graph.tensors[entry].bytes), BEFORE, last[entry])], [entry])}
    found = [home[entry]]
    for place, step in steps.items():
        for number in graph.operators[place].outputs:
            span = Span(_rounded(graph.tensors[number].bytes), place, last.get(number, place))
            block = _shared(step, home, place, span.bytes)
            if block is None:
                block = Block([])
                found.append(block)
            block.spans.append(span)
            block.tensors.append(number)
            home[number] = block
    return found


def _last_uses(graph: Graph, steps: Mapping[int, Lowered]) -> dict[int, int]:
    """The last operator that reads each tensor; the output is read after the end."""
    found = {graph.input: BEFORE}
    for place, step in steps.items():
        for number in (*(one for call in step.calls for one in call.inputs), *step.same_bytes):
            found[number] = place
    return {**found, graph.output: len(graph.operators)}


def _shared(step: Lowered, home: Mapping[int, Block], place: int, size: int) -> Block | None:
    """The block of an input in which the output may lie."""
    same = (home[number] for number in step.same_bytes)
    free = (home[number] for number in step.over if number in home)
    return next(same, None) or next((one for one in free if one.last <= place and one.spans[-1].bytes >= size), None)


def _scratch(steps: Mapping[int, Lowered]) -> Iterator[Block]:
    for place, step in steps.items():
        size = max((call.scratch or 0 for call in step.calls), default=0)
        if size:
            yield Block([Span(_rounded(size), place, place)])


def _rounded(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _least(blocks: Sequence[Block]) -> int:
    times = {span.first for block in blocks for span in block.spans}
    return max(sum(_bytes_at(block, time) for block in blocks) for time in times)


def _bytes_at(block: Block, time: int) -> int:
    return max((span.bytes for span in block.spans if span.first <= time <= span.last), default=0)


def _best(blocks: Sequence[Block]) -> list[int]:
    """The lowest of some plans: large blocks first, then again and again with the block that ends highest first."""
    order = sorted(range(len(blocks)), key=lambda i: (-blocks[i].bytes, blocks[i].spans[0].first))
    meetings, least = _meetings(blocks), _least(blocks)
    best = offsets = _placed(blocks, meetings, order)
    for _ in range(TRIES):
        if _end(blocks, best) == least:
            break
        highest = max(order, key=lambda i: offsets[i] + blocks[i].bytes)
        order = [highest, *(i for i in order if i != highest)]
        offsets = _placed(blocks, meetings, order)
        best = min(best, offsets, key=lambda found: _end(blocks, found))
    return best


Meetings = Mapping[int, Mapping[int, tuple[int, int]]]


def _meetings(blocks: Sequence[Block]) -> Meetings:
    """Of each block and each that it meets: the bytes of both, at the time when they take most."""
    found: dict[int, dict[int, tuple[int, int]]] = {i: {} for i in range(len(blocks))}
    for i, block in enumerate(blocks):
        for j, other in enumerate(blocks):
            pairs = [(a.bytes, b.bytes) for a in block.spans for b in other.spans if a.meets(b)]
            if i != j and pairs:
                found[i][j] = (max(a for a, _ in pairs), max(b for _, b in pairs))
    return found


def _placed(blocks: Sequence[Block], meetings: Meetings, order: Sequence[int]) -> list[int]:
    """Each block in turn at the lowest offset where it touches none before it."""
    offsets: dict[int, int] = {}
    for i in order:
        near = [(offsets[j], *sizes) for j, sizes in meetings[i].items() if j in offsets]
        free = sorted({0, *(start + other for start, _, other in near)})
        offsets[i] = next(
            place
            for place in free
            if all(place + mine <= start or start + other <= place for start, mine, other in near)
        )
    return [offsets[i] for i in range(len(blocks))]


def _end(blocks: Sequence[Block], offsets: Sequence[int]) -> int:
    return max(offset + block.bytes for offset, block in zip(offsets, blocks, strict=True))
