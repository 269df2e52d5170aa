"""Scrambled Sobol' sequences: numbers that fill the unit cube more evenly than random ones, and are uniform each.

The first 2^m rows have one point in each of 2^m equal intervals of every dimension. Scrambling keeps that, makes every
row uniform, and makes sequences of different keys independent, so means over them are unbiased.

The direction numbers in joe_kuo_512.npz are the first 512 dimensions of new-joe-kuo-6.21201. Copyright (c) 2008,
Frances Y. Kuo and Stephen Joe, all rights reserved; licence in NOTICE.

Source: Sobol' 1967; Joe & Kuo 2008, SIAM J. Sci. Comput. 30 (direction numbers); Antonov & Saleev 1979 (Gray code);
Matousek 1998, J. Complexity 14 (random linear scrambling with a digital shift).
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.errors import InputError
from samewhy_edge.plan import words

Words = NDArray[np.uint64]

BITS = 64
DIMENSIONS = 512  # of the table of direction numbers
SCRAMBLE = 8  # keeps the words of a scramble apart from those that others draw with the same key


def scrambled(key: tuple[int, int], start: int, stop: int, width: int) -> Words:
    """Rows `start` to `stop` of a scrambled sequence of `width` dimensions, as words: (raw >> 11) / 2**53 is uniform.

    Row i is the same whatever the start and the stop; dimension d is the same whatever the width.

    Raises:
        InputError: more dimensions than there are direction numbers.
    """
    columns, shift = _scramble(key, width, columns_of(stop))
    return sequence(columns, start, stop) ^ shift


def sequence(columns: Words, start: int, stop: int) -> Words:
    """Rows (stop - start, width) in Gray code order, from direction numbers (width, at least the bits of stop - 1)."""
    places = np.arange(start, stop, dtype=np.uint64)
    gray = places ^ (places >> np.uint64(1))
    rows = np.zeros((len(places), len(columns)), np.uint64)
    for bit in range(columns_of(stop)):
        chosen = (gray >> np.uint64(bit)) & np.uint64(1)
        rows ^= chosen[:, None] * columns[:, bit]
    return rows


def columns_of(stop: int) -> int:
    """How many direction numbers the rows below `stop` use."""
    return max(1, (stop - 1).bit_length())


def directions(width: int, count: int) -> Words:
    """The first `count` direction numbers of each dimension, (width, count); the binary point is before bit 63.

    Raises:
        InputError: more dimensions than the table has.
    """
    if not 1 <= width <= DIMENSIONS:
        raise InputError(
            f"a Sobol' sequence of {width} dimensions; direction numbers are here for 1 to {DIMENSIONS}, use fewer "
            "cells or features, or a random design"
        )
    polynomials, initial = _table()
    one_each = (_extended(int(polynomials[d]), initial[d].tolist(), count) for d in range(width))
    return np.array(list(one_each), np.uint64)


def _extended(polynomial: int, initial: list[int], count: int) -> list[int]:
    """Joe & Kuo 2008, equations 2 and 3: initial numbers, then the recurrence of the primitive polynomial."""
    degree = polynomial.bit_length() - 1
    if degree == 0:  # the first dimension has no polynomial: all its numbers are 1
        return [1 << (BITS - 1 - j) for j in range(count)]
    found = [value << (BITS - 1 - j) for j, value in enumerate(initial[: min(degree, count)])]
    for j in range(degree, count):
        value = found[j - degree] ^ (found[j - degree] >> degree)
        for k in range(1, degree):
            value ^= found[j - k] * ((polynomial >> (degree - k)) & 1)
        found.append(value)
    return found


@lru_cache(maxsize=1)
def _table() -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Primitive polynomials (512,) with all their bits, and initial numbers m (512, 13)."""
    with np.load(Path(__file__).with_name("joe_kuo_512.npz"), allow_pickle=False) as table:
        return table["polynomials"], table["initial"]


@lru_cache(maxsize=4)  # a plan makes its rows batch by batch, with one scramble
def _scramble(key: tuple[int, int], width: int, count: int) -> tuple[Words, Words]:
    """Direction numbers times a random lower triangular matrix, (width, count), and a digital shift (width,)."""
    plain, mixed = directions(width, count), np.zeros((width, count), np.uint64)
    raw = words((key[0], key[1] + (SCRAMBLE << 56)), 0, width, BITS + 1)
    for bit in range(count):  # direction number j has its lowest set bit at or above bit 63 - j
        place = np.uint64(BITS - 1 - bit)
        column = (raw[:, bit] >> np.uint64(bit) >> np.uint64(1)) | (np.uint64(1) << place)
        mixed ^= ((plain >> place) & np.uint64(1)) * column[:, None]
    return mixed, raw[:, BITS]
