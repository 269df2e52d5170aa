import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samewhy_edge.confidence import Confidence
from samewhy_edge.errors import InputError
from samewhy_edge.plan import digest
from samewhy_edge.query import ask
from samewhy_edge.shown import Shown
from tests.worlds import Recording, additive

DROP, INCREASE, GAIN = Confidence("drop"), Confidence("increase"), Confidence("gain")
ONE = np.array([[1, 0], [-1, 0.5]], np.float32)


def value(how: Confidence, y: float, o: float) -> float:
    return how.value(ONE, how.plan(ONE, 0), np.array([y, o], np.float32))


@pytest.mark.parametrize(
    ("y", "o", "drop", "increase", "gain"),
    [(0.5, 0.25, 0.5, 0, 0), (0.5, 0.75, 0, 1, 0.5), (0.5, 0.5, 0, 0, 0), (0.25, 0, 1, 0, 0), (0.0, 1.0, None, 1, 1)],
)
def test_known_values(y: float, o: float, drop: float | None, increase: int, gain: float) -> None:
    assert value(INCREASE, y, o) == increase
    assert value(GAIN, y, o) == gain
    assert math.isnan(value(DROP, y, o)) if drop is None else value(DROP, y, o) == drop


def test_what_would_be_divided_by_nothing_is_undefined() -> None:
    assert math.isnan(value(DROP, 0, 0))
    assert math.isnan(value(GAIN, 1, 1))
    assert value(DROP, 1, 1) == 0


def test_the_drop_is_a_share_of_the_samples_own_probability() -> None:
    """The absolute drop, as a library has it, would be 0.01."""
    assert value(DROP, 0.02, 0.01) == pytest.approx(0.5)


@pytest.mark.parametrize("how", [DROP, INCREASE, GAIN])
@pytest.mark.parametrize("scores", [(3.2, 0.5), (0.5, -0.1)])
def test_logits_are_refused(how: Confidence, scores: tuple[float, float]) -> None:
    with pytest.raises(InputError, match="expected probabilities: take a softmax"):
        value(how, *scores)


def test_the_mask_is_the_signed_map_stretched() -> None:
    """Absolute values first, as a library has it, would show what speaks against the target."""
    plan = DROP.plan(ONE, 0)
    assert plan.keep(0, 2).tolist() == [[[1, 1], [1, 1]], [[1, 0.5], [0, 0.75]]]


def test_the_sample_is_blended_with_the_background_under_its_map() -> None:
    sample = np.array([[[4], [4]], [[4], [4]]], np.float32)
    world = Recording(additive(2, 2, 1))
    ask(world, sample[None], DROP.plan(ONE, 0), fill=2.0)
    assert world.asked[0][1, ..., 0].tolist() == [[4, 3], [2, 3.5]]


@given(st.sampled_from([DROP, INCREASE, GAIN]), st.floats(0.125, 8), st.integers(-3, 3))
def test_positive_scale_and_offset_of_the_map_change_nothing(how: Confidence, scale: float, offset: int) -> None:
    changed = np.float32(scale) * ONE + np.float32(offset)
    np.testing.assert_allclose(how.plan(changed, 0).keep(1, 2), how.plan(ONE, 0).keep(1, 2), atol=1e-5)


@given(st.sampled_from([DROP, INCREASE, GAIN]), st.floats(0, 1, width=32), st.floats(0, 1, width=32))
def test_values_stay_within_zero_and_one(how: Confidence, y: float, o: float) -> None:
    found = value(how, y, o)
    assert math.isnan(found) or 0 <= found <= 1


def test_a_flat_map_asks_for_the_sample_again() -> None:
    assert (DROP.plan(np.zeros((2, 2), np.float32), 0).keep(0, 2) == 1).all()


@pytest.mark.parametrize("how", [DROP, INCREASE, GAIN])
def test_the_bill_is_two(how: Confidence) -> None:
    assert how.queries((28, 28)) == len(how.plan(ONE, 0)) == 2


def test_given_masks_are_a_plan_like_any() -> None:
    masks: Any = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    plan = Shown(masks)
    assert (plan.shape, len(plan)) == ((4,), 3)
    assert plan.keep(1, 3).tobytes() == masks[1:3].tobytes()
    assert digest(plan) == digest(Shown(masks.copy())) != digest(Shown(masks[::-1]))
