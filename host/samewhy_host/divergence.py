"""Which layer is the first that two forms of one network do not share: what a failed gate names."""

from collections.abc import Iterable

import numpy as np
import onnx
from numpy.typing import NDArray

from samewhy_host.onnx_runtime import open_session

Layer = tuple[str, NDArray[np.float32]]


def first_unmatched(layers: Iterable[Layer], others: Iterable[NDArray[np.float32]], bound: float) -> str:
    """The first layer that no tensor of the other form equals, though one has its shape.

    A fused activation hides a layer's own output, so a layer also matches after ReLU or ReLU6. Axes may be permuted:
    values are compared sorted by sample, which is enough to tell a layer that went wrong.
    """
    pool = [signature(other) for other in others]
    for name, values in layers:
        forms = [signature(form) for form in (values, np.maximum(values, 0), np.clip(values, 0, 6))]
        rivals = [other for other in pool if other.shape == forms[0].shape]
        if rivals and all(np.abs(form - other).max() > bound for form in forms for other in rivals):
            return name
    return "the last one"


def signature(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Values sorted within each sample: the same whatever the order of the axes."""
    return np.sort(values.reshape(len(values), -1), axis=1)


def onnx_layers(content: bytes, moved: NDArray[np.float32]) -> list[Layer]:
    """Every inner tensor of an ONNX file for inputs (N, C, *S), in order, with the node that gives it."""
    model = onnx.load_from_string(content)
    named = [(node.name or node.op_type, name) for node in model.graph.node for name in node.output if name]
    wanted = {value.name for value in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for _, name in named if name not in wanted)
    session = open_session(model.SerializeToString())
    name = session.get_inputs()[0].name
    fixed = session.get_inputs()[0].shape[0] == 1
    pieces = [moved[i : i + 1] for i in range(len(moved))] if fixed else [moved]
    runs = [session.run([tensor for _, tensor in named], {name: piece}) for piece in pieces]
    joined = [np.concatenate([run[i] for run in runs]) for i in range(len(named)) if runs[0][i].ndim > 1]
    labels = [node for i, (node, _) in enumerate(named) if runs[0][i].ndim > 1]
    return [(label, values) for label, values in zip(labels, joined, strict=True) if values.dtype == np.float32]
