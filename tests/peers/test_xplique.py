"""RISE and occlusion against Xplique."""

import importlib
import warnings
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from samewhy_edge.explain import explain
from samewhy_edge.grids import Upsampling
from samewhy_edge.occlusion import Occlusion
from samewhy_edge.rise import Rise
from tests.peers.fixed import Fixed
from tests.worlds import additive

WANTED = "Xplique is not installed; pip install -e '.[peers]' in a venv of its own"

pytestmark = [
    pytest.mark.skipif(find_spec("xplique") is None, reason=WANTED),
    pytest.mark.filterwarnings("ignore"),  # of TensorFlow, and of what it stands on
]


@pytest.fixture(scope="module")
def tf() -> Any:
    with warnings.catch_warnings(), np.errstate(all="warn"):
        warnings.simplefilter("ignore")
        return pytest.importorskip("tensorflow", reason=WANTED)


@pytest.fixture(scope="module")
def xplique(tf: Any) -> Any:
    with warnings.catch_warnings(), np.errstate(all="warn"):
        warnings.simplefilter("ignore")
        pytest.importorskip("xplique", reason=WANTED)
        return importlib.import_module("xplique.attributions")


def world(samples: np.ndarray) -> np.ndarray:
    """A network of three classes on 14 x 11 x 2, not linear."""
    return np.tanh(additive(14, 11, 2, seed=3)(samples) / 20)


def network(tf: Any) -> Any:
    """The same in TensorFlow."""
    weights = tf.constant(additive(14, 11, 2, seed=3).weights)
    return lambda batch: tf.tanh(tf.einsum("nhwc,khwc->nk", tf.cast(batch, tf.float32), weights) / 20)


SAMPLES = np.random.default_rng(4).uniform(0, 1, (2, 14, 11, 2)).astype(np.float32)
TARGETS = np.array([2, 0])
ONE_HOT = np.eye(3, dtype=np.float32)[TARGETS]


def operator(tf: Any) -> Any:
    return lambda model, inputs, targets: tf.reduce_sum(model(inputs) * targets, axis=-1)


@pytest.mark.parametrize(
    ("window", "stride", "fill"), [((3,), (3,), 0.0), ((4,), (2,), 0.5), ((5,), (3,), 0.0), ((6, 4), (4, 1), -1.0)]
)
def test_occlusion_is_xpliques(
    tf: Any, xplique: Any, window: tuple[int, ...], stride: tuple[int, ...], fill: float
) -> None:
    sizes = tuple(np.resize(window, 2).tolist()), tuple(np.resize(stride, 2).tolist())
    theirs = xplique.Occlusion(network(tf), 16, operator(tf), *sizes, fill)(SAMPLES, ONE_HOT)
    ours = explain(world, SAMPLES, TARGETS, Occlusion(window, stride, fill, "xplique"), seed=0)
    np.testing.assert_allclose(ours, np.asarray(theirs)[..., 0], atol=2e-5)


@pytest.mark.parametrize(("high", "wide", "grid"), [(28, 28, 7), (14, 11, 3), (20, 33, 5), (32, 32, 8)])
def test_masks_are_what_xpliques_generator_makes_of_the_same_cells_and_shifts(
    tf: Any, xplique: Any, high: int, wide: int, grid: int
) -> None:
    """Xplique crops all masks of a call alike, so each is asked alone until it lands on every shift of ours."""
    upsampling = Upsampling((high, wide), grid, "clamp", "xplique")
    cells = np.random.default_rng(5).random((1, grid, grid)).astype(np.float32)  # so that every shift looks different
    places = [np.array([[x, y]]) for x in range(upsampling.shifts[0]) for y in range(upsampling.shifts[1])]
    ours = np.concatenate([upsampling.masks(cells, place) for place in places])
    seen = set()
    for _ in range(20 * len(places)):
        _, mask = xplique.Rise._apply_masks(np.ones((high, wide, 1), np.float32), tf.constant(cells[..., None]), 0.0)
        apart = np.abs(ours - np.asarray(mask)[..., 0]).max(axis=(1, 2))
        assert apart.min() < 2e-6
        seen.add(int(apart.argmin()))
        if len(seen) == len(places):
            break
    assert len(seen) == len(places)


def test_the_map_of_xpliques_own_masks_is_ours(tf: Any, xplique: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every mask that it made is kept aside; its map is our estimator of them."""
    explainer, made = Rise(48, 3, 0.4, convention="xplique"), []
    apply = xplique.Rise._apply_masks

    def kept(*arguments: Any) -> Any:
        masked, masks = apply(*arguments)
        made.append(np.asarray(masks)[..., 0])
        return masked, masks

    monkeypatch.setattr(xplique.Rise, "_apply_masks", staticmethod(kept))
    theirs = xplique.Rise(network(tf), 16, operator(tf), 48, 3, 0.4)(SAMPLES[:1], ONE_HOT[:1])
    plan = Fixed(np.concatenate(made))
    scores = world(SAMPLES[0] * plan.masks[..., None])[:, TARGETS[0]]
    ours = explainer.estimate(plan, scores[None].astype(np.float32))
    np.testing.assert_allclose(ours[0], np.asarray(theirs)[0, ..., 0], rtol=1e-4, atol=1e-5)


def test_the_map_of_our_masks_is_xpliques(tf: Any, xplique: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our masks in the place of its own; inputs, scores, sums and the quotient are Xplique's."""
    explainer = Rise(48, 3, 0.5, fill=0.25, convention="xplique")
    plan = explainer.plan((14, 11, 2), 0)
    keep, used = tf.constant(plan.keep(0, 48)[..., None]), [0]

    def ours(sample: Any, masks: Any, fill: float) -> Any:
        part = keep[used[0] : used[0] + masks.shape[0]]
        used[0] += masks.shape[0]
        return part * tf.expand_dims(sample, 0) + (1 - part) * fill, part

    monkeypatch.setattr(xplique.Rise, "_apply_masks", staticmethod(ours))
    theirs = xplique.Rise(network(tf), 16, operator(tf), 48, 3, 0.5, 0.25)(SAMPLES[:1], ONE_HOT[:1])
    maps = explain(world, SAMPLES[:1], TARGETS[:1], explainer, seed=0)
    assert used == [48]
    np.testing.assert_allclose(maps[0], np.asarray(theirs)[0, ..., 0], rtol=1e-4, atol=1e-5)
