"""Where flash and RAM go, before anything is compiled."""

from collections.abc import Iterator

from samewhy_bridge.emit import flash_of
from samewhy_bridge.program import Program

LINE = "{:>5}  {:<24} {:>18} {:>12} {:>12} {:>12}\n"


def size_report(program: Program) -> str:
    """A table for people: a line an operator."""
    rows = "".join(LINE.format(*row) for row in _rows(program))
    used, least = program.arena.bytes, program.arena.least
    return (
        f"{program.graph.name}, sha256 {program.graph.sha256}\n\n"
        f"Flash: {_n(flash_of(program).bytes)} bytes of constants, besides code.\n"
        f"RAM: {_n(used)} bytes of tensors in one arena, {_n(least)} of them needed at one time; besides the stack.\n"
        f"{_n(program.macs)} products of weights and codes for a sample.\n\n"
        + LINE.format("place", "operator", "output", "products", "constants", "in use")
        + rows
    )


def _rows(program: Program) -> Iterator[tuple[str, ...]]:
    flash = flash_of(program)
    for place, step in program.steps.items():
        operator = program.graph.operators[place]
        shape = "x".join(map(str, program.graph.tensors[operator.outputs[0]].shape))
        constants = sum(values.nbytes for name, values in flash.arrays.values() if name.startswith(f"samewhy_{place}_"))
        yield (str(place), operator.kind, shape, _n(step.macs), _n(constants), _n(program.arena.in_use[place]))


def _n(number: int) -> str:
    return f"{number:,}"
