"""Torch modules as predictors: ``torch:file.pt``, or ``torch:state.pt?factory=package.module:function&sample=28x28x1``.

Channels move to the front here, and nowhere else for torch.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor, nn

from samewhy_edge.address import Address
from samewhy_edge.arrays import Samples, Scores
from samewhy_edge.errors import AddressError, ArtifactError, ContractError
from samewhy_edge.predictor import Spec, Subject
from samewhy_edge.rung import Rung, artifact, machine
from samewhy_host.module_file import Recipe, example, load_module, load_plain, with_weights


@final
@dataclass(frozen=True, slots=True)
class Torch:
    """A torch module that takes (N, C, *S) and gives logits (N, K).

    Raises:
        ContractError: the module is in training mode, where its answers depend on their neighbours and on chance.
    """

    module: nn.Module

    def __post_init__(self) -> None:
        training = [name or "the module" for name, part in self.module.named_modules() if part.training]
        if training:
            raise ContractError(
                f"torch module in training mode ({training[0]}); expected eval(), call module.eval() first"
            )

    def __call__(self, samples: Samples, /) -> Scores:
        """Scores of shape (N, K) for samples of shape (N, *S, C)."""
        with torch.inference_mode(), one_thread():
            scores: Scores = self.module(torch.from_numpy(np.moveaxis(samples, -1, 1).copy())).numpy()
        return scores


@contextmanager
def one_thread() -> Iterator[None]:
    """Sums are split among threads, so their number changes the last bits of scores; equal studies give equal bytes.

    The number belongs to the thread that asks; others keep theirs, and threads that begin later may start with one.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def open_torch(address: Address) -> Subject:
    """The module file, or state dict, at `address`.

    Raises:
        AddressError: an option that does not exist, or a `sample` that is no shape.
        ArtifactError: the file is missing, broken, or does not fit the network.
    """
    address.only("factory", "sample")
    path = address.file()
    if "factory" in address.options:
        recipe = Recipe(address.options["factory"], {}, sample_shape(address))
        module = with_weights(recipe.build(), load_plain(path), path)
    else:
        recipe, module = load_module(path)
    rung = Rung(artifact(path), f"torch {torch.__version__.partition('+')[0]}", "aten", machine())
    return Subject(Spec(recipe.sample, count_classes(module, recipe.sample), rung), Torch(module))


def sample_shape(address: Address) -> tuple[int, ...]:
    """``sample=28x28x1`` as (28, 28, 1)."""
    sizes = address.options.get("sample", "").split("x")
    if len(sizes) not in (2, 3) or not all(size.isdecimal() for size in sizes):
        raise AddressError(f"sample={'x'.join(sizes)}: expected the sample's shape, for example sample=28x28x1")
    return tuple(int(size) for size in sizes)


def count_classes(module: nn.Module, sample: tuple[int, ...]) -> int:
    """K, from one query.

    Raises:
        ArtifactError: the module does not take such a sample, or does not give one row of scores for it.
    """
    try:
        with torch.inference_mode():
            scores = module(example(sample))
    except RuntimeError as error:
        raise ArtifactError(
            f"the network does not take samples of shape {sample}: {str(error).splitlines()[0]}"
        ) from error
    if not isinstance(scores, Tensor) or scores.ndim != 2 or len(scores) != 1:
        found = f"shape {tuple(scores.shape)}" if isinstance(scores, Tensor) else type(scores).__name__
        raise ArtifactError(f"the network gives {found}, expected one row of class scores, (1, K)")
    return int(scores.shape[1])
