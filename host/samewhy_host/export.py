"""torch to ONNX, with the gate that proves nothing was lost on the way."""

import copy
import io
import warnings

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from samewhy_edge.arrays import Samples
from samewhy_edge.errors import GateError
from samewhy_host.divergence import first_unmatched, onnx_layers
from samewhy_host.module_file import Recipe, example
from samewhy_host.onnx_runtime import open_session
from samewhy_host.torch_runtime import Torch

OPSET = 17
BOUND = 1e-4  # largest |torch - onnx| of a score


def to_onnx(recipe: Recipe, module: nn.Module) -> bytes:
    """An ONNX file with a free batch size, checked.

    Raises:
        GateError: the module cannot be expressed in ONNX.
    """
    buffer = io.BytesIO()
    try:
        with warnings.catch_warnings():
            # The TorchScript exporter keeps module paths in the node names, by which a failed gate names its layer.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                module,
                (example(recipe.sample),),
                buffer,  # type: ignore[arg-type]  # the TorchScript exporter takes a buffer, its stub does not say so
                input_names=["input"],
                output_names=["scores"],
                dynamic_axes={"input": {0: "batch"}, "scores": {0: "batch"}},
                opset_version=OPSET,
                dynamo=False,
            )
    except Exception as error:  # torch raises many kinds, all meaning that an operator has no ONNX form
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise GateError(f"torch to ONNX: {reason}; replace that operation in the network") from error
    onnx.checker.check_model(onnx.load_from_string(buffer.getvalue()), full_check=True)
    return buffer.getvalue()


def gate_onnx(module: nn.Module, content: bytes, samples: Samples) -> dict[str, float]:
    """Parity of the ONNX file with the module, for the manifest.

    A network that is nearly dead, such as one that was pruned too far, divides by standard deviations that are all but
    0, and torch's own single precision rounds by more than the bound. The file is held against double precision then,
    and ``torch_rounding`` says how far torch is from it.

    Raises:
        GateError: scores differ by more than the bound; the sentence names the first layer that does.
    """
    expected = Torch(module)(samples)
    moved = np.ascontiguousarray(np.moveaxis(samples, -1, 1))
    found: NDArray[np.float32] = open_session(content).run(None, {"input": moved})[0]
    apart = float(np.abs(expected - found).max())
    if not apart <= BOUND:
        exact = in_double(module, moved)
        of_file, of_torch = (float(np.abs(exact - one).max()) for one in (found, expected))
        if of_file <= BOUND:
            return {"max_difference": of_file, "bound": BOUND, "samples": len(samples), "torch_rounding": of_torch}
        layer = first_unmatched(onnx_layers(content, moved), torch_layers(module, moved), BOUND)
        raise GateError(
            f"torch to ONNX: scores differ by {apart:.3g}, at most {BOUND:g} is allowed; the first layer apart is "
            f"{layer}; replace it by operations with a plain ONNX form, or raise the opset"
        )
    return {"max_difference": apart, "bound": BOUND, "samples": len(samples)}


def in_double(module: nn.Module, moved: NDArray[np.float32]) -> NDArray[np.float64]:
    """Scores (N, K) of samples (N, C, *S) in double precision; the module stays as it is.

    Raises:
        GateError: the module holds single precision somewhere that no conversion reaches.
    """
    try:
        with torch.inference_mode():
            scores: Tensor = copy.deepcopy(module).double()(torch.from_numpy(moved.astype(np.float64)))
    except RuntimeError as error:
        raise GateError(
            f"torch to ONNX: scores differ by more than {BOUND:g}, and double precision cannot say which of the two "
            f"is right ({str(error).splitlines()[0]}); make the network's constants follow the type of its input"
        ) from error
    return np.asarray(scores.numpy(), np.float64)


def torch_layers(module: nn.Module, moved: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Outputs of all parts of the module."""
    seen: list[NDArray[np.float32]] = []

    def note(_: nn.Module, __: object, output: object) -> None:
        if isinstance(output, Tensor):
            seen.append(output.detach().numpy().copy())

    hooks = [part.register_forward_hook(note) for part in module.modules()]
    try:
        with torch.inference_mode():
            module(torch.from_numpy(moved))
    finally:
        for hook in hooks:
            hook.remove()
    return seen
