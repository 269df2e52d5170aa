import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samewhy_edge.errors import InputError
from samewhy_edge.lowdiscrepancy import DIMENSIONS, columns_of, directions, scrambled, sequence
from samewhy_edge.plan import words

KEY = (7, 1)
GOLDEN = [[4596516692375703620, 3814160173931773248, 9427726739128409332]]


def plain(count: int, width: int, start: int = 0) -> np.ndarray:
    """Without a scramble, as numbers in [0, 1)."""
    return unit(sequence(directions(width, columns_of(count)), start, count))


def unit(raw: np.ndarray) -> np.ndarray:
    return (raw >> np.uint64(11)) / 2.0**53


def test_the_first_rows_are_those_of_the_definition_by_hand() -> None:
    """Direction numbers 1/2, 1/4, 1/8 | 1/2, 3/4, 5/8 | 1/2, 3/4, 3/8, added in the order of the Gray code."""
    known = [[0, 0, 0], [4, 4, 4], [6, 2, 2], [2, 6, 6], [3, 3, 5], [7, 7, 1], [5, 1, 7], [1, 5, 3]]
    assert (8 * plain(8, 3)).tolist() == known


def test_without_a_scramble_the_sequence_is_that_of_scipy() -> None:
    qmc = pytest.importorskip("scipy.stats.qmc", reason="scipy has the sequence to compare with")
    known = qmc.Sobol(DIMENSIONS, scramble=False, bits=30).random(2**11)
    assert np.array_equal(plain(2**11, DIMENSIONS), known)


def test_far_rows_are_those_of_scipy() -> None:
    qmc = pytest.importorskip("scipy.stats.qmc", reason="scipy has the sequence to compare with")
    known = qmc.Sobol(20, scramble=False, bits=30).fast_forward(2**21 - 9).random(16)
    assert np.array_equal(plain(2**21 + 7, 20, 2**21 - 9), known)


@pytest.mark.parametrize("power", [0, 1, 4, 8])
def test_each_dyadic_interval_of_each_dimension_has_one_of_the_first_rows(power: int) -> None:
    for rows in (plain(2**power, 60), unit(scrambled(KEY, 0, 2**power, 60))):
        cells = np.sort((rows * 2**power).astype(int), axis=0)
        assert (cells == np.arange(2**power)[:, None]).all()


def test_pairs_of_the_first_dimensions_fill_their_squares_also_when_scrambled() -> None:
    """The first two dimensions are a (0, m, 2)-net: 16 points, one in each box of area 1/16 of every proportion."""
    rows = unit(scrambled(KEY, 0, 16, 2))
    for split in range(5):
        boxes = np.floor(rows * [2**split, 2 ** (4 - split)]).astype(int)
        assert len({tuple(box) for box in boxes.tolist()}) == 16


@given(st.integers(0, 90), st.integers(1, 40), st.integers(1, 30))
def test_rows_do_not_depend_on_where_a_batch_starts_and_ends_nor_on_the_width(
    start: int, count: int, width: int
) -> None:
    whole = scrambled(KEY, 0, 130, 30)
    part = scrambled(KEY, start, start + count, width)
    assert part.dtype == np.uint64
    assert part.tobytes() == np.ascontiguousarray(whole[start : start + count, :width]).tobytes()


def test_keys_scramble_differently_and_equal_keys_alike() -> None:
    every = {scrambled((seed, draw), 0, 8, 5).tobytes() for seed, draw in itertools.product(range(4), range(4))}
    assert len(every) == 16
    assert scrambled(KEY, 0, 8, 5).tobytes() == scrambled(KEY, 0, 8, 5).tobytes()


def test_the_bytes_stay_what_they_were() -> None:
    """Made by printing scrambled((7, 1), 5, 6, 3) when sequences were added."""
    assert scrambled(KEY, 5, 6, 3).tolist() == GOLDEN


def test_a_scramble_shares_no_word_with_random_numbers_of_its_key() -> None:
    assert not np.isin(scrambled(KEY, 0, 64, 8), words(KEY, 0, 600, 68)).any()


def test_single_rows_are_uniform_over_keys_in_every_dimension() -> None:
    """Means and squares over 2000 keys, each within 4.5 standard errors; without a shift row 0 would be 0 always."""
    rows = np.array([unit(scrambled((seed, 0), 0, 4, 6)) for seed in range(2000)])
    np.testing.assert_allclose(rows.mean(axis=0), 0.5, rtol=0, atol=4.5 * np.sqrt(1 / 12 / 2000))
    np.testing.assert_allclose((rows**2).mean(axis=0), 1 / 3, rtol=0, atol=4.5 * np.sqrt(4 / 45 / 2000))


def test_the_matrix_scrambles_beyond_a_shift() -> None:
    """A shift alone keeps the bitwise difference of two rows; the matrix changes it with the key."""
    apart = {tuple((np.bitwise_xor(*scrambled((seed, 0), 2, 4, 3))).tolist()) for seed in range(20)}
    assert len(apart) == 20


def test_all_64_bits_are_random() -> None:
    rows = np.array([scrambled((seed, 3), 1, 3, 2) for seed in range(400)])
    bits = (rows[..., None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
    assert np.abs(bits.mean(axis=0) - 0.5).max() < 5 * 0.5 / np.sqrt(400)


def test_a_smooth_integral_is_nearer_than_with_random_numbers_and_unbiased() -> None:
    """Product of (1/2 + x), integral 1, in 6 dimensions with 1024 points, over 40 keys."""
    even, random = (
        np.array([(0.5 + unit(draw((seed, 0), 0, 1024, 6))).prod(axis=1).mean() - 1 for seed in range(40)])
        for draw in (scrambled, words)
    )
    assert np.sqrt((even**2).mean()) < 0.1 * np.sqrt((random**2).mean())
    assert abs(even.mean()) < 4 * even.std() / np.sqrt(40)


@pytest.mark.parametrize("width", [0, DIMENSIONS + 1])
def test_dimensions_without_direction_numbers_are_refused(width: int) -> None:
    with pytest.raises(InputError, match=rf"sequence of {width} dimensions; direction numbers are here for 1 to 512"):
        scrambled(KEY, 0, 4, width)
