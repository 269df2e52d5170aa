"""Data sets, networks and files that are small enough to be made anew in every test."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from samewhy_edge.arrays import Samples
from samewhy_host.data.dataset import Dataset, Split
from samewhy_host.gradients import to_torch
from samewhy_host.module_file import Recipe
from samewhy_host.study import Head, Model, Study, StudyFile
from samewhy_host.train import Train

CLASSES = 3
QUICK = Train(epochs=3, batch=16, learning_rate=0.01)


def split(count: int = 64, sample: tuple[int, ...] = (8, 8, 1), seed: int = 0) -> Split:
    """Noise, crossed by lines along the first axis (class 0), along the second (1), or by none (2)."""
    labels = np.arange(count) % CLASSES
    samples = np.random.default_rng(seed).uniform(0, 0.4, (count, *sample)).astype(np.float32)
    samples[labels == 0, :, ::2] += 0.6
    samples[labels == 1, ::2] += 0.6
    return Split(samples, labels.astype(np.int64), tuple(f"made-{seed}/{place}" for place in range(count)))


def dataset(sample: tuple[int, ...] = (8, 8, 1)) -> Dataset:
    names = ("upright", "lying", "none")
    return Dataset("lines", names, split(60, sample, seed=1), split(30, sample, seed=2))


def ds_cnn(sample: tuple[int, ...] = (8, 8, 1), width: int = 8) -> Recipe:
    options = {"classes": CLASSES, "channels": sample[-1], "width": width, "stem": [3, 3], "dropout": 0.1}
    return Recipe("samewhy_host.zoo.ds_cnn:ds_cnn", options, sample)


def resnet8(sample: tuple[int, ...] = (8, 8, 1), width: int = 8) -> Recipe:
    options = {"classes": CLASSES, "channels": sample[-1], "width": width}
    return Recipe("samewhy_host.zoo.resnet8:resnet8", options, sample)


def network(recipe: Recipe, seed: int = 0) -> nn.Module:
    """Random weights; the batch norms have seen some samples, so that scores are far from equal."""
    torch.manual_seed(seed)
    module = recipe.build().train()
    with torch.no_grad():
        for _ in range(20):
            module(to_torch(split(32, recipe.sample, seed=3).samples))
    return module.eval()


def numbers(module: nn.Module) -> int:
    """Parameters, and batch norm's running means and variances."""
    buffers = [buffer for name, buffer in module.named_buffers() if not name.endswith("num_batches_tracked")]
    return sum(tensor.numel() for tensor in [*module.parameters(), *buffers])


def state_bytes(module: nn.Module) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in module.state_dict().items()}


class Reading(nn.Module):
    """Scores are single values of the sample: of channel, then of position."""

    def __init__(self, *places: tuple[int, ...]) -> None:
        super().__init__()
        self.places = places

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([x[(slice(None), *place)] for place in self.places], dim=1)


class Weighing(nn.Module):
    """Score k is the sum of weights[k] * sample; weights (K, C, *S)."""

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.weights = nn.Parameter(weights)

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("nchw,kchw->nk", x, self.weights)


class Bessel(nn.Module):
    """An operation that ONNX does not have."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.special.bessel_j0(x).flatten(1)[:, :CLASSES]


class Silent(nn.Module):
    """Stops without a word."""

    def forward(self, x: Tensor) -> Tensor:
        raise AssertionError


class Picture(nn.Module):
    """Gives a picture, not a row of scores."""

    def forward(self, x: Tensor) -> Tensor:
        return x


class Twice(nn.Module):
    """Gives two tensors."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x.flatten(1), x.flatten(1)


def linear(inputs: int = 64) -> nn.Module:
    """A factory without options, as an address names one."""
    return nn.Sequential(nn.Flatten(), nn.Linear(inputs, CLASSES))


def no_module() -> str:
    return "a text"


def onnx_bytes(shape: Sequence[int | str], weights: NDArray[np.float32], inputs: int = 1) -> bytes:
    """Flatten and matrix product with weights (C * prod(S), K), for an input of `shape`; others are added to it."""
    names = [f"input{i}" for i in range(inputs)]
    added = [helper.make_node("Add", [names[0], name], [f"{name}_added"]) for name in names[1:]]
    last = added[-1].output[0] if added else names[0]
    nodes = [
        *added,
        helper.make_node("Flatten", [last], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "weights"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "matrix",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in names],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [shape[0], weights.shape[1]])],
        [numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def with_moved_weights(content: bytes, layer: str, by: float = 0.5) -> tuple[bytes, str]:
    """An ONNX file with other weights in the first convolution whose name holds `layer`, and that node's name."""
    model = onnx.load_from_string(content)
    node = next(node for node in model.graph.node if node.op_type == "Conv" and layer in node.name)
    weights = next(one for one in model.graph.initializer if one.name == node.input[1])
    weights.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weights) + np.float32(by), weights.name))
    return bytes(model.SerializeToString()), str(node.name)


def study_file(folder: Path, study: Study | None = None) -> StudyFile:
    known = study or Study(Head("Why?", seed=5), Model(architecture="ds_cnn"))
    return StudyFile(folder / "study.toml", "0" * 64, known)


def noise(count: int, *sample: int, seed: int = 0) -> Samples:
    return np.random.default_rng(seed).normal(size=(count, *sample)).astype(np.float32)
