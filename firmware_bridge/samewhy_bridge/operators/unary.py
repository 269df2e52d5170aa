"""Functions of one code: tables of 256, computed here as the device would compute each entry."""

import math
from collections.abc import Callable

import numpy as np

from samewhy_bridge.calls import Call, Field, Lowered
from samewhy_bridge.fixed_point import INT32, divide_by_power, factor, product, quotient
from samewhy_bridge.graph import Activation, Tensor
from samewhy_bridge.operators.view import HIGH, LOW, View, bounds
from samewhy_bridge.transcendental import logistic as logistic_of
from samewhy_bridge.transcendental import tanh as tanh_of

INTEGER_BITS = 4  # of the input of logistic and tanh


def looked_up(view: View, of: Callable[[int], int], codes: range = range(LOW, HIGH + 1)) -> Lowered:
    """A call that looks up what `of` gives for every code; both are of eight bits, with sign or without."""
    source, output = view.input(0), view.output()
    table = np.zeros(256, np.int8)
    for code in codes:
        table[code % 256] = np.uint8(of(code) % 256).astype(np.int8)
    spec: dict[str, Field] = {"table": table, "elements": source.size}
    return Lowered((Call("lookup", spec, (source.number,), (output.number,)),), over=(source.number,))


def clipped(number: int, low: int = LOW, high: int = HIGH) -> int:
    """Within the ends of the codes."""
    return max(low, min(number, high))


def logistic(view: View) -> Lowered:
    """Source: TFLite Micro, ``CalculateArithmeticOpDataLogistic``; the output's scale is 1/256."""
    source = _source(view, 1 / 256, -128)
    return looked_up(view, _saturating(source, lambda number: divide_by_power(logistic_of(number, 4), 23) + LOW))


def tanh(view: View) -> Lowered:
    """Source: TFLite Micro, ``CalculateArithmeticOpDataTanh``; the output's scale is 1/128."""
    source = _source(view, 1 / 128, 0)
    return looked_up(view, _saturating(source, lambda number: divide_by_power(tanh_of(number, 4), 24)))


def _source(view: View, scale: float, zero_point: int) -> Tensor:
    """The input, where the output has the scale that the format asks for."""
    source, output = view.codes(view.input(0)), view.codes(view.output())
    if (output.scale, output.zero_point) != (scale, zero_point):
        found = f"output scale {output.scale:g} and zero point {output.zero_point}"
        raise view.wrong(found, f"{scale:g} and {zero_point}, as the format asks")
    return source


def _saturating(source: Tensor, of: Callable[[int], int]) -> Callable[[int], int]:
    """`of` takes Q4; codes whose value Q4 cannot hold give the ends."""
    scale = factor(source.scale * 2.0 ** (31 - INTEGER_BITS))
    radius = math.floor(((1 << INTEGER_BITS) - 1) * 2.0 ** (31 - INTEGER_BITS - scale.shift))

    def value(code: int) -> int:
        number = code - source.zero_point
        if abs(number) >= radius:
            return LOW if number < 0 else HIGH
        return clipped(of(scale(number)))

    return value


def relu(view: View) -> Lowered:
    """Rescaled, then cut at zero; the quotient of the scales is rounded to float32.

    Source: TFLite Micro, ``CalculateReluOpData``.
    """
    source, output = view.codes(view.input(0)), view.codes(view.output())
    scale = factor(quotient(source.scale, output.scale))
    low, high = bounds(Activation.RELU, output.scale, output.zero_point)
    return looked_up(view, lambda code: clipped(scale(code - source.zero_point) + output.zero_point, low, high))


def relu6(view: View) -> Lowered:
    """Codes are cut as they are, in the scale of the input.

    Source: TFLite Micro, ``Relu6Prepare``.
    """
    source, output = view.codes(view.input(0)), view.codes(view.output())
    view.same_steps(source, output)
    low, high = bounds(Activation.RELU6, source.scale, source.zero_point)
    return looked_up(view, lambda code: clipped(code, low, high))


def leaky_relu(view: View) -> Lowered:
    """Two factors, formed in float32: one above zero, one below.

    Source: TFLite Micro, ``CalculateOpDataLeakyRelu``.
    """
    source, output = view.codes(view.input(0)), view.codes(view.output())
    above = factor(quotient(source.scale, output.scale))
    below = factor(quotient(product(source.scale, view.option("alpha")), output.scale))

    def value(code: int) -> int:
        number = code - source.zero_point
        return clipped((above if number >= 0 else below)(number) + output.zero_point)

    return looked_up(view, value)


def requantize(view: View) -> Lowered:
    """Of eight bits to eight bits, with sign or without."""
    source, output = view.input(0), view.output()
    scale = factor(source.scale / output.scale)
    ends = [np.iinfo(tensor.dtype) for tensor in (source, output)]

    def value(code: int) -> int:
        return clipped(scale(code - source.zero_point) + output.zero_point, int(ends[1].min), int(ends[1].max))

    return looked_up(view, value, range(int(ends[0].min), int(ends[0].max) + 1))


def hard_swish(view: View) -> Lowered:
    """x * relu6(x + 3) / 6 in 16 bits, with one product that is cut instead of rounded.

    Source: TFLite Micro, ``HardSwishPrepare``; TFLite, ``reference_ops::HardSwish``.
    """
    source, output = view.codes(view.input(0)), view.codes(view.output())
    fine = product(1 / 128, source.scale)  # seven more bits
    out, out_shift = _sixteen_bits(quotient(fine, output.scale))
    gate, gate_shift = _sixteen_bits(quotient(fine, quotient(3.0, 32768.0)))
    if out_shift > 0:
        raise view.wrong(f"output scale {output.scale:g} beside the input's {source.scale:g}", "at least a 128th of it")

    def value(code: int) -> int:
        number = (code - source.zero_point) << 7
        scaled = _high_product(number, out)
        open_by = _high_product(_shifted(number, gate_shift - 1) if gate_shift > 0 else number, gate)
        open_by = _shifted(open_by, 1) if gate_shift > 0 else divide_by_power(open_by, -gate_shift)
        share = (open_by + (1 << 15)) >> 1
        cut = min(abs(share * scaled) >> 15, 2**15 - 1) * (1 if scaled > 0 else -1)  # towards zero
        return clipped(divide_by_power(cut, -out_shift) + output.zero_point)

    return looked_up(view, value)


def _sixteen_bits(real: float) -> tuple[int, int]:
    found = factor(real)
    rounded = 2**15 - 1 if found.value >= INT32 - 2**15 else (found.value + 2**15) >> 16
    return rounded, found.shift


def _high_product(first: int, second: int) -> int:
    """``first * second / 2^15``, the nearest; ties go up."""
    return min((first * second + 2**14) >> 15, 2**15 - 1)


def _shifted(number: int, bits: int) -> int:
    return max(-(2**15), min(number << bits, 2**15 - 1))
