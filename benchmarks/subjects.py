"""Where a benchmark's networks and samples come from, and a `.tflite` without its last softmax."""

from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from samewhy_edge.arrays import Samples, Scores
from samewhy_edge.predictor import Subject, open_predictor
from samewhy_host.data.dataset import stratified
from samewhy_host.data.embedded import fashion_mnist

OWN = ("fashion_ds_cnn", "fashion_resnet8")  # logits out, each with a float twin
THIRD_PARTY = ("mlperf_resnet8",)  # softmax out, int8 alone


def samples_of(count: int) -> Samples:
    """Test images of Fashion-MNIST, the classes even."""
    test = fashion_mnist("unit").test
    return test.take(stratified(test.labels, count, seed=0)).samples


def photos(name: str, count: int) -> Samples:
    """Samples that lie beside a third-party network, evenly from all of its photographs."""
    with np.load(Path("models") / name / "samples.npz") as arrays:
        every: Samples = arrays["samples"]
    return every[np.linspace(0, len(every) - 1, count).round().astype(np.int64)]


def logits_of(name: str, samples: Samples, folder: Path) -> Subject:
    """The int8 file of a network as a subject that gives logits; a copy without softmax goes to `folder`.

    Raises:
        ValueError: the copy's softmax is not what the file itself says, within two steps of the file's output.
    """
    path = Path("models") / name / "int8.tflite"
    if name in OWN:
        return open_predictor(f"litert:{path}")
    (folder / path.name).write_bytes(without_softmax(path.read_bytes()))
    asked = open_predictor(f"litert:{folder / path.name}")
    away = float(np.abs(softmax(asked(samples)) - open_predictor(f"litert:{path}")(samples)).max())
    if away > 2 / 256:
        raise ValueError(f"{path} without its softmax gives other probabilities, {away:.3g} away; expected 2 / 256")
    return asked


def softmax(logits: Scores) -> Scores:
    """Probabilities along the last axis, of any number of axes."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def without_softmax(content: bytes) -> bytes:
    """The same file, ending in what its last operator, a softmax, would take.

    Raises:
        ValueError: the last operator is another one.
    """
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    graph = model.subgraphs[0]
    last = graph.operators[-1]
    if model.operatorCodes[last.opcodeIndex].builtinCode != schema.BuiltinOperator.SOFTMAX:
        raise ValueError("the last operator is no softmax; expected one")
    graph.operators = graph.operators[:-1]
    graph.outputs = [last.inputs[0]]
    model.signatureDefs = _renamed(model.signatureDefs or [], last.inputs[0])
    return packed(model)


def packed(model: Any) -> bytes:
    """A model as the bytes of a file."""
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _renamed(signatures: list[Any], tensor: int) -> list[Any]:
    for signature in signatures:
        for output in signature.outputs:
            output.tensorIndex = tensor
    return signatures
