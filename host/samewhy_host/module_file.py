"""A torch network as a file: how to build it, how channels were cut from it, and its weights.

The file is read with ``weights_only=True``: it holds plain values and tensors, no code.
"""

import importlib
import io
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn

from samewhy_edge.errors import ArtifactError, InputError
from samewhy_edge.files import write_bytes

FORMAT = 1


@final
@dataclass(frozen=True, slots=True)
class Recipe:
    """How to build a module: a factory, its options, the sample shape, and the channels that were cut."""

    factory: str  # "package.module:function"
    options: Mapping[str, Any]
    sample: tuple[int, ...]  # (*S, C)
    history: tuple[tuple[str, bool, list[int]], ...] = field(default=())  # torch-pruning's pruning history

    def build(self) -> nn.Module:
        """A fresh module in evaluation mode, its channels cut as the history says.

        Raises:
            InputError: the factory cannot be found, or does not take the options.
        """
        module = build(self.factory, self.options).eval()
        if self.history:
            import torch_pruning  # networks that lost no channels are opened and trained where it is not installed

            graph = torch_pruning.DependencyGraph().build_dependency(module, example(self.sample))
            graph.load_pruning_history([list(step) for step in self.history])
        return module


def build(factory: str, options: Mapping[str, Any]) -> nn.Module:
    """What ``package.module:function`` returns for the options.

    Raises:
        InputError: no such module or function, options that it does not take, or it gives no torch module.
    """
    name, _, function = factory.partition(":")
    importable(Path.cwd())
    try:
        module = getattr(importlib.import_module(name), function)(**options)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(
            f"factory {factory!r}: {error}; expected package.module:function that can be imported"
        ) from error
    except TypeError as error:
        raise InputError(f"factory {factory!r} does not take {dict(options)}: {error}") from error
    if not isinstance(module, nn.Module):
        raise InputError(f"factory {factory!r} gave {type(module).__name__}, expected a torch module")
    return module


def importable(folder: Path) -> None:
    """Let factories be found that lie in the folder: a user's own network has no package."""
    if str(folder.resolve()) not in sys.path:
        sys.path.insert(0, str(folder.resolve()))


def example(sample: tuple[int, ...], count: int = 1) -> Tensor:
    """Zeros of the shape that the module takes: (count, C, *S)."""
    return torch.zeros(count, sample[-1], *sample[:-1])


def save_module(path: Path, recipe: Recipe, module: nn.Module) -> None:
    """Write recipe and weights; equal weights give equal bytes.

    Raises:
        OutputError: the folder cannot be written.
    """
    plain = torch.contiguous_format
    state = {name: tensor.detach().clone(memory_format=plain) for name, tensor in module.state_dict().items()}
    content = {
        "format": FORMAT,
        "factory": recipe.factory,
        "options": dict(recipe.options),
        "sample": list(recipe.sample),
        "history": [list(step) for step in recipe.history],
        "state": state,
    }
    write_bytes(path, serialized(content))


def serialized(content: Mapping[str, Any]) -> bytes:
    """torch's own format, in memory, so that a file appears whole or not at all."""
    buffer = io.BytesIO()
    torch.save(dict(content), buffer)
    return buffer.getvalue()


def load_module(path: Path) -> tuple[Recipe, nn.Module]:
    """The recipe and the module, in evaluation mode.

    Raises:
        ArtifactError: not a file that `save_module` wrote, or weights that do not fit the recipe.
    """
    content = load_plain(path)
    if content.get("format") != FORMAT:
        raise ArtifactError(
            f"{path}: no samewhy module file; for a plain state dict name the network too, "
            f"torch:{path.name}?factory=package.module:function&sample=28x28x1"
        )
    history = tuple((name, bool(out), list(cut)) for name, out, cut in content["history"])
    recipe = Recipe(content["factory"], content["options"], tuple(content["sample"]), history)
    return recipe, with_weights(recipe.build(), content["state"], path)


def load_plain(path: Path) -> dict[str, Any]:
    """What torch reads from a file without running any code of it.

    Raises:
        ArtifactError: the file is broken or holds code.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises pickle's, zip's and its own errors for a broken file
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ArtifactError(f"{path}: not readable as torch weights ({reason}); expected a state dict") from error
    if not isinstance(content, dict):
        raise ArtifactError(f"{path}: holds {type(content).__name__}, expected a state dict")
    return content


def with_weights(module: nn.Module, state: Mapping[str, Tensor], path: Path) -> nn.Module:
    """The module with the weights of `state`.

    Raises:
        ArtifactError: names or shapes differ.
    """
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        lines = str(error).splitlines()
        reason = lines[1].strip() if len(lines) > 1 else lines[0]
        raise ArtifactError(f"{path}: weights do not fit the network: {reason}") from error
    return module
