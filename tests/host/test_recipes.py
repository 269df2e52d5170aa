"""Ways to compress that keep all places, split layers, or take another network; and simulated quantization."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from samewhy_edge.errors import InputError
from samewhy_host.compress import Channels, LowRank, Magnitude, Random, Shared, Student, Tune, rung_name, stages
from samewhy_host.compress.low_rank import matrix, rank_of, split
from samewhy_host.compress.objectives.lesson import Scene
from samewhy_host.compress.shared import clustered
from samewhy_host.compress.simulation import Range, rounded, rounded_weights, simulated
from samewhy_host.compress.tuning import School, Tuning, divided, made
from samewhy_host.module_file import Recipe, load_module, save_module
from samewhy_host.torch_runtime import Torch
from samewhy_host.train import Train, prunable, train
from tests.host import small

SCHOOL = School(small.split(), small.CLASSES, Scene((), (8, 8, 1), 5))
QUICK = Train(epochs=1, batch=16, learning_rate=0.01)


def everything(module: nn.Module) -> Tensor:
    return torch.cat([weight.detach().flatten() for weight in prunable(module)])


def assert_file_answers_alike(path: Path, recipe: Recipe, module: nn.Module) -> None:
    save_module(path, recipe, module)
    samples = small.noise(4, *recipe.sample)
    assert np.array_equal(Torch(load_module(path)[1])(samples), Torch(module)(samples))


# Magnitude in rounds, and at random


def test_rounds_take_the_same_share_of_what_is_left() -> None:
    assert [one.amount for one in stages(Magnitude(0.875, rounds=3))] == pytest.approx([0.5, 0.75, 0.875])
    assert stages(Magnitude(0.3)) == [Magnitude(0.3)]


def test_after_its_rounds_the_amount_is_gone_and_each_round_was_fine_tuned(tmp_path: Path) -> None:
    lines: list[str] = []
    recipe = small.ds_cnn()
    given = Magnitude(0.8, QUICK, rounds=2), Tuning(), (recipe, small.network(recipe)), small.network(recipe)
    _, module = made(*given, SCHOOL, tmp_path, lines.append)
    weights = everything(module)
    assert abs(int((weights == 0).sum()) - 0.8 * len(weights)) <= 2
    assert len(lines) == 2
    assert {one.name for one in tmp_path.iterdir()} == {"checkpoint-1.pt", "checkpoint-2.pt"}


def test_random_pruning_does_not_look_at_weights() -> None:
    """The same places whatever the network, small weights and large ones alike."""
    zeros = []
    for seed in (0, 1):
        module = small.network(small.ds_cnn(), seed)
        Random(0.5).cut(small.ds_cnn(), module)
        zeros.append(everything(module) == 0)
    assert torch.equal(*zeros)
    assert int(zeros[0].sum()) == round(0.5 * len(zeros[0]))


def test_another_seed_prunes_other_weights() -> None:
    one, other = small.network(small.ds_cnn()), small.network(small.ds_cnn())
    Random(0.5).cut(small.ds_cnn(), one)
    Random(0.5, seed=1).cut(small.ds_cnn(), other)
    assert not torch.equal(everything(one) == 0, everything(other) == 0)


# Shared weights


def test_weights_of_a_layer_take_few_values() -> None:
    module = small.network(small.ds_cnn())
    Shared(4).cut(small.ds_cnn(), module)
    assert max(len(torch.unique(weight)) for weight in prunable(module)) == 4


def test_clusters_are_those_of_lloyd() -> None:
    """Two groups with far means: each value becomes the mean of its own."""
    values = torch.tensor([0.0, 1.0, 2.0, 10.0, 12.0])
    assert clustered(values, 2).tolist() == [1.0, 1.0, 1.0, 11.0, 11.0]


def test_few_values_are_left_as_they_are() -> None:
    values = torch.tensor([3.0, 1.0, 3.0])
    assert torch.equal(clustered(values, 2), values)


def test_fine_tuning_moves_clusters_as_one_and_zeros_not_at_all(tmp_path: Path) -> None:
    recipe, module = small.ds_cnn(), small.network(small.ds_cnn())
    Magnitude(0.5).cut(recipe, module)
    how = Shared(4, QUICK)
    how.cut(recipe, module)
    before = [weight.detach().clone() for weight in prunable(module)]
    train(module, small.split(), QUICK, 0, tmp_path / "checkpoint", hold=how.hold(module))
    for was, now in zip(before, prunable(module), strict=True):
        assert torch.equal(was == 0, now == 0)
        groups = {value: torch.unique(now.detach()[was == value]) for value in torch.unique(was).tolist()}
        assert all(len(found) == 1 for found in groups.values())
    assert any(not torch.equal(was, now) for was, now in zip(before, prunable(module), strict=True))


# Low rank


@pytest.mark.parametrize(
    "layer", [nn.Conv2d(5, 7, 3, stride=2, padding=1), nn.Linear(9, 6), nn.Conv2d(4, 4, 1, bias=False)]
)
def test_what_is_lost_is_what_was_left_out_of_the_singular_values(layer: nn.Module) -> None:
    """Eckart & Young: the squared error is the sum of the squares that are left out."""
    values = torch.linalg.svdvals(matrix(layer))
    thin = split(layer, 2)
    joined = matrix(thin.get_submodule("wide")) @ matrix(thin.get_submodule("narrow"))
    assert float(((joined - matrix(layer)) ** 2).sum()) == pytest.approx(float((values[2:] ** 2).sum()), rel=1e-4)


def test_at_full_rank_a_split_layer_answers_alike() -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(3, 5, 3, stride=2, padding=1, dilation=2)
    x = torch.randn(2, 3, 9, 9)
    assert torch.allclose(split(layer, 5)(x), layer(x), atol=1e-5)


@pytest.mark.parametrize("amount", [0.3, 0.6])
def test_a_split_layer_has_at_most_the_weights_that_stay(amount: float) -> None:
    layer = nn.Conv2d(12, 16, 3)
    rank = rank_of(layer, amount)
    count = sum(matrix(one).numel() for one in split(layer, rank))
    more = sum(matrix(one).numel() for one in split(layer, rank + 1))
    assert count <= (1 - amount) * layer.weight.numel() < more


@pytest.mark.parametrize("recipe", [small.ds_cnn(width=16), small.resnet8()], ids=["ds_cnn", "resnet8"])
def test_a_split_network_is_built_again_from_its_file(recipe: Recipe, tmp_path: Path) -> None:
    module = small.network(recipe)
    before = small.numbers(module)
    cut = LowRank(0.5).cut(recipe, module)
    assert small.numbers(module) < before
    assert_file_answers_alike(tmp_path / "split.pt", cut, module)


def test_channels_then_low_rank_then_channels_are_built_again(tmp_path: Path) -> None:
    recipe = small.resnet8(width=16)
    module = small.network(recipe)
    for one in (Channels(0.25), LowRank(0.4), Channels(0.25)):
        recipe = one.cut(recipe, module)
    assert_file_answers_alike(tmp_path / "cut.pt", recipe, module)


def test_a_share_that_leaves_no_rank_is_refused() -> None:
    with pytest.raises(InputError, match=r"low-rank amount = 0\.99 leaves no layer a rank of 1"):
        LowRank(0.99).cut(small.ds_cnn(), small.network(small.ds_cnn()))


# Another network, or the same one


def test_a_student_is_another_network_with_weights_of_its_own(tmp_path: Path) -> None:
    recipe = small.ds_cnn()
    how = Student("vgg", options={"width": 4, "stages": 2}, train=QUICK)
    given = how, Tuning(keep=({"method": "distil"},)), (recipe, small.network(recipe)), small.network(recipe)
    own, module = made(*given, SCHOOL, tmp_path, lambda _: None)
    assert own.factory.endswith("vgg:vgg")
    assert module.get_submodule("stem.conv").out_channels == 4
    assert_file_answers_alike(tmp_path / "student.pt", own, module)


@pytest.mark.parametrize(
    ("options", "found"),
    [({}, "expected one of architecture and factory"), ({"architecture": "vgx"}, "did you mean 'vgg'")],
)
def test_a_student_must_be_named(options: dict[str, str], found: str) -> None:
    with pytest.raises(InputError, match=found):
        Student(**options)


def test_rungs_are_named_after_what_was_done() -> None:
    names = [rung_name(one) for one in ("magnitude", "channels", "random", "shared", "tune")]
    assert names == ["pruned-magnitude", "pruned-channels", "pruned-random", "shared", "tune"]


# Keys beside a method's own


def test_keys_of_the_tuning_are_taken_from_the_methods() -> None:
    own, tuning = divided({"method": "magnitude", "amount": 0.3, "simulate": "int8", "keep": [{"method": "swa"}]})
    assert own == {"method": "magnitude", "amount": 0.3}
    assert tuning == Tuning(keep=({"method": "swa"},), simulate="int8")


@pytest.mark.parametrize(
    ("table", "found"),
    [
        ({"keep": [{"method": "swaa"}]}, "did you mean 'swa'"),
        ({"teacher": "other", "keep": [{"method": "swa"}]}, 'teacher = "other"; expected "input"'),
        ({"teacher": "reference"}, "names a teacher, and no"),
        ({"simulate": "int9"}, "unknown value 'int9'"),
    ],
)
def test_tuning_that_means_nothing_is_refused(table: dict[str, object], found: str) -> None:
    with pytest.raises(InputError, match=found):
        divided(table)


# Simulated quantization


def test_weights_have_a_grid_a_channel() -> None:
    weight = torch.tensor([[1.0, 0.501, -1.0], [100.0, 0.3, -50.0]])
    found = rounded_weights(weight, 8)
    steps = torch.tensor([[1.0], [100.0]]) / 127
    assert torch.allclose(found, torch.round(weight / steps) * steps)


def test_a_scale_a_channel_is_what_folding_batch_norm_changes_and_nothing_else() -> None:
    weight, factor = torch.randn(4, 3, 3, 3), torch.tensor([0.01, -5.0, 1.0, 30.0]).view(-1, 1, 1, 1)
    assert torch.allclose(rounded_weights(weight * factor, 8), rounded_weights(weight, 8) * factor, rtol=1e-4)


def test_rounding_passes_gradients_within_the_range() -> None:
    x = torch.tensor([-3.0, 0.101, 0.9, 5.0], requires_grad=True)
    rounded(x, torch.tensor(0.0), torch.tensor(1.0)).sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert x.grad.tolist() == [0, 1, 1, 0]


def test_zero_is_held_exactly() -> None:
    assert float(rounded(torch.zeros(1), torch.tensor(-0.37), torch.tensor(1.03))) == 0


def test_ranges_are_moving_means_and_rest_in_evaluation() -> None:
    one = Range()
    one(torch.tensor([0.0, 2.0]))
    one(torch.tensor([-1.0, 4.0]))
    assert (float(one.low), float(one.high)) == pytest.approx((-0.01, 2.02))
    one.eval()(torch.tensor([9.0]))
    assert float(one.high) == pytest.approx(2.02)


def test_within_the_simulation_a_network_answers_with_rounded_weights_and_then_as_before() -> None:
    module = small.network(small.ds_cnn())
    samples, names = small.noise(4, 8, 8, 1), [name for name, _ in module.named_parameters()]
    before = Torch(module)(samples)
    with simulated(module, 4) as ranges:
        ranges.train()
        within = Torch(module)(samples)
        assert [name for name, _ in module.named_parameters()] == names
    assert np.abs(within - before).max() > 1e-3
    assert np.array_equal(Torch(module)(samples), before)


def test_simulation_goes_with_any_objective_and_leaves_a_plain_network(tmp_path: Path) -> None:
    recipe = small.ds_cnn()
    tuning = Tuning(keep=({"method": "distil"}, {"method": "swa"}), simulate="int8")
    given = Tune(QUICK), tuning, (recipe, small.network(recipe)), small.network(recipe)
    own, module = made(*given, SCHOOL, tmp_path, lambda _: None)
    assert_file_answers_alike(tmp_path / "tuned.pt", own, module)
