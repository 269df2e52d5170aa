import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samewhy_edge.errors import InputError
from samewhy_edge.grids import (
    ArrayGrids,
    Border,
    Convention,
    Part,
    RandomGrids,
    SobolGrids,
    Upsampling,
    linear_weights,
    sylvester,
)
from samewhy_edge.plan import digest
from samewhy_edge.rise import Rise
from tests import oracles

SPATIALS = [(9, 7), (12,)]


def array(spatial: tuple[int, ...] = (9, 7), count: int = 64, seed: int = 0, draw: int = 0) -> ArrayGrids:
    return ArrayGrids(spatial, count, 3, (seed, draw))


def levels(plan: ArrayGrids, number: int) -> np.ndarray:
    """Cells of a block as -1 and 1: (block, cells)."""
    kept, _ = plan._block(number)
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
        Rise(share=0.4, design="array").plan((28, 28, 1), 0)


def sobol(count: int = 96, share: float = 0.5, seed: int = 0, draw: int = 0) -> SobolGrids:
    return SobolGrids((9, 7), count, 3, share, (seed, draw))


@pytest.mark.parametrize("share", [0.25, 0.5, 0.8])
@pytest.mark.parametrize("number", [0, 2])
def test_a_block_of_a_sequence_keeps_each_cell_as_often_as_the_share_says(share: float, number: int) -> None:
    plan = sobol(share=share)
    kept, shifts = plan.drawn(32 * number, 32 * number + 32)
    assert plan.block == 32
    assert set(np.unique(kept)) == {0, 1}
    assert np.abs(kept.sum(axis=0) - 32 * share).max() < 1
    for axis, count in enumerate(plan.upsampling.shifts):
        assert np.abs(np.bincount(shifts[:, axis], minlength=count) - 32 / count).max() <= 1


def test_random_cells_and_remainders_would_not_be_as_even() -> None:
    kept, _ = RandomGrids((9, 7), 32, 3, 0.5, (0, 0)).drawn(0, 32)
    assert np.abs(kept.sum(axis=0) - 16).max() > 1


@given(st.integers(0, 95), st.integers(1, 96))
def test_a_sequence_does_not_depend_on_where_a_batch_starts_and_ends(start: int, length: int) -> None:
    plan, stop = sobol(), min(start + length, 96)
    assert plan.keep(start, stop).tobytes() == plan.keep(0, 96)[start:stop].tobytes()
    assert np.array_equal(sobol(400).keep(start, stop), plan.keep(start, stop))


def test_sequences_of_another_seed_draw_or_block_are_others() -> None:
    several = {sobol(seed=seed, draw=draw).keep(0, 32).tobytes() for seed in range(3) for draw in range(2)}
    blocks = {sobol().keep(first, first + 32).tobytes() for first in (0, 32, 64)}
    assert len(several) == 6
    assert len(blocks) == 3


def test_the_digest_of_a_sequence_stays_what_it_was() -> None:
    """Made by printing digest(SobolGrids((9, 7), 96, 3, 0.5, (0, 0))) when sequences were added."""
    assert digest(sobol()) == "3fff5b208addde902e019a4ac76bb012d7188ce6c0662046cba18742afc4003b"


def test_masks_of_a_sequence_average_to_the_share_over_seeds() -> None:
    """Each mask alone is distributed as a random one: mask 5 over 600 seeds, within 4.5 standard errors."""
    keep = np.array([sobol(share=0.3, seed=seed).keep(5, 6)[0] for seed in range(600)])
    error = keep.std(axis=0) / math.sqrt(600)
    assert (np.abs(keep.mean(axis=0) - 0.3) < 4.5 * error).all()


def test_a_map_of_a_sequence_is_nearer_to_all_masks_than_one_of_random_masks() -> None:
    weights = np.random.default_rng(1).normal(size=(9, 7))
    error = {}
    for design in ("random", "sobol"):
        explainer = Rise(64, 3, 0.5, "centred", 0.0, design)  # type: ignore[arg-type]
        maps = []
        for seed in range(40):
            plan = explainer.plan((9, 7, 1), seed)
            scores = np.tensordot(plan.keep(0, 64), weights, 2).astype(np.float32)[None]
            maps.append(explainer.estimate(plan, scores)[0])
        error[design] = np.std(maps, axis=0).mean()
    assert error["sobol"] < 0.75 * error["random"]


def test_grids_of_more_cells_than_there_are_direction_numbers_are_refused() -> None:
    with pytest.raises(InputError, match=r"design=sobol and grid=23; 531 cells and shifts, expected at most 512"):
        Rise(grid=23, design="sobol").plan((46, 46, 1), 0)
    assert len(Rise(grid=22, design="sobol").plan((44, 44, 1), 0).keep(0, 2)) == 2


def clamped_weights(full: int, grid: int) -> np.ndarray:
    """Linear weights by a loop over the definition; beyond the border is the last cell."""
    weights = np.zeros((full, grid))
    for i in range(full):
        coordinate = (i + 0.5) * grid / full - 0.5
        below = math.floor(coordinate)
        weights[i, min(max(below, 0), grid - 1)] += 1 - (coordinate - below)
        weights[i, min(max(below + 1, 0), grid - 1)] += coordinate - below
    return weights


@pytest.mark.parametrize(("full", "grid"), [(32, 7), (8, 2), (13, 5), (21, 3), (9, 8)])
def test_weights_are_whole_numbers_and_clamp_or_mirror_at_the_border(full: int, grid: int) -> None:
    clamped, mirrored = (linear_weights(full, grid, border) for border in ("clamp", "mirror"))
    for weights in (clamped, mirrored):
        assert np.array_equal(weights, np.rint(weights))
        assert (weights.sum(axis=1) == 2 * full).all()
    np.testing.assert_allclose(clamped / (2 * full), clamped_weights(full, grid), atol=1e-6)
    assert np.abs(clamped - mirrored).max() > 0.1 * full


def test_clamped_masks_are_the_upsampled_cells_from_the_shift_on() -> None:
    plan = RandomGrids((9, 7), 12, 3, 0.5, (0, 0), "clamp")
    for mask, cells, (x, y) in zip(plan.keep(0, 12), *plan.drawn(0, 12), strict=True):
        rows, columns = clamped_weights(12, 3)[x : x + 9], clamped_weights(12, 3)[y : y + 7]
        np.testing.assert_allclose(mask, rows @ cells @ columns.T, atol=1e-6)


def test_the_border_changes_masks_and_nothing_else() -> None:
    clamp, mirror = (RandomGrids((28, 28), 40, 7, 0.5, (0, 0), border) for border in ("clamp", "mirror"))
    apart = np.abs(clamp.keep(0, 40) - mirror.keep(0, 40)).max(axis=0)
    assert apart.max() > 0.4
    assert apart[4:24, 4:24].max() == 0


@pytest.mark.parametrize("border", ["mirror", "clamp"])
@pytest.mark.parametrize("convention", ["rise", "xplique", "torchray"])
def test_the_overlap_is_the_covariance_of_masks_for_every_border_and_convention(
    border: Border, convention: Convention
) -> None:
    upsampling = Upsampling((8,), 2, border, convention)
    grids = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    masks = [upsampling.masks(grids, np.full((4, 1), shift)) for shift in range(upsampling.shifts[0])]
    every = np.concatenate(masks).astype(np.float64)
    np.testing.assert_allclose(np.cov(every.T, bias=True), 0.25 * upsampling.overlap(0), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("convention", "fulls", "shifts"),
    # 28 / 7 -> C = 4: 8 * 4 | int(28 * 8 / 7), 0 to 4 | 7 * ceil(32 / 7); 33 / 7 -> C = 5: 8 * 5 | 37, 0 to 4 | 7 * 6
    [("rise", [32, 40], [4, 5]), ("xplique", [32, 37], [5, 5]), ("torchray", [35, 42], [4, 5])],
)
def test_conventions_stretch_the_grid_as_their_libraries_do(
    convention: Convention, fulls: list[int], shifts: list[int]
) -> None:
    upsampling = Upsampling((28, 33), 7, "mirror", convention)
    assert upsampling._fulls == fulls
    assert upsampling.shifts == shifts


@pytest.mark.parametrize("convention", ["rise", "xplique", "torchray"])
@pytest.mark.parametrize("spatial", [(28, 28), (9, 7), (12,), (3, 3)])
def test_every_shift_of_every_convention_stays_within_the_stretched_grid(
    convention: Convention, spatial: tuple[int, ...]
) -> None:
    upsampling = Upsampling(spatial, 3, "clamp", convention)
    last = np.array([[count - 1 for count in upsampling.shifts]])
    whole = upsampling.masks(np.ones((1, *[3] * len(spatial)), np.float32), last)
    assert whole.shape == (1, *spatial)
    assert (whole == 1).all()


def test_mirrored_masks_of_any_convention_are_exact() -> None:
    """TorchRay's masks by a loop: a cell is ceil((28 + 4) / 7) = 5 positions."""
    plan = RandomGrids((28, 28), 6, 7, 0.5, (0, 0), "mirror", "torchray")
    weights = np.zeros((35, 7))
    for i in range(35):
        coordinate = (i + 0.5) / 5 - 0.5
        below = math.floor(coordinate)
        weights[i, oracles.mirrored(below, 7)] += 1 - (coordinate - below)
        weights[i, oracles.mirrored(below + 1, 7)] += coordinate - below
    for mask, cells, (x, y) in zip(plan.keep(0, 6), *plan.drawn(0, 6), strict=True):
        np.testing.assert_allclose(mask, weights[x : x + 28] @ cells @ weights[y : y + 28].T, atol=1e-6)


@pytest.mark.parametrize("spatial", SPATIALS)
@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("kind", ["random", "sobol", "array", "pairs", "xplique", "part"])
def test_weighing_without_masks_is_weighing_masks(kind: str, hidden: bool, spatial: tuple[int, ...]) -> None:
    plan = {
        "random": RandomGrids(spatial, 45, 3, 0.3, (1, 0)),
        "sobol": SobolGrids(spatial, 45, 3, 0.3, (1, 0)),
        "array": ArrayGrids(spatial, 45, 3, (1, 0)),
        "pairs": ArrayGrids(spatial, 45, 3, (1, 0), shifting="pair"),
        "xplique": RandomGrids(spatial, 45, 3, 0.5, (1, 0), "clamp", "xplique"),
        "part": Part(ArrayGrids(spatial, 45, 3, (1, 0)), np.array([2, 3, 8, 9, 40])),
    }[kind]
    weights, masks = np.random.default_rng(0).normal(size=(2, len(plan))), plan.keep(0, len(plan)).astype(np.float64)
    known = np.tensordot(weights, 1 - masks if hidden else masks, axes=1)
    np.testing.assert_allclose(plan.weigh(weights, hidden), known, atol=1e-5)
