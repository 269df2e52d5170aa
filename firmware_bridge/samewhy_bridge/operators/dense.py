"""Dense layers, and the product of weights and inputs that convolutions share with them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samewhy_bridge.calls import Call, Field, Lowered
from samewhy_bridge.fixed_point import Factor, factor, product
from samewhy_bridge.operators.factors import bias, bounded, each_factor, sums, weights
from samewhy_bridge.operators.view import View

BLOCK = 4
LARGEST = 128  # of codes as they are


def fully_connected(view: View) -> Lowered:
    """Every row of the input by itself."""
    source, output = view.codes(view.input(0)), view.codes(view.output())
    values = view.constant(1)
    outputs, inputs = values.shape[0], values.shape[-1]
    filter = weights(view, 1, 0, outputs)
    if view.option("weightsFormat") or values.ndim != 2 or source.size % inputs or output.shape[-1] != outputs:
        raise view.wrong(f"weights of shape {values.shape} for {source.size} inputs", "(outputs, inputs), in order")
    one_scale = len(filter.scales) == 1
    # With one scale the product of scales is rounded to float32, with many it is not.
    # Source: TFLite Micro, GetQuantizedConvolutionMultipler and CalculateOpDataFullyConnected.
    factors = (
        [factor(product(source.scale, filter.scale) / output.scale)]
        if one_scale
        else each_factor(view, source, filter, output, outputs)
    )
    rows = source.size // inputs
    view.sixteen_bits(rows, outputs)
    spec: dict[str, Field] = {"matmul": matmul(view, values, bias(view, 2, outputs), factors), "rows": rows}
    call = Call("fully_connected", spec, (source.number,), (output.number,))
    return Lowered((call,), macs=rows * values.size)


def matmul(
    view: View, rows: NDArray[Any], start: NDArray[np.int64], factors: Sequence[Factor], groups: int = 1
) -> dict[str, Field]:
    """The struct ``samewhy_matmul_spec`` for weights (outputs, inputs), of the first of some groups of outputs.

    The zero point of the input times the sum of the weights is a constant: it is taken from the bias here.
    """
    wide = rows.astype(np.int64)
    start = start - view.input(0).zero_point * wide.sum(axis=1)
    parts = np.split(rows, groups)
    return {
        "weights": np.concatenate([blocks(part) for part in parts]),
        "inputs": rows.shape[1],
        "outputs": len(parts[0]),
        "sums": sums(view, bounded(view, start, wide, LARGEST), factors),
    }


def blocks(rows: NDArray[Any]) -> NDArray[np.int8]:
    """Weights in the order in which ``kernels/matmul.c`` reads them."""
    whole = len(rows) // BLOCK * BLOCK
    four = [_block(rows[i : i + BLOCK]) for i in range(0, whole, BLOCK)]
    ordered: NDArray[np.int8] = np.concatenate([*four, rows[whole:].reshape(-1)]).astype(np.int8)
    return ordered


def _block(rows: NDArray[Any]) -> NDArray[Any]:
    end = rows.shape[1] // BLOCK * BLOCK
    head = rows[:, :end].reshape(BLOCK, -1, BLOCK).transpose(1, 0, 2)
    return np.concatenate([head.reshape(-1), rows[:, end:].T.reshape(-1)])
