import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samewhy_edge.arrays import Samples, Scores
from samewhy_edge.errors import InputError
from samewhy_edge.features import Coalitions
from samewhy_edge.plan import digest
from samewhy_edge.query import ask
from samewhy_edge.subsets import Infidelity, SensitivityN, SetCorrelation, drawn, random_sets, size_of, tossed, worth
from tests import oracles
from tests.worlds import Additive, Constant, additive

BHATT = SetCorrelation(60, grid=None, sets="fixed", correlation="pearson")
XPLIQUE = SetCorrelation(60)
SENSITIVITY = SensitivityN(draws=40)
HOWS = [
    pytest.param(how, id=name)
    for name, how in {
        "sensitivity-n": SENSITIVITY,
        "mu-fidelity": XPLIQUE,
        "faithfulness-correlation": BHATT,
        "infidelity": Infidelity(60),
        "infidelity-scaled": Infidelity(60, scaled=True),
    }.items()
]


def noise(*shape: int, seed: int = 3) -> Any:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def found(how: Any, world: Any, sample: Any, one: Any, target: int = 0) -> float:
    plan = how.plan(one, 0)
    return float(how.value(one, plan, ask(world, sample[None], plan, how.fill)[0, :, target]))


def slow_worth(world: Any, sample: Any, one: Any, plan: Any, target: int = 0) -> tuple[list[float], list[float]]:
    """A sum over hidden positions and a fall of the score for each set, a set at a time."""
    given, fallen = [], []
    for row in range(1, len(plan)):
        keep = plan.keep(row, row + 1)[0]
        hidden = sample.copy()
        hidden[keep == 0] = 0
        given.append(sum(float(value) for value in one[keep == 0]))
        fallen.append(float(world(sample[None])[0, target]) - float(world(hidden[None])[0, target]))
    return given, fallen


class Product:
    """Not additive: the product of the sums of two halves."""

    def __call__(self, samples: Samples, /) -> Scores:
        flat = samples.reshape(len(samples), -1).astype(np.float64)
        half = flat.shape[1] // 2
        return (flat[:, :half].sum(axis=1) * flat[:, half:].sum(axis=1))[:, None].astype(np.float32)


@pytest.mark.parametrize("spatial", [(6, 5), (31,)])
def test_sensitivity_n_of_the_exact_map_of_a_linear_model_is_one_for_every_n(spatial: tuple[int, ...]) -> None:
    world, sample = additive(*spatial, 2, offset=4.0), noise(*spatial, 2)
    one = world.shares(sample, 0)
    plan = SENSITIVITY.plan(one, 0)
    scores = ask(world, sample[None], plan)[0, :, 0]
    assert SENSITIVITY.by_size(one, plan, scores) == pytest.approx([1] * 6, abs=1e-5)
    assert SENSITIVITY.value(one, plan, scores) == pytest.approx(1, abs=1e-5)
    assert SENSITIVITY.value(-one, plan, scores) == pytest.approx(-1, abs=1e-5)


def test_sensitivity_n_equals_its_loops_within_the_sample() -> None:
    how, sample, one = SensitivityN((0.1, 0.5), 20), noise(6, 5, 1), noise(6, 5, seed=9)
    plan = how.plan(one, 0)
    given, fallen = slow_worth(Product(), sample, one, plan)
    slow = [oracles.correlation(np.array(given[at : at + 20]), np.array(fallen[at : at + 20])) for at in (0, 20)]
    scores = ask(Product(), sample[None], plan)[0, :, 0]
    assert how.by_size(one, plan, scores) == pytest.approx(slow, abs=1e-5)
    assert how.value(one, plan, scores) == pytest.approx(np.mean(slow), abs=1e-5)


def test_sensitivity_n_hides_n_positions_at_a_time_and_differently_each_time() -> None:
    """One deterministic order, as a library has, would hide nested sets."""
    plan = SensitivityN((0.1, 0.5), 30).plan(noise(10, 10), 0)
    hidden = 100 - plan.keep(0, len(plan)).reshape(len(plan), -1).sum(axis=1)
    assert hidden.tolist() == [0] + [10] * 30 + [50] * 30
    assert len(np.unique(plan.masks, axis=0)) == 61


def test_a_batch_and_its_samples_alone_have_the_same_values() -> None:
    """A correlation across samples would not."""
    how, one = SENSITIVITY, noise(6, 5, seed=9)
    samples, plan = noise(3, 6, 5, 1), SENSITIVITY.plan(one, 0)
    together = ask(Product(), samples, plan)[:, :, 0]
    alone = [ask(Product(), sample[None], plan)[0, :, 0] for sample in samples]
    assert [how.value(one, plan, row) for row in together] == [how.value(one, plan, row) for row in alone]


def test_a_size_without_any_correlation_leaves_none() -> None:
    """A mean over the other sizes would not compare with that of another rung."""
    how, one = SensitivityN((0.1, 0.5), 10), noise(6, 5)
    scores = np.concatenate([np.ones(11), np.arange(10)]).astype(np.float32)
    plan = how.plan(one, 0)
    assert np.isnan(how.by_size(one, plan, scores)).tolist() == [True, False]
    assert math.isnan(how.value(one, plan, scores))


@pytest.mark.parametrize("how", [XPLIQUE, BHATT])
@pytest.mark.parametrize("spatial", [(10, 12), (31,)])
def test_fidelity_of_a_sum_is_one_to_the_sample_and_minus_one_to_its_opposite(
    how: SetCorrelation, spatial: tuple[int, ...]
) -> None:
    sample = noise(*spatial, 1)
    world, one = Additive(np.ones((1, *spatial, 1), np.float32)), sample[..., 0]
    # Spearman of float32 scores: pairs that rounding swaps cost a little
    assert found(how, world, sample, one) == pytest.approx(1, abs=1e-3)
    assert found(how, world, sample, -one) == pytest.approx(-1, abs=1e-3)


@pytest.mark.parametrize(("how", "slow"), [(XPLIQUE, oracles.spearman), (BHATT, oracles.correlation)])
def test_fidelity_equals_its_loops(how: SetCorrelation, slow: Any) -> None:
    sample, one = noise(11, 10, 1), noise(11, 10, seed=9)
    both = slow_worth(Product(), sample, one, how.plan(one, 0))
    known = slow(*(np.array(each, np.float32) for each in both))
    assert found(how, Product(), sample, one) == pytest.approx(known, abs=2e-3)


def test_spearman_and_pearson_are_two_conventions() -> None:
    sample, one = noise(11, 10, 1), noise(11, 10, seed=9)
    ranked, linear = (SetCorrelation(60, correlation=name) for name in ("spearman", "pearson"))
    assert abs(found(ranked, Product(), sample, one) - found(linear, Product(), sample, one)) > 1e-3


@pytest.mark.parametrize("spatial", [(6, 5), (31,)])
@pytest.mark.parametrize("how", [Infidelity(60), Infidelity(60, grid=None), Infidelity(60, sets="fixed", scaled=True)])
def test_the_exact_map_of_a_linear_model_has_no_infidelity(spatial: tuple[int, ...], how: Infidelity) -> None:
    world, sample = additive(*spatial, 2, offset=4.0), noise(*spatial, 2)
    assert found(how, world, sample, world.shares(sample, 0)) == pytest.approx(0, abs=1e-8)


def test_infidelity_is_measured_from_the_background() -> None:
    world, sample = additive(6, 5, 1), noise(6, 5, 1)
    one, how = world.shares(sample, 0, fill=0.75), Infidelity(60, fill=0.75)
    assert found(how, world, sample, one) == pytest.approx(0, abs=1e-8)
    assert found(Infidelity(60), world, sample, one) > 0.1


def test_infidelity_equals_its_loops_and_beta_its_closed_form() -> None:
    sample, one = noise(6, 5, 1), noise(6, 5, seed=9)
    given, fallen = slow_worth(Product(), sample, one, Infidelity(60).plan(one, 0))
    slow = sum((a - b) ** 2 for a, b in zip(given, fallen, strict=True)) / 60
    assert found(Infidelity(60), Product(), sample, one) == pytest.approx(slow, rel=1e-4)
    beta = sum(a * b for a, b in zip(given, fallen, strict=True)) / sum(a * a for a in given)
    slow = sum((beta * a - b) ** 2 for a, b in zip(given, fallen, strict=True)) / 60
    assert found(Infidelity(60, scaled=True), Product(), sample, one) == pytest.approx(slow, rel=1e-4)


def test_infidelity_sees_the_scale_of_a_map_unless_scaled() -> None:
    sample, one = noise(6, 5, 1), noise(6, 5, seed=9)
    plain, scaled = Infidelity(60), Infidelity(60, scaled=True)
    assert found(plain, Product(), sample, 4 * one) > 2 * found(plain, Product(), sample, one)
    assert found(scaled, Product(), sample, 4 * one) == pytest.approx(found(scaled, Product(), sample, one), rel=1e-6)
    assert found(scaled, Product(), sample, one) <= found(plain, Product(), sample, one)


def test_a_scaled_map_that_gives_nothing_to_any_set_has_no_beta() -> None:
    how = Infidelity(60, grid=2, scaled=True)
    one = np.array([[1, -1], [-1, 1]], np.float32).repeat(2, 0).repeat(2, 1)
    one[::2] *= -1  # every cell sums to 0
    assert math.isnan(found(how, additive(4, 4, 1), noise(4, 4, 1), one))


@pytest.mark.parametrize("how", [SENSITIVITY, XPLIQUE, BHATT])
def test_a_predictor_that_never_changes_is_correlated_with_nothing(how: Any) -> None:
    """Xplique makes 0 of it, which is the value of a map that is wrong."""
    assert math.isnan(found(how, Constant(), noise(10, 12, 1), noise(10, 12)))


@pytest.mark.parametrize("how", [SENSITIVITY, XPLIQUE, BHATT, Infidelity(60, scaled=True)])
def test_positive_scale_of_the_map_changes_nothing(how: Any) -> None:
    sample, one = noise(10, 12, 1), noise(10, 12, seed=9)
    assert found(how, Product(), sample, 4 * one) == pytest.approx(found(how, Product(), sample, one), abs=1e-9)


def test_an_offset_of_the_map_changes_nothing_where_all_sets_have_one_size() -> None:
    sample, one = noise(10, 12, 1), noise(10, 12, seed=9)
    for how in (SENSITIVITY, BHATT):
        assert found(how, Product(), sample, one + 1) == pytest.approx(found(how, Product(), sample, one), abs=1e-5)
    assert abs(found(XPLIQUE, Product(), sample, one + 1) - found(XPLIQUE, Product(), sample, one)) > 0.01


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("shape", [(28, 28), (7, 11), (31,), (6, 2)])
def test_the_bill_is_the_plan_and_any_shape_will_do(how: Any, shape: tuple[int, ...]) -> None:
    one = noise(*shape)
    plan = how.plan(one, 0)
    assert how.queries(shape) == len(plan)
    assert plan.shape == shape
    assert (plan.keep(0, 1) == 1).all()


@pytest.mark.parametrize("how", HOWS)
def test_sets_come_from_the_seed_alone(how: Any) -> None:
    first, same, other = how.plan(noise(9, 9), 0), how.plan(noise(9, 9, seed=5), 0), how.plan(noise(9, 9), 1)
    assert first is same
    assert digest(first) != digest(other)


@given(st.integers(2, 40), st.integers(2, 30), st.data())
def test_sets_of_a_fixed_size_have_it_and_the_first_do_not_depend_on_how_many_follow(
    draws: int, features: int, data: st.DataObject
) -> None:
    size = data.draw(st.integers(1, features - 1))
    sets = drawn(draws, features, size, 7)
    assert ((sets == 0).sum(axis=1) == size).all()
    assert sets[:2].tobytes() == drawn(2, features, size, 7).tobytes()


def test_every_set_of_a_size_is_as_likely() -> None:
    sets, counts = np.unique(drawn(4000, 4, 2, 0), axis=0, return_counts=True)
    assert len(sets) == 6
    assert counts == pytest.approx([4000 / 6] * 6, rel=0.15)


def test_coins_hide_their_share() -> None:
    sets = tossed(500, 81, 0.2, 0)
    assert 1 - sets.mean() == pytest.approx(0.2, abs=0.01)
    assert len(np.unique((sets == 0).sum(axis=1))) > 10  # not a fixed size
    assert np.abs(np.corrcoef(sets[:, :10].T) - np.eye(10)).max() < 0.2


@pytest.mark.parametrize(("share", "count", "size"), [(0.2, 100, 20), (0.001, 100, 1), (0.999, 10, 9)])
def test_a_size_is_neither_none_nor_all(share: float, count: int, size: int) -> None:
    assert size_of(share, count) == size


def test_sets_of_cells_hide_whole_cells() -> None:
    plan = random_sets((8, 9), 40, 0.5, 2, "fixed", 0)
    hidden = 1 - plan.keep(1, 41)
    assert np.array_equal(hidden[:, :4, :5], hidden[:, :1, :1] * np.ones((1, 4, 5)))
    assert set(hidden.reshape(40, -1).sum(axis=1)) <= {20 + 20, 20 + 16, 16 + 16}


def test_a_grid_is_no_finer_than_the_map() -> None:
    for shape, features in (((5, 3), 15), ((28, 28), 81), ((20,), 9)):
        plan = random_sets(shape, 10, 0.2, 9, "coins", 0)
        assert isinstance(plan, Coalitions)
        assert plan.chosen.shape == (11, features)


def test_worth_is_the_sum_of_what_is_hidden_and_the_fall() -> None:
    plan = Coalitions(np.array([0, 0, 1]), np.array([[1, 1], [0, 1], [1, 0]], np.float32))
    given, fallen = worth(np.array([1, 2, 4], np.float32), plan, np.array([9, 5, 7], np.float32))
    assert given.tolist() == [3, 4]
    assert fallen.tolist() == [4, 2]


@pytest.mark.parametrize(
    "how",
    [SensitivityN(draws=1), SensitivityN(()), SensitivityN((0.5, 1.0)), SetCorrelation(share=0), Infidelity(grid=0)],
)
def test_settings_that_draw_nothing_to_compare_are_refused(how: Any) -> None:
    with pytest.raises(InputError, match="expected at least 2 draws, shares between 0 and 1, and a grid of at least 1"):
        how.plan(noise(6, 5), 0)
