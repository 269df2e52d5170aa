"""Real factors as whole numbers: what TFLite Micro computes when it loads a file, computed when C is generated.

A factor is held as ``value * 2^(shift - 31)``. Scales in the file are float32; whether they are widened before they are
multiplied is part of the rule, and said where a factor is made.

Source: TFLite 8-bit quantization specification; gemmlowp, ``doc/quantization.md`` (double rounding).
"""

import math
from dataclasses import dataclass
from typing import final

import numpy as np

INT32 = 2**31


@final
@dataclass(frozen=True, slots=True)
class Factor:
    """``value * 2^(shift - 31)``, with the size of `value` in [2^30, 2^31), or 0."""

    value: int
    shift: int

    def __call__(self, number: int) -> int:
        """The product, rounded twice: to the high word (ties up), then to the right (ties away from zero)."""
        return divide_by_power(high_product(number << max(self.shift, 0), self.value), max(-self.shift, 0))


def factor(real: float) -> Factor:
    """The nearest factor of a real number; 0 below 2^-32."""
    fraction, shift = math.frexp(real)
    value = away_from_zero(math.ldexp(fraction, 31))
    if value == INT32:
        value, shift = value // 2, shift + 1
    return Factor(0, 0) if shift < -31 else Factor(value, shift)


def away_from_zero(real: float) -> int:
    """The nearest whole number; ties go away from zero."""
    whole = math.floor(abs(real))
    whole += abs(real) - whole >= 0.5  # adding a half first would round the largest float below a half up
    return int(math.copysign(whole, real))


def high_product(first: int, second: int) -> int:
    """``first * second / 2^31``, the nearest whole number, saturated to 32 bits; ties go up."""
    return min((first * second + 2**30) >> 31, INT32 - 1)


def divide_by_power(number: int, exponent: int) -> int:
    """``number / 2^exponent``, the nearest whole number; ties go away from zero."""
    rest = number & ((1 << exponent) - 1)
    threshold = (((1 << exponent) - 1) >> 1) + (number < 0)
    return (number >> exponent) + (rest > threshold)


def quotient(first: float, second: float) -> float:
    """Of two float32, rounded to float32."""
    return float(np.float32(first) / np.float32(second))


def product(first: float, second: float) -> float:
    """Of two float32, rounded to float32."""
    return float(np.float32(first) * np.float32(second))
