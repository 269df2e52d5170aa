"""Operators of the file as calls of C kernels: the one table where the next one is added."""

from collections.abc import Callable, Mapping

from samewhy_bridge.calls import Lowered
from samewhy_bridge.graph import Graph, Operator
from samewhy_bridge.operators import borders, convolutions, dense, moves, pairs, pools, reduce, softmax, unary
from samewhy_bridge.operators.view import View

TABLE: Mapping[str, Callable[[View], Lowered]] = {
    "ADD": pairs.add,
    "AVERAGE_POOL_2D": pools.average_pool_2d,
    "CONCATENATION": moves.concatenation,
    "CONV_2D": convolutions.conv_2d,
    "DEPTHWISE_CONV_2D": convolutions.depthwise_conv_2d,
    "DEQUANTIZE": borders.dequantize,
    "EXPAND_DIMS": moves.reshape,
    "FULLY_CONNECTED": dense.fully_connected,
    "HARD_SWISH": unary.hard_swish,
    "LEAKY_RELU": unary.leaky_relu,
    "LOGISTIC": unary.logistic,
    "MAX_POOL_2D": pools.max_pool_2d,
    "MEAN": reduce.mean,
    "MUL": pairs.mul,
    "PAD": moves.pad,
    "PADV2": moves.padv2,
    "QUANTIZE": borders.quantize,
    "RELU": unary.relu,
    "RELU6": unary.relu6,
    "RESHAPE": moves.reshape,
    "RESIZE_NEAREST_NEIGHBOR": moves.resize_nearest_neighbor,
    "SLICE": moves.slice_,
    "SOFTMAX": softmax.softmax,
    "SPLIT": moves.split,
    "SPLIT_V": moves.split_v,
    "SQUEEZE": moves.reshape,
    "STRIDED_SLICE": moves.strided_slice,
    "SUB": pairs.sub,
    "TANH": unary.tanh,
    "TRANSPOSE": moves.transpose,
}


def lowered(graph: Graph, operator: Operator) -> Lowered:
    """What an operator becomes.

    Raises:
        ArtifactError: it, or something about it, is not supported; the message names it, its version and its tensor.
    """
    view = View(graph, operator)
    if operator.kind not in TABLE:
        raise view.wrong("this kind is not supported", f"one of {', '.join(TABLE)}; keep it out of the network")
    return TABLE[operator.kind](view)
