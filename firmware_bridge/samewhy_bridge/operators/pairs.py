"""Sums, differences and products of two tensors, either of which may be repeated along axes of one element."""

from typing import Any

import numpy as np

from samewhy_bridge.axes import coalesced, steps_of
from samewhy_bridge.calls import Call, Field, Lowered
from samewhy_bridge.fixed_point import Factor, factor
from samewhy_bridge.graph import Tensor
from samewhy_bridge.operators.view import View

AXES = 4  # that the C kernels walk over
LEFT_SHIFT = 20  # of both sides of a sum, against the loss of the first rounding


def add(view: View) -> Lowered:
    """Both sides are brought to twice the larger scale, with 20 more bits.

    Source: TFLite Micro, ``CalculateOpDataAdd``.
    """
    return _sum(view, 1)


def sub(view: View) -> Lowered:
    """A sum whose second side is taken away."""
    return _sum(view, -1)


def _sum(view: View, sign: int) -> Lowered:
    first, second, output = _tensors(view)
    twice = 2.0 * max(first.scale, second.scale)
    out = factor(twice / (2**LEFT_SHIFT * output.scale))
    if out.shift > 0:
        raise view.wrong(f"output scale {output.scale:g} beside inputs of {twice / 2:g}", "scales within 2^19")
    low, high = view.bounds()
    spec: dict[str, Field] = {
        "pairs": _pairs(view, first, second, output),
        "first": _side(factor(first.scale / twice), first),
        "second": _side(factor(second.scale / twice), second),
        "output": _side(out, output),
        "sign": sign,
        "low": low,
        "high": high,
    }
    return _lowered("add", spec, first, second, output)


def _side(found: Factor, tensor: Tensor) -> dict[str, Field]:
    return {"factor": found.value, "shift": found.shift, "zero_point": tensor.zero_point}


def mul(view: View) -> Lowered:
    """Source: TFLite Micro, ``CalculateOpDataMul``: all scales are widened first."""
    first, second, output = _tensors(view)
    found = factor(first.scale * second.scale / output.scale)
    low, high = view.bounds()
    spec: dict[str, Field] = {
        "pairs": _pairs(view, first, second, output),
        "factor": found.value,
        "shift": found.shift,
        "first_zero_point": first.zero_point,
        "second_zero_point": second.zero_point,
        "zero_point": output.zero_point,
        "low": low,
        "high": high,
    }
    return _lowered("mul", spec, first, second, output)


def _tensors(view: View) -> tuple[Tensor, Tensor, Tensor]:
    return view.codes(view.input(0)), view.codes(view.input(1)), view.codes(view.output())


def _lowered(kernel: str, spec: dict[str, Any], first: Tensor, second: Tensor, output: Tensor) -> Lowered:
    over = tuple(side.number for side in (first, second) if side.size == output.size)
    return Lowered((Call(kernel, spec, (first.number, second.number), (output.number,)),), over=over)


def _pairs(view: View, first: Tensor, second: Tensor, output: Tensor) -> dict[str, Field]:
    try:
        shape = np.broadcast_shapes(first.shape, second.shape)
    except ValueError:
        shape = ()
    if tuple(shape) != output.shape:
        raise view.wrong(f"shapes {first.shape} and {second.shape} for {output.shape}", "shapes that fit each other")
    walks = [_repeated(side.shape, shape) for side in (first, second)]
    sizes, steps = coalesced(shape, walks, AXES)
    if len(sizes) > AXES:
        raise view.wrong(f"{len(sizes)} axes after merging", f"at most {AXES}")
    return {"sizes": sizes, "first_steps": steps[0], "second_steps": steps[1]}


def _repeated(shape: tuple[int, ...], whole: tuple[int, ...]) -> tuple[int, ...]:
    """Steps of a tensor along the axes of a larger one."""
    padded = (1,) * (len(whole) - len(shape)) + shape
    return tuple(0 if size == 1 else step for size, step in zip(padded, steps_of(padded), strict=True))
