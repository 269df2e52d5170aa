"""Our kernels and TFLite Micro's give the same codes, every one of them."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tflite_micro")

from samewhy_bridge.graph import graph_of, read_graph
from samewhy_bridge.program import program_of
from samewhy_edge.quant import affine
from tests.bridge.boards import needs_gcc
from tests.bridge.compiled import asked, asked_under_sanitizers
from tests.bridge.kernels import run
from tests.bridge.single_ops import KINDS, ask, inputs_of, single

pytestmark = needs_gcc

FILES = int(os.environ.get("SAMEWHY_FILES", "12"))  # of each kind; thousands make millions of codes
INPUTS = 6
ROOM = 2**21  # bytes of TFLite Micro's arena
MODELS = sorted(Path("models").glob("*/int8.tflite"))


@pytest.mark.parametrize("kind", KINDS)
def test_every_code_of_an_operator(kind: str) -> None:
    for seed in range(FILES):
        content = single(kind, seed)
        program = program_of(graph_of(content, kind))
        inputs = inputs_of(content, INPUTS, seed)
        expected = ask(content, inputs)
        for i, sample in enumerate(inputs):
            found = run(program, sample, planned=bool(i % 2))[program.graph.output]
            assert same_bits(found, expected[i].reshape(found.shape)), f"{kind} of seed {seed}, input {i}"


@pytest.mark.parametrize("kind", KINDS)
def test_the_c_that_is_written_says_what_was_called(kind: str) -> None:
    content = single(kind, 2)
    inputs = inputs_of(content, INPUTS)
    answers = asked(content, inputs)
    assert same_bits(answers, ask(content, inputs).reshape(answers.shape))


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.parent.name)
def test_every_code_of_a_network(path: Path) -> None:
    content, inputs = path.read_bytes(), network_inputs(path)
    answers = asked(content, inputs)
    assert same_bits(answers, ask(content, inputs, ROOM).reshape(answers.shape))


def test_every_tensor_within_a_network() -> None:
    from samewhy_bridge.tflm import open_tflm
    from samewhy_edge.address import parse_address

    path = Path("models/fashion_resnet8/int8.tflite")
    subject, program = open_tflm(parse_address(f"tflm:{path}")), program_of(read_graph(path))
    sample = np.load(path.with_name("samples.npz"))["samples"][:1]
    coding = subject.spec.input
    assert subject.layers
    assert coding
    found = run(program, coding.encode(sample), planned=False)
    for layer in subject.layers(sample):
        (number,) = program.graph.operators[layer.place].outputs
        assert same_bits(found[number], layer.values[0]), layer.name


@pytest.mark.parametrize("kind", ["CONV_2D in groups", "DEPTHWISE_CONV_2D", "MEAN", "SOFTMAX", "STRIDED_SLICE"])
def test_nothing_is_undefined_or_outside(kind: str) -> None:
    content = single(kind, 1)
    inputs = inputs_of(content, INPUTS)
    answers = asked_under_sanitizers(content, inputs)
    assert same_bits(answers, ask(content, inputs).reshape(answers.shape))


def test_nothing_is_undefined_or_outside_in_a_network() -> None:
    path = Path("models/fashion_ds_cnn/int8.tflite")
    content, inputs = path.read_bytes(), network_inputs(path)[:2]
    assert same_bits(asked_under_sanitizers(content, inputs), asked(content, inputs))


def network_inputs(path: Path) -> Any:
    """Real samples, and then anything that the input can hold."""
    tensor = program_of(graph_of(path.read_bytes(), "model")).input
    samples = np.load(path.with_name("samples.npz"))["samples"][:INPUTS].reshape(-1, *tensor.shape)
    drawn = np.random.default_rng(0).integers(-128, 128, samples.shape)
    if tensor.dtype == "float32":
        return np.concatenate([samples, drawn.astype(np.float32)])
    known = affine(tensor.dtype, tensor.scale, tensor.zero_point)
    assert known
    return np.concatenate([known.encode(samples), drawn.astype(np.int8)])


def same_bits(found: Any, expected: Any) -> bool:
    """Whether two arrays hold the same; real numbers too are compared by their bits."""
    return found.dtype == expected.dtype and found.tobytes() == expected.tobytes()
