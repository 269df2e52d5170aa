from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from samewhy_edge.errors import InputError
from samewhy_host.compress import COMPRESSIONS, Channels, Compression, Magnitude
from samewhy_host.module_file import Recipe, load_module, save_module
from samewhy_host.torch_runtime import Torch
from samewhy_host.train import prunable, train
from tests.host import small

RECIPES = [small.ds_cnn(), small.resnet8(), small.ds_cnn((8, 8, 3)), small.resnet8((9, 7, 1))]
AMOUNTS = [name for name, kind in sorted(COMPRESSIONS.items()) if "amount" in kind.__dataclass_fields__]
NAMES = ["ds_cnn", "resnet8", "ds_cnn in colour", "resnet8 oblong"]
SAMPLES = {recipe.sample: small.noise(4, *recipe.sample) for recipe in RECIPES}


def everything(module: nn.Module) -> Tensor:
    return torch.cat([weight.detach().flatten() for weight in prunable(module)])


def assert_file_answers_alike(path: Path, recipe: Recipe, module: nn.Module) -> None:
    save_module(path, recipe, module)
    samples = SAMPLES[recipe.sample]
    assert np.array_equal(Torch(load_module(path)[1])(samples), Torch(module)(samples))


@pytest.mark.parametrize("amount", [0.001, 0.3, 0.5, 0.95])
@pytest.mark.parametrize("recipe", RECIPES[:2], ids=NAMES[:2])
def test_magnitude_zeroes_the_amount_of_weights(recipe: Recipe, amount: float) -> None:
    module = small.network(recipe)
    Magnitude(amount).cut(recipe, module)
    weights = everything(module)
    assert abs(int((weights == 0).sum()) - amount * len(weights)) <= 1


def test_magnitude_zeroes_the_smallest_weights_of_the_whole_network_and_leaves_the_rest() -> None:
    module = small.network(small.ds_cnn())
    before = everything(module).clone()
    Magnitude(0.4).cut(small.ds_cnn(), module)
    after = everything(module)
    assert before[after == 0].abs().max() < before[after != 0].abs().min()
    assert torch.equal(after[after != 0], before[after != 0])


def test_magnitude_leaves_biases_and_norms() -> None:
    module = small.network(small.ds_cnn())
    weights = {id(weight) for weight in prunable(module)}
    others = {name: p.detach().clone() for name, p in module.named_parameters() if id(p) not in weights}
    Magnitude(0.9).cut(small.ds_cnn(), module)
    assert others
    assert all(torch.equal(module.get_parameter(name), value) for name, value in others.items())


def test_magnitude_cuts_layers_of_small_weights_more() -> None:
    """One threshold for the whole network, not a share of each layer."""
    module = small.network(small.ds_cnn())
    with torch.no_grad():
        module.get_submodule("block1.pointwise.conv").weight.mul_(1e-3)
    Magnitude(0.2).cut(small.ds_cnn(), module)
    assert not module.get_submodule("block1.pointwise.conv").weight.any()


def test_fine_tuning_keeps_what_magnitude_zeroed(tmp_path: Path) -> None:
    module = small.network(small.ds_cnn())
    Magnitude(0.5).cut(small.ds_cnn(), module)
    zero = everything(module) == 0
    train(module, small.split(), small.QUICK, 0, tmp_path / "checkpoint")
    assert torch.equal(everything(module) == 0, zero)


@pytest.mark.parametrize("recipe", RECIPES, ids=NAMES)
def test_channels_are_gone_for_real(recipe: Recipe) -> None:
    module = small.network(recipe)
    before, shapes = small.numbers(module), {name: p.shape for name, p in module.named_parameters()}
    Channels(0.5).cut(recipe, module)
    assert small.numbers(module) < 0.6 * before
    halved = module.get_submodule("stem.conv").weight
    assert halved.shape[0] == shapes["stem.conv.weight"][0] // 2


@pytest.mark.parametrize("recipe", RECIPES, ids=NAMES)
def test_channels_keep_the_shape_of_the_scores(recipe: Recipe) -> None:
    module = small.network(recipe)
    Channels(0.5).cut(recipe, module)
    assert Torch(module)(SAMPLES[recipe.sample]).shape == (4, small.CLASSES)


@pytest.mark.parametrize("recipe", RECIPES, ids=NAMES)
def test_a_network_with_cut_channels_is_built_again_from_its_file(recipe: Recipe, tmp_path: Path) -> None:
    module = small.network(recipe)
    cut = Channels(0.25).cut(recipe, module)
    assert_file_answers_alike(tmp_path / "cut.pt", cut, module)


def test_the_channels_with_the_smallest_weights_go() -> None:
    """A network without norms, in which two of four channels have weights of almost nothing."""
    module = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))
    with torch.no_grad():
        module[0].weight[[1, 2]] *= 1e-3
        module[2].weight[:, [1, 2]] *= 1e-3
        kept = module[0].weight[[0, 3]].clone()
    Channels(0.5).cut(Recipe("none", {}, (8, 8, 1)), module.eval())
    assert torch.equal(module[0].weight, kept)


def test_the_classes_are_no_channels_to_cut() -> None:
    module = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)).eval()
    Channels(0.5).cut(Recipe("none", {}, (8, 8, 1)), module)
    assert tuple(module[-1].weight.shape) == (4, 4)


def test_a_fine_tuned_network_with_cut_channels_is_built_again(tmp_path: Path) -> None:
    recipe = small.resnet8()
    module = small.network(recipe)
    cut = Channels(0.25).cut(recipe, module)
    train(module, small.split(), small.QUICK, 0, tmp_path / "checkpoint")
    assert_file_answers_alike(tmp_path / "cut.pt", cut, module)


@pytest.mark.parametrize("recipe", RECIPES[:2], ids=NAMES[:2])
@pytest.mark.parametrize(
    "steps",
    [
        (Channels(0.25), Channels(0.25)),
        (Magnitude(0.5), Channels(0.25)),
        (Channels(0.25), Magnitude(0.5)),
        (Channels(0.25), Magnitude(0.5), Channels(0.25)),
    ],
    ids=["channels twice", "magnitude, channels", "channels, magnitude", "three"],
)
def test_compressions_follow_each_other_through_files(
    recipe: Recipe, steps: tuple[Compression, ...], tmp_path: Path
) -> None:
    path = tmp_path / "module.pt"
    save_module(path, recipe, small.network(recipe))
    for compression in steps:
        before, module = load_module(path)
        after = compression.cut(before, module)
        assert_file_answers_alike(path, after, module)


def test_channels_twice_removes_twice() -> None:
    recipe, module = small.ds_cnn(), small.network(small.ds_cnn())
    once = Channels(0.5).cut(recipe, module)
    assert module.get_submodule("stem.conv").out_channels == 4
    twice = Channels(0.5).cut(once, module)
    assert module.get_submodule("stem.conv").out_channels == 2
    assert twice.history[: len(once.history)] == once.history


@pytest.mark.parametrize("kind", AMOUNTS)
@pytest.mark.parametrize("amount", [-0.1, 1.0, 1.5, float("nan")])
def test_an_amount_that_is_no_share_is_refused(kind: str, amount: float) -> None:
    with pytest.raises(InputError, match=f"{kind} amount = {amount}; expected a share from 0 to below 1"):
        COMPRESSIONS[kind](amount)


@pytest.mark.parametrize("kind", AMOUNTS)
def test_an_amount_of_nothing_cuts_nothing(kind: str) -> None:
    recipe = small.ds_cnn()
    module = small.network(recipe)
    before = small.state_bytes(module)
    assert COMPRESSIONS[kind](0.0).cut(recipe, module) == recipe
    assert small.state_bytes(module) == before


def test_an_amount_that_would_leave_no_channel_is_refused() -> None:
    """0.9 of 8 channels leave less than one, so that nothing would be cut, and the rung be a copy."""
    with pytest.raises(InputError, match=r"channels amount = 0\.9 removes no channel"):
        Channels(0.9).cut(small.ds_cnn(), small.network(small.ds_cnn()))


def test_a_network_without_layers_has_no_channels() -> None:
    with pytest.raises(InputError, match="no linear or convolutional layer"):
        Channels(0.5).cut(Recipe("none", {}, (8, 8, 1)), nn.Sequential(nn.Flatten(), nn.ReLU()))
