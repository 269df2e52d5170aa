from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samewhy_edge.errors import InputError
from samewhy_edge.grids import ArrayGrids, Upsampling, sylvester
from samewhy_edge.plan import digest
from samewhy_edge.rise import Rise

SPATIALS = [(9, 7), (12,)]


def array(spatial: tuple[int, ...] = (9, 7), count: int = 64, seed: int = 0, draw: int = 0) -> ArrayGrids:
    return ArrayGrids(spatial, count, 3, (seed, draw))


def levels(plan: ArrayGrids, number: int) -> np.ndarray:
    """Cells of a block as -1 and 1: (block, cells)."""
    kept, _ = plan._draw(number)
    return 2 * kept.reshape(len(kept), -1) - 1


@pytest.mark.parametrize("spatial", SPATIALS)
@pytest.mark.parametrize("number", [0, 1, 5])
def test_a_block_keeps_each_cell_in_half_of_the_queries_and_confounds_no_two(
    spatial: tuple[int, ...], number: int
) -> None:
    plan = array(spatial)
    signs = levels(plan, number)
    assert len(signs) == plan.block
    assert (signs.sum(axis=0) == 0).all()
    assert np.array_equal(signs.T @ signs, plan.block * np.eye(signs.shape[1]))


def test_pairs_of_cells_do_not_leak_into_single_ones() -> None:
    signs = levels(array(), 0)
    assert all((signs[:, a] * signs[:, b] * signs[:, c]).sum() == 0 for a, b, c in combinations(range(9), 3))


@pytest.mark.parametrize("spatial", SPATIALS)
def test_every_mask_of_an_array_is_followed_by_its_complement(spatial: tuple[int, ...]) -> None:
    keep = array(spatial).keep(0, 64)
    np.testing.assert_allclose(keep[::2] + keep[1::2], 1, rtol=0, atol=1e-6)


@given(st.integers(0, 69), st.integers(1, 70))
def test_an_array_does_not_depend_on_where_a_batch_starts_and_ends(start: int, length: int) -> None:
    plan = array(count=70)
    stop = min(start + length, 70)
    assert plan.keep(start, stop).tobytes() == plan.keep(0, 70)[start:stop].tobytes()


def test_arrays_of_another_seed_draw_or_block_are_others() -> None:
    block = array().block
    several = {array(seed=seed, draw=draw).keep(0, block).tobytes() for seed in range(3) for draw in range(2)}
    assert len(several) == 6
    assert array(count=2 * block).keep(block, 2 * block).tobytes() not in several


def test_the_first_masks_of_an_array_do_not_depend_on_their_number() -> None:
    assert np.array_equal(array(count=40).keep(0, 40), array(count=400).keep(0, 40))


def test_the_digest_of_an_array_stays_what_it_was() -> None:
    """Made by printing digest(ArrayGrids((9, 7), 64, 3, (0, 0))) when arrays were added."""
    assert digest(array()) == "a1a81a35eb4c6df9fc991f9ec09a102816b87cca9e9b6f7e43991ceeed235507"


@pytest.mark.parametrize("order", [1, 2, 8, 64])
def test_sylvesters_matrix_is_hadamards(order: int) -> None:
    matrix = sylvester(order)
    assert set(np.unique(matrix)) <= {-1, 1}
    assert np.array_equal(matrix @ matrix.T, order * np.eye(order))
    assert (matrix[:, 0] == 1).all()


def test_the_overlap_is_the_covariance_of_masks_over_all_grids_and_shifts() -> None:
    """Two cells, so that all four grids can be enumerated: Cov = share * (1 - share) * overlap."""
    upsampling = Upsampling((6,), 2)
    grids = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    masks = [upsampling.masks(grids, np.full((4, 1), shift)) for shift in range(upsampling.sizes[0])]
    every = np.concatenate(masks).astype(np.float64)
    np.testing.assert_allclose(np.cov(every.T, bias=True), 0.25 * upsampling.overlap(0), rtol=0, atol=1e-6)


def test_an_array_keeps_half_or_is_refused() -> None:
    with pytest.raises(InputError, match=r"design=array and share=0\.4.*expected share = 0\.5"):
        Rise(share=0.4, design="array").plan((28, 28), 0)
