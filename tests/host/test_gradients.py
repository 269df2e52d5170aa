from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from samewhy_edge.arrays import Maps, Samples, Targets
from samewhy_edge.errors import ContractError
from samewhy_edge.occlusion import Occlusion
from samewhy_edge.predictor import Predictor
from samewhy_host import gradients
from samewhy_host.gradients import captum_occlusion, integrated_gradients, occlusion_difference
from samewhy_host.module_file import Recipe
from samewhy_host.torch_runtime import Torch
from tests.host import small

TARGETS = np.array([0, 2, 1])
SETTINGS = [
    Occlusion((4,), (2,)),
    Occlusion((1,), (1,)),
    Occlusion((3,), (3,), fill=0.5),
    Occlusion((4,), (3,), fill=-1.0),  # the last window is cut off
    Occlusion((5, 2), (3, 1)),
    Occlusion((2, 7), (2, 5), fill=0.25),
]
SAMPLES = {(8, 8, 1): small.noise(3, 8, 8, 1), (9, 7, 3): small.noise(3, 9, 7, 3)}


def weighing(*shape: int) -> small.Weighing:
    return small.Weighing(torch.from_numpy(small.noise(3, *shape, seed=4))).eval()


@pytest.mark.parametrize("explainer", SETTINGS, ids=str)
@pytest.mark.parametrize("recipe", [small.ds_cnn(), small.resnet8((9, 7, 3))], ids=["ds_cnn", "resnet8 in colour"])
def test_our_occlusion_is_captums(recipe: Recipe, explainer: Occlusion) -> None:
    apart = occlusion_difference(Torch(small.network(recipe)), SAMPLES[recipe.sample], TARGETS, explainer)
    assert apart <= 1e-6


@pytest.mark.parametrize(
    "planted",
    [{"stride": (3,)}, {"window": (3,)}, {"fill": 0.01}],
    ids=["stride", "window", "fill"],
)
def test_another_convention_is_told(planted: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    known = captum_occlusion

    def changed(module: Predictor, samples: Samples, targets: Targets, explainer: Occlusion) -> Maps:
        return known(module, samples, targets, replace(explainer, **planted))  # type: ignore[arg-type]

    monkeypatch.setattr(gradients, "captum_occlusion", changed)
    with pytest.raises(ContractError, match=r"differs from Captum's by .*do not trust the maps"):
        occlusion_difference(Torch(small.network(small.ds_cnn())), SAMPLES[8, 8, 1], TARGETS, Occlusion())


def test_the_difference_is_a_share_of_the_largest_value(monkeypatch: pytest.MonkeyPatch) -> None:
    known = captum_occlusion

    def moved(module: Predictor, samples: Samples, targets: Targets, explainer: Occlusion) -> Maps:
        maps = known(module, samples, targets, explainer)
        maps[np.unravel_index(np.abs(maps).argmax(), maps.shape)] *= 2
        return maps

    monkeypatch.setattr(gradients, "captum_occlusion", moved)
    monkeypatch.setattr(gradients, "BOUND", 1.0)
    module = weighing(1, 8, 8)
    assert occlusion_difference(Torch(module), SAMPLES[8, 8, 1], TARGETS, Occlusion()) == pytest.approx(0.5, rel=1e-4)


def test_maps_without_any_value_agree() -> None:
    """A network that does not look at its sample: both maps are zero."""
    module = small.Weighing(torch.zeros(3, 1, 8, 8)).eval()
    assert occlusion_difference(Torch(module), SAMPLES[8, 8, 1], TARGETS, Occlusion()) == 0


def test_the_comparison_leaves_the_module_as_it_is() -> None:
    module = small.network(small.ds_cnn())
    before = small.state_bytes(module)
    occlusion_difference(Torch(module), SAMPLES[8, 8, 1], TARGETS, Occlusion())
    assert small.state_bytes(module) == before
    assert next(module.parameters()).dtype == torch.float32


def test_a_window_of_one_occludes_all_channels_of_a_position() -> None:
    """Closed form of a weighing module: weight * (value - fill), summed over channels."""
    module, samples = weighing(3, 9, 7), SAMPLES[9, 7, 3]
    maps = captum_occlusion(Torch(module), samples, TARGETS, Occlusion((1,), (1,), fill=0.5))
    weights = module.weights.detach().numpy()[TARGETS].transpose(0, 2, 3, 1)
    np.testing.assert_allclose(maps, (weights * (samples - 0.5)).sum(-1), rtol=0, atol=1e-4)


@pytest.mark.parametrize("fill", [0.0, 0.5])
def test_integrated_gradients_of_a_weighing_module_are_its_shares(fill: float) -> None:
    module, samples = weighing(3, 9, 7), SAMPLES[9, 7, 3]
    maps = integrated_gradients(module, samples, TARGETS, fill)
    weights = module.weights.detach().numpy()[TARGETS].transpose(0, 2, 3, 1)
    np.testing.assert_allclose(maps, (weights * (samples - np.float32(fill))).sum(-1), rtol=0, atol=1e-5)


@pytest.mark.parametrize("fill", [0.0, 0.5])
def test_integrated_gradients_add_up_to_what_the_fill_takes_away(fill: float) -> None:
    """Of a smooth network, so that the sum over 64 steps is near the integral."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 6, 3), nn.Tanh(), nn.Flatten(), nn.Linear(6 * 7 * 5, 3)).eval()
    samples, places = SAMPLES[9, 7, 3], np.arange(3)
    maps = integrated_gradients(module, samples, TARGETS, fill)
    lost = Torch(module)(samples) - Torch(module)(np.full_like(samples, fill))
    assert maps.shape == (3, 9, 7)
    np.testing.assert_allclose(maps.sum((1, 2)), lost[places, TARGETS], rtol=0, atol=1e-5)


def test_channels_go_first_and_nothing_else_moves() -> None:
    samples = SAMPLES[9, 7, 3]
    assert np.array_equal(gradients.to_torch(samples).numpy(), samples.transpose(0, 3, 1, 2))
