import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samewhy_edge.errors import InputError
from samewhy_edge.features import Coalitions
from samewhy_edge.grids import RandomGrids
from samewhy_edge.plan import Each, Plan, Some, Windows, axes_of, digest, weigh
from tests import oracles

WINDOWS = Windows((8, 6), (3, 2), (2, 2), (0, 0))
GRIDS = RandomGrids((8, 6), 20, 3, 0.5, (0, 0))
SERIES = RandomGrids((17,), 20, 4, 0.3, (5, 1))
PLANS: list[Plan] = [WINDOWS, GRIDS, SERIES, Windows((9,), (4,), (3,), (1,))]

# Made once by digest() on x86-64 with numpy 1.26; the masks behind them equal the loops of tests/oracles.py below.
GOLDEN = [
    (WINDOWS, "4831e49f7f54a4d28eaf08be0ef40defcb762bd08f1de681902645ee84575e72"),
    (GRIDS, "3a816c2c7a3ff6582882005a165ae4a4f9df93779b4bd2b123433a58fad3a084"),
    (SERIES, "75d14e7a390cde7bf55d2ca5b0b5ec7fa67a1f832d19d6f842d827863d201252"),
]


def random_grids(**changes: Any) -> RandomGrids:
    return RandomGrids(**{"shape": (8, 6), "count": 20, "grid": 3, "share": 0.5, "key": (0, 0), **changes})


@pytest.mark.parametrize(("plan", "known"), GOLDEN, ids=["windows", "grids", "series"])
def test_digests_stay_what_they_were(plan: Plan, known: str) -> None:
    assert digest(plan) == known


@pytest.mark.parametrize("plan", [WINDOWS, GRIDS], ids=["windows", "grids"])
def test_the_digest_is_the_same_in_another_process(plan: Plan, elsewhere: Callable[[str], str]) -> None:
    lines = f"from samewhy_edge.grids import *; from samewhy_edge.plan import *; print(digest({plan!r}))"
    assert elsewhere(lines) == digest(plan)


@given(st.data(), st.sampled_from(PLANS))
def test_masks_do_not_depend_on_where_a_batch_starts_and_ends(data: st.DataObject, plan: Plan) -> None:
    start = data.draw(st.integers(0, len(plan) - 1))
    stop = data.draw(st.integers(start + 1, len(plan)))
    assert plan.keep(start, stop).tobytes() == plan.keep(0, len(plan))[start:stop].tobytes()


@pytest.mark.parametrize("plan", PLANS, ids=repr)
def test_masks_are_float32_between_hidden_and_shown(plan: Plan) -> None:
    keep = plan.keep(0, len(plan))
    assert keep.dtype == np.float32
    assert keep.shape == (len(plan), *plan.shape)
    assert (keep.min(), keep.max()) == (0, 1)


@pytest.mark.parametrize(
    "other",
    [
        random_grids(key=(1, 0)),
        random_grids(key=(0, 1)),
        random_grids(share=0.4),
        random_grids(grid=2),
        random_grids(count=19),
        random_grids(shape=(6, 8)),
    ],
    ids=["seed", "draw", "share", "grid", "count", "spatial"],
)
def test_a_change_of_any_field_changes_the_digest(other: RandomGrids) -> None:
    assert digest(other) != digest(GRIDS)


def test_swapping_seed_and_draw_is_another_plan() -> None:
    assert digest(random_grids(key=(1, 2))) != digest(random_grids(key=(2, 1)))


def test_equal_plans_have_equal_digests() -> None:
    assert digest(random_grids()) == digest(GRIDS)


def test_the_first_masks_do_not_depend_on_how_many_follow() -> None:
    assert random_grids(count=500).keep(0, 20).tobytes() == GRIDS.keep(0, 20).tobytes()


def test_two_draws_of_a_seed_share_no_mask() -> None:
    first, second = (random_grids(key=(3, draw), shape=(28, 28), grid=7, count=64).keep(0, 64) for draw in (0, 1))
    assert {mask.tobytes() for mask in first}.isdisjoint(mask.tobytes() for mask in second)


def test_masks_of_a_plan_differ_from_each_other() -> None:
    keep = random_grids(shape=(28, 28), grid=7, count=200).keep(0, 200)
    assert len({mask.tobytes() for mask in keep}) == 200


@pytest.mark.parametrize(
    ("spatial", "grid"), [((28, 28), 7), ((28, 28), 8), ((20, 33), 5), ((7, 9), 2), ((17,), 4), ((12, 10), 10)]
)
def test_random_grids_equal_upsampling_by_loops(spatial: tuple[int, ...], grid: int) -> None:
    plan = random_grids(shape=spatial, grid=grid, count=12)
    cells, shifts = plan.drawn(0, 12)
    slow = np.stack([oracles.grid_mask(c, s.tolist(), spatial) for c, s in zip(cells, shifts, strict=True)])
    np.testing.assert_allclose(plan.keep(0, 12), slow, atol=1e-6)


def test_masks_are_whole_numbers_divided_once_so_that_no_machine_rounds_otherwise() -> None:
    plan = random_grids(shape=(28, 30), grid=7, count=16)
    whole = [np.rint(oracles.upsampled_weights(size, 7) * 2 * 8 * math.ceil(size / 7)) for size in plan.shape]
    rows, columns = (weights.astype(np.int64) for weights in whole)
    for mask, cells, (x, y) in zip(plan.keep(0, 16), *plan.drawn(0, 16), strict=True):
        exact = rows[x : x + 28] @ cells.astype(np.int64) @ columns[y : y + 30].T
        assert np.array_equal(mask, (exact / (64 * 80)).astype(np.float32))


@pytest.mark.parametrize(("size", "grid"), [(28, 7), (28, 8), (64, 10), (96, 7), (9, 3)])
def test_random_grids_equal_skimage_resize(size: int, grid: int) -> None:
    transform = pytest.importorskip("skimage.transform")
    plan = random_grids(shape=(size, size), grid=grid, count=8)
    full = (grid + 1) * math.ceil(size / grid)
    for mask, cells, (x, y) in zip(plan.keep(0, 8), *plan.drawn(0, 8), strict=True):
        large = transform.resize(cells, (full, full), order=1, mode="reflect", anti_aliasing=False)
        np.testing.assert_allclose(mask, large[x : x + size, y : y + size], atol=1e-6)


def test_every_shift_within_a_cell_is_drawn_and_no_other() -> None:
    _, shifts = random_grids(shape=(12, 9), count=500).drawn(0, 500)
    assert set(shifts[:, 0]) == {0, 1, 2, 3}
    assert set(shifts[:, 1]) == {0, 1, 2}


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_cells_are_kept_as_often_as_the_share_says(share: float) -> None:
    cells, _ = random_grids(share=share, grid=7, count=2000, shape=(28, 28)).drawn(0, 2000)
    assert set(np.unique(cells)) == {0, 1}
    error = math.sqrt(share * (1 - share) / cells.size)
    assert cells.mean() == pytest.approx(share, abs=4 * error)


def test_coins_of_neighbouring_cells_are_independent() -> None:
    cells, _ = random_grids(grid=7, count=2000, shape=(28, 28)).drawn(0, 2000)
    together = (cells[:, :, :-1] * cells[:, :, 1:]).mean()
    assert together == pytest.approx(0.25, abs=0.008)


@given(st.integers(1, 30), st.data())
def test_windows_are_counted_and_placed_as_captum_does(size: int, data: st.DataObject) -> None:
    window = data.draw(st.integers(1, size))
    stride = data.draw(st.integers(1, window))
    plan = Windows((size,), (window,), (stride,), (0,))
    spans = oracles.captum_spans(size, window, stride)
    assert len(plan) == 1 + math.ceil((size - window) / stride) + 1
    hidden = [np.flatnonzero(mask == 0).tolist() for mask in plan.keep(1, len(plan))]
    assert hidden == [list(span) for span in spans]


def test_windows_of_two_axes_are_every_pair_the_last_axis_first() -> None:
    keep = WINDOWS.keep(1, len(WINDOWS))
    windows = oracles.captum_windows((8, 6), (3, 2), (2, 2))
    assert len(keep) == len(windows) == 4 * 3
    for mask, (rows, columns) in zip(keep, windows, strict=True):
        expected = np.ones((8, 6))
        expected[np.ix_(rows, columns)] = 0
        assert np.array_equal(mask, expected)


def test_the_first_query_of_windows_is_the_whole_sample() -> None:
    assert WINDOWS.keep(0, 1).min() == 1


def test_the_last_window_is_cut_off_by_the_border() -> None:
    last = Windows((8,), (3,), (3,), (0,)).keep(0, 4)[-1]
    assert last.tolist() == [1, 1, 1, 1, 1, 1, 0, 0]


def test_a_window_as_large_as_the_sample_hides_all_of_it_once() -> None:
    assert Windows((5,), (5,), (2,), (0,)).keep(0, 2).tolist() == [[1] * 5, [0] * 5]


def test_an_offset_moves_the_windows_towards_the_origin_and_cuts_the_first() -> None:
    keep = Windows((6,), (4,), (2,), (1,)).keep(1, 4)
    assert [np.flatnonzero(mask == 0).tolist() for mask in keep] == [[0, 1, 2], [1, 2, 3, 4], [3, 4, 5]]


@given(st.integers(1, 24), st.data())
def test_every_position_is_hidden_by_some_window_whatever_the_offset(size: int, data: st.DataObject) -> None:
    window = data.draw(st.integers(1, size))
    stride = data.draw(st.integers(1, window))
    plan = Windows((size,), (window,), (stride,), (data.draw(st.integers(0, stride - 1)),))
    keep = plan.keep(0, len(plan))
    assert keep.min(axis=0).max() == 0
    assert keep[1:].min(axis=1).max() == 0  # and no window is empty


def test_an_offset_is_another_plan() -> None:
    assert digest(Windows((8, 6), (3, 2), (2, 2), (1, 1))) != digest(WINDOWS)


def test_one_size_serves_every_axis() -> None:
    assert axes_of("window", (4,), (8, 6)) == (4, 4)


def test_sizes_may_differ_between_axes() -> None:
    assert axes_of("window", (4, 2), (8, 6)) == (4, 2)


@pytest.mark.parametrize("sizes", [(7,), (9, 1), (0,), (-1, 2), (2, 2, 2), ()])
def test_sizes_that_do_not_fit_are_refused_by_name(sizes: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"^window \[.*\] does not fit spatial axes \[8, 6\]; expected 1 to the size"):
        axes_of("window", sizes, (8, 6))


COALITIONS = Coalitions(np.arange(48).reshape(8, 6) % 5, np.random.default_rng(0).random((20, 5)).astype(np.float32))


@given(st.data(), st.sampled_from([WINDOWS, COALITIONS, Windows((9,), (4,), (3,), (1,))]))
def test_some_queries_of_a_plan_have_its_masks_in_the_order_given(data: st.DataObject, plan: Any) -> None:
    places = np.array(data.draw(st.lists(st.integers(0, len(plan) - 1), min_size=1, max_size=9)))
    some, every = Some(plan, places), plan.keep(0, len(plan))
    assert (len(some), some.shape) == (len(places), plan.shape)
    start = data.draw(st.integers(0, len(places) - 1))
    assert some.keep(start, len(places)).tobytes() == every[places[start:]].tobytes()
    assert plan.at(places).dtype == np.float32


def test_plans_of_samples_have_a_digest_of_their_plans_in_order() -> None:
    each, other = Each((WINDOWS, Windows((8, 6), (3, 2), (2, 2), (1, 1)))), Each((WINDOWS, WINDOWS))
    assert len({digest(each), digest(other), digest(Each(each.plans[::-1])), digest(WINDOWS)}) == 4
    assert digest(Each((WINDOWS, WINDOWS))) == digest(other)
    assert len(each) == len(WINDOWS)


def test_masks_of_channels_have_another_digest_than_masks_of_positions() -> None:
    flat = Coalitions(np.arange(6).reshape(6, 1), np.eye(6, dtype=np.float32))
    assert digest(flat) != digest(Coalitions(np.arange(6), np.eye(6, dtype=np.float32)))


@pytest.mark.parametrize("plan", [WINDOWS, GRIDS, SERIES, COALITIONS], ids=repr)
@pytest.mark.parametrize("hidden", [False, True])
def test_weighing_is_the_sum_over_queries_of_weight_times_mask(plan: Any, hidden: bool) -> None:
    weights = np.random.default_rng(2).normal(size=(3, len(plan)))
    masks = plan.keep(0, len(plan)).astype(np.float64)
    shown = 1 - masks if hidden else masks
    known = np.stack([sum(w * mask for w, mask in zip(row, shown, strict=True)) for row in weights])
    np.testing.assert_allclose(weigh(plan, weights, hidden), known, atol=1e-6)  # 1 - keep is rounded to float32
