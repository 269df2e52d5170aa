"""exp, logistic and tanh in whole numbers, on the host alone: the device looks up what comes out.

Numbers are raw fixed point of 32 bits. "Q4" has four bits before the binary point besides the sign, and 27 behind it.

Source: gemmlowp, ``fixedpoint/fixedpoint.h``: Taylor's series around -1/8 and factors exp(-2^k) for the exponential,
three steps of Newton and Raphson for the reciprocal.
"""

import math

from samewhy_bridge.fixed_point import INT32, divide_by_power, high_product

ONE = INT32 - 1  # in Q0, as near to one as it can hold
ONE_IN_Q2 = 1 << 29


def exp_of_negative(number: int, integer_bits: int) -> int:
    """exp of a number that is not positive, in Q(`integer_bits`); the result is in Q0."""
    if number == 0:
        return ONE
    fraction_bits = 31 - integer_bits
    quarter = 1 << (fraction_bits - 2)
    part = (number & (quarter - 1)) - quarter  # in [-1/4, 0); what remains is a whole number of quarters
    remainder = part - number
    result = _exp_near_zero(part << integer_bits)
    for power in range(-2, integer_bits):
        if remainder & (1 << (fraction_bits + power)):
            result = high_product(result, _constant(math.exp(-(2.0**power))))
    return result


def _exp_near_zero(number: int) -> int:
    """exp on [-1/4, 0), Q0 to Q0."""
    eighth, third = _constant(math.exp(-1 / 8)), _constant(1 / 3)
    x = number + (1 << 28)
    square = high_product(x, x)
    fourth = divide_by_power(high_product(square, square), 2)
    higher = divide_by_power(high_product(fourth + high_product(square, x), third) + square, 1)
    return eighth + high_product(eighth, x + higher)


def _constant(real: float) -> int:
    return math.floor(math.ldexp(real, 31) + 0.5)


def half_reciprocal(number: int) -> int:
    """1 / (1 + x) for x in [0, 1) in Q0; the result is in Q2, to be halved by the caller's reading.

    It is ``2 / (1 + x)`` read in Q2.
    """
    half_denominator = (number + ONE + 1) // 2  # both are not negative
    x = _in_q2(48 / 17) + high_product(half_denominator, _in_q2(-32 / 17))
    for _ in range(3):
        rest = ONE_IN_Q2 - high_product(half_denominator, x)
        x += saturated(high_product(x, rest) << 2)
    return x


def _in_q2(real: float) -> int:
    return math.floor(math.ldexp(real, 29) + 0.5)


def saturated(number: int) -> int:
    """Within 32 bits."""
    return max(-INT32, min(number, INT32 - 1))


def logistic(number: int, integer_bits: int) -> int:
    """In Q0, of a number in Q(`integer_bits`)."""
    if number == 0:
        return 1 << 30
    positive = saturated(half_reciprocal(exp_of_negative(-abs(number), integer_bits)) << 1)
    return positive if number > 0 else ONE - positive


def tanh(number: int, integer_bits: int) -> int:
    """In Q0, of a number in Q(`integer_bits`)."""
    if number == 0:
        return 0
    decay = exp_of_negative(-abs(number), integer_bits + 1)  # of twice the number
    result = saturated((half_reciprocal(decay) - ONE_IN_Q2) << 2)
    return result if number > 0 else -result
