"""Softmax: exponentials of the distance to the largest code, from a table of at most 256."""

import math

import numpy as np
from numpy.typing import NDArray

from samewhy_bridge.calls import Call, Field, Lowered
from samewhy_bridge.fixed_point import INT32, factor, high_product
from samewhy_bridge.graph import Tensor
from samewhy_bridge.operators.view import View
from samewhy_bridge.transcendental import exp_of_negative

INTEGER_BITS = 5  # of a distance


def softmax(view: View) -> Lowered:
    """Along the last axis; the output's scale is 1/256."""
    source, output = view.codes(view.input(0)), view.codes(view.output())
    if (output.scale, output.zero_point) != (1 / 256, -128):
        found = f"output scale {output.scale:g} and zero point {output.zero_point}"
        raise view.wrong(found, "1/256 and -128, as the format asks")
    table = exps(source, float(view.option("beta")))
    depth = source.shape[-1]
    spec: dict[str, Field] = {"exps": table, "entries": len(table), "rows": source.size // depth, "depth": depth}
    return Lowered((Call("softmax", spec, (source.number,), (output.number,)),), over=(source.number,))


def exps(source: Tensor, beta: float) -> NDArray[np.int32]:
    """exp(-beta * scale * n) in Q0 for n = 0, 1, ..., until it is nothing.

    Source: TFLite, ``PreprocessSoftmaxScaling`` and ``CalculateInputRadius``.
    """
    real = min(float(np.float32(beta)) * source.scale * 2.0 ** (31 - INTEGER_BITS), INT32 - 1.0)
    scale = factor(real)
    radius = math.floor(((1 << INTEGER_BITS) - 1) * 2.0 ** (31 - INTEGER_BITS - scale.shift))
    reached = [
        exp_of_negative(high_product(-n << scale.shift, scale.value), INTEGER_BITS) for n in range(min(radius, 255) + 1)
    ]
    return np.trim_zeros(np.array(reached, np.int32), "b")
