"""Whole numbers for real factors, against exact fractions; tables of functions against the functions."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samewhy_bridge import transcendental
from samewhy_bridge.fixed_point import INT32, away_from_zero, divide_by_power, factor, high_product
from samewhy_bridge.operators.reduce import divided

WORDS = st.integers(-INT32 + 1, INT32 - 1)


@given(st.floats(2.0**-30, 2.0**30))
def test_a_factor_is_the_nearest_of_31_bits(real: float) -> None:
    found = factor(real)
    assert 2**30 <= found.value < INT32
    unit = Fraction(2) ** (found.shift - 31)
    assert abs(Fraction(real) - found.value * unit) <= unit / 2


def test_a_factor_that_rounds_up_to_the_next_power_keeps_31_bits() -> None:
    found = factor(math.nextafter(1.0, 0.0))
    assert (found.value, found.shift) == (2**30, 1)


@pytest.mark.parametrize("real", [0.0, 2.0**-33])
def test_what_is_too_small_is_nothing(real: float) -> None:
    assert (factor(real).value, factor(real).shift) == (0, 0)


@given(WORDS, st.integers(0, INT32 - 1))
def test_a_high_product_is_the_nearest_whole_number_and_ties_go_up(first: int, second: int) -> None:
    assert high_product(first, second) == math.floor(Fraction(first * second, INT32) + Fraction(1, 2))


@given(WORDS, st.integers(0, 31))
def test_dividing_by_a_power_rounds_ties_away_from_zero(number: int, exponent: int) -> None:
    exact = Fraction(number, 2**exponent)
    nearest = math.floor(abs(exact) + Fraction(1, 2))
    assert divide_by_power(number, exponent) == (nearest if number >= 0 else -nearest)


@given(st.integers(-(2**22), 2**22), st.floats(2.0**-20, 4.0))
def test_a_scaled_number_is_off_by_less_than_one(number: int, real: float) -> None:
    assert abs(factor(real)(number) - Fraction(number) * Fraction(real)) <= 1


def test_two_roundings_are_not_one() -> None:
    """7/16 is 3.5 eighths, which is rounded to 4 first, and that to 1; at once it would be 0."""
    assert factor(1 / 16)(7) == 1
    assert factor(1 / 16)(-7) == 0
    assert away_from_zero(7 / 16) == 0


@pytest.mark.parametrize(("real", "expected"), [(2.5, 3), (-2.5, -3), (0.49999999999999994, 0), (-0.5, -1)])
def test_ties_go_away_from_zero(real: float, expected: int) -> None:
    assert away_from_zero(real) == expected


@given(st.integers(1, 5000))
def test_a_mean_keeps_as_many_bits_as_its_count_has_and_cuts_the_rest(count: int) -> None:
    whole = factor(1.0)
    found = divided(whole, count)
    assert found.value == math.floor(Fraction(whole.value) * 2 ** (count.bit_length() - 1) / count)
    real = Fraction(found.value) * Fraction(2) ** (found.shift - 31)
    assert 0 <= Fraction(1, count) - real < Fraction(2) ** (found.shift - 31)


@pytest.mark.parametrize("bits", [4, 5])
def test_the_exponential_is_near_the_real_one(bits: int) -> None:
    for real in np.linspace(-(2.0**bits) + 0.01, 0, 400):
        found = transcendental.exp_of_negative(round(float(real) * 2 ** (31 - bits)), bits)
        assert found / 2**31 == pytest.approx(math.exp(real), abs=2e-7)


def test_logistic_and_tanh_are_near_the_real_ones() -> None:
    for real in np.linspace(-15.9, 15.9, 401):
        number = round(float(real) * 2**27)
        assert transcendental.logistic(number, 4) / 2**31 == pytest.approx(1 / (1 + math.exp(-real)), abs=1e-7)
        assert transcendental.tanh(number, 4) / 2**31 == pytest.approx(math.tanh(real), abs=2e-7)
