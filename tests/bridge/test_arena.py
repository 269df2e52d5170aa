"""Tensors that are needed at the same time never touch; what is needed at one time is enough for all times."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samewhy_bridge.arena import BEFORE, Block, Span, _best, _meetings
from samewhy_bridge.graph import graph_of, read_graph
from samewhy_bridge.program import Program, program_of
from samewhy_edge.rung import artifact
from tests.bridge.single_ops import REAL, Coding, File, options

MODELS = sorted(Path("models").glob("*/int8.tflite"))
CODES = Coding((0.1,), (3,))
SPANS = st.tuples(st.integers(1, 400), st.integers(0, 12), st.integers(0, 6)).map(
    lambda drawn: Span(4 * drawn[0], drawn[1], drawn[1] + drawn[2])
)


@given(st.lists(SPANS, min_size=1, max_size=14))
def test_blocks_that_meet_never_touch(spans: list[Span]) -> None:
    blocks = [Block([span]) for span in spans]
    offsets = _best(blocks)
    for i, others in _meetings(blocks).items():
        for j in others:
            assert offsets[i] + blocks[i].bytes <= offsets[j] or offsets[j] + blocks[j].bytes <= offsets[i]


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.parent.name)
def test_a_network_takes_no_more_than_it_needs_at_one_time(path: Path) -> None:
    arena = program_of(read_graph(path)).arena
    assert arena.bytes == arena.least


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.parent.name)
def test_a_network_takes_less_than_tflite_micro_gives_it(path: Path) -> None:
    pytest.importorskip("tflite_micro")
    from samewhy_bridge.tflm import examine

    assert program_of(read_graph(path)).arena.bytes < examine(path, artifact(path).sha256).arena


def test_convolutions_write_over_their_input_where_that_saves_memory() -> None:
    path = Path("models/fashion_ds_cnn/int8.tflite")
    program = program_of(read_graph(path))
    tensor, row = 14 * 14 * 64, 14 * 64
    assert program.arena.bytes == tensor + 2 * row  # one of two tensors, and the two rows that windows need again
    offsets = {program.arena.tensors[program.graph.operators[place].outputs[0]] for place in range(1, 10)}
    assert len(offsets) == 1


def test_convolutions_keep_no_rows_where_memory_is_not_the_matter() -> None:
    program = program_of(read_graph(Path("models/person_detect/int8.tflite")))  # its input is the largest tensor
    calls = [call for step in program.steps.values() for call in step.calls if call.kernel.endswith("conv_2d")]
    specs: list[Any] = [call.spec["rows"] for call in calls]
    assert specs
    assert not any(spec["kept"] for spec in specs)


def test_a_function_of_each_code_is_written_over_its_input() -> None:
    file = File()
    tensor = file.tensor((1, 10, 8), CODES)
    for _ in range(3):
        tensor, source = file.tensor((1, 10, 8), CODES), tensor
        file.operator("RELU", [source], tensor)
    assert taken(file, tensor) == 80


def test_what_is_needed_again_is_not_written_over() -> None:
    file = File()
    entry, cut, both = (file.tensor((1, 10, 8), CODES) for _ in range(3))
    file.operator("RELU", [entry], cut)
    file.operator("ADD", [entry, cut], both, options("AddOptions"), 2)
    assert taken(file, both) == 160


def test_a_reshape_keeps_its_bytes_alive() -> None:
    file = File()
    entry, flat, cut, both = (file.tensor(shape, CODES) for shape in [(1, 10, 8), (1, 80), (1, 10, 8), (1, 80)])
    file.operator("RESHAPE", [entry, file.whole([1, 80])], flat, options("ReshapeOptions"))
    file.operator("RELU", [entry], cut)
    again = file.tensor((1, 80), CODES)
    file.operator("RESHAPE", [cut, file.whole([1, 80])], again, options("ReshapeOptions"))
    file.operator("ADD", [flat, again], both, options("AddOptions"), 2)
    program = programmed(file, both)
    assert program.arena.bytes == 160
    assert program.arena.tensors[flat.index] == program.arena.tensors[entry.index]
    assert program.arena.tensors[cut.index] != program.arena.tensors[entry.index]


def test_codes_of_real_numbers_take_a_quarter_of_their_place_and_leave_the_rest() -> None:
    file = File()
    entry = file.tensor((1, 10, 8), REAL, "float32")
    codes, longer = file.tensor((1, 10, 8), CODES), file.tensor((1, 10, 24), CODES)
    file.operator("QUANTIZE", [entry], codes, options("QuantizeOptions"))
    file.operator("CONCATENATION", [codes, codes, codes], longer, options("ConcatenationOptions", axis=2), 2)
    program = programmed(file, longer)
    assert program.arena.bytes == 320
    assert program.arena.in_use == {BEFORE: 320, 0: 320, 1: 320}


def programmed(file: File, output: object) -> Program:
    return program_of(graph_of(file.bytes(output), "made"))  # type: ignore[arg-type]


def taken(file: File, output: object) -> int:
    return programmed(file, output).arena.bytes
