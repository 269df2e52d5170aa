"""White-box maps: what must be equal, what must be kept, and what is known by hand."""

from collections.abc import Callable

import captum.attr
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from samewhy_edge.errors import ContractError, InputError
from samewhy_host import whitebox
from samewhy_host.module_file import build
from samewhy_host.whitebox import WHITE_BOXES, white_box_maps, white_boxes_from
from samewhy_host.whitebox.asking import Asked, WhiteBox, of_targets
from samewhy_host.whitebox.deep_lift import DeepLift
from samewhy_host.whitebox.excitation import ExcitationBackprop
from samewhy_host.whitebox.grad_cam import GradCam
from samewhy_host.whitebox.gradient_input import GradientInput
from samewhy_host.whitebox.integrated_gradients import IntegratedGradients
from samewhy_host.whitebox.lrp import Lrp
from samewhy_host.whitebox.rap import Rap
from samewhy_host.whitebox.tape import recorded
from samewhy_host.zoo import ZOO

RULES = ("epsilon", "alpha1-beta0", "gamma", "epsilon-plus-flat")
ALL = [{"method": name} for name in WHITE_BOXES if name != "lrp"] + [{"method": "lrp", "rule": one} for one in RULES]
METHODS = white_boxes_from([{**one, **({"steps": 4} if "integrated" in one["method"] else {})} for one in ALL])
SMALL = {"wide_resnet": {"depth": 10, "widen": 1, "width": 4}, "mobilenet": {"width": 4}, "ds_cnn": {"width": 12}}


def seeded(*shape: int, seed: int = 0, low: float = 0.0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).uniform(low, 1, shape))


def filled(network: nn.Module, seed: int = 0, bias: bool = True) -> nn.Module:
    """Weights and batch norms of which none is at its start, in double precision."""
    rng = np.random.default_rng(seed)
    for name, one in [*network.named_parameters(), *network.named_buffers()]:
        if name.endswith("num_batches_tracked"):
            continue
        spread = rng.uniform(0.5, 1.5, one.shape) if "var" in name else rng.normal(0, 0.4, one.shape)
        one.data = torch.from_numpy(spread)
        if not bias and ("bias" in name or "mean" in name):
            one.data.zero_()
    return network.double().eval().requires_grad_(False)


def zoo(name: str, bias: bool = True) -> nn.Module:
    options = {"classes": 3, "channels": 1, **SMALL.get(name, {"width": 4})}
    return filled(build(ZOO[name], options), bias=bias)


def plain(bias: bool) -> nn.Module:
    """Convolution, maximum, mean and linear layers."""
    layers = [nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 6, 3, stride=2), nn.ReLU(), nn.AvgPool2d(2)]
    return filled(nn.Sequential(*layers, nn.Flatten(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)), bias=bias)


def asked(network: nn.Module, samples: Tensor, baseline: float = 0.0) -> Asked:
    """About the class of the largest score."""
    return Asked(network, samples, network(samples).argmax(dim=1), torch.full_like(samples, baseline))


def summed(maps: Tensor) -> Tensor:
    return maps.flatten(1).sum(dim=1)


def close(a: Tensor, b: Tensor, share: float = 1e-9) -> None:
    """Equal up to a share of the largest value."""
    assert a.shape == b.shape
    assert float((a - b).abs().max()) <= share * float(b.abs().max())


SAMPLES = seeded(4, 1, 7, 7)


@pytest.mark.parametrize("method", [IntegratedGradients(), DeepLift(), Lrp(epsilon=0.0)], ids=lambda one: one.name)
@pytest.mark.parametrize("network", [plain(bias=False), zoo("resnet8", bias=False), zoo("vgg", bias=False)])
def test_without_biases_all_are_gradient_times_input(method: WhiteBox, network: nn.Module) -> None:
    question = asked(network, seeded(3, 1, 7, 7, low=-1.0))
    known = GradientInput().attribute(question)
    close(method.attribute(question), known)
    close(summed(known), of_targets(network(question.samples), question.targets))


@pytest.mark.parametrize("name", ["cnn5", "ds_cnn", "resnet8", "wide_resnet"])
def test_with_biases_that_keep_their_share_epsilon_is_gradient_times_input(name: str) -> None:
    question = asked(zoo(name), seeded(3, 1, 12, 12))
    close(Lrp(epsilon=0.0).attribute(question), GradientInput().attribute(question), 1e-8)


@pytest.mark.parametrize("name", ["cnn5", "resnet18", "wide_resnet", "conv1d"])
@pytest.mark.parametrize("baseline", [0.0, 0.4])
def test_deep_lift_sums_to_the_difference_of_scores(name: str, baseline: float) -> None:
    network = zoo(name)
    question = asked(network, seeded(4, 1, 12, 12), baseline)
    apart = of_targets(network(question.samples) - network(question.baselines), question.targets)
    close(summed(DeepLift(baseline).attribute(question)), apart, 1e-8)


def test_a_maximum_whose_place_is_the_same_in_the_baseline_loses_nothing() -> None:
    network = nn.Sequential(nn.MaxPool1d(2), nn.Flatten()).eval()
    samples, baselines = torch.tensor([[[0.0, 0.0]]]).double(), torch.tensor([[[0.0, 2.0]]]).double()
    found = DeepLift().attribute(Asked(network, samples, torch.tensor([0]), baselines))
    assert found.tolist() == [[[0.0, -2.0]]]


@pytest.mark.parametrize("name", ["ds_cnn", "resnet8"])
@pytest.mark.filterwarnings(
    "ignore:Setting forward, backward hooks:UserWarning", "ignore:Input Tensor 0 did not:UserWarning"
)
def test_deep_lift_is_captums(name: str) -> None:
    question = asked(zoo(name), seeded(3, 1, 12, 12), 0.2)
    theirs = captum.attr.DeepLift(question.network).attribute(
        question.samples, baselines=question.baselines, target=question.targets
    )
    close(DeepLift().attribute(question), theirs.detach())


def test_integrated_gradients_are_captums() -> None:
    question = asked(zoo("cnn5"), seeded(3, 1, 12, 12), 0.2)
    theirs = captum.attr.IntegratedGradients(question.network).attribute(
        question.samples, baselines=question.baselines, target=question.targets, n_steps=20
    )
    close(IntegratedGradients(steps=20).attribute(question), theirs.detach(), 1e-7)


@pytest.mark.parametrize("layer", ["block1", "block3.relu1"])
def test_grad_cam_is_captums(layer: str) -> None:
    question = asked(zoo("resnet8"), seeded(3, 1, 12, 12))
    part = question.network.get_submodule(layer)
    method = captum.attr.LayerGradCam(question.network, part)
    question.samples.requires_grad_()  # captum follows gradients from there
    theirs = method.attribute(question.samples, target=question.targets, relu_attributions=True)
    wide = functional.interpolate(theirs.detach(), size=(12, 12), mode="bilinear", align_corners=False)
    close(GradCam(layer).attribute(question), wide)


@pytest.mark.parametrize("name", ["ds_cnn", "resnet18", "wide_resnet", "vgg"])
def test_grad_cam_looks_at_what_the_last_pooling_takes(name: str) -> None:
    question = asked(zoo(name), seeded(3, 1, 16, 16))
    last = {"ds_cnn": "block4", "resnet18": "stage4_2", "wide_resnet": "relu", "vgg": "stage3_2"}[name]
    close(GradCam().attribute(question), GradCam(last).attribute(question))


def test_excitation_is_alpha1_beta0_without_biases_over_values_of_at_least_0() -> None:
    question = asked(plain(bias=True), SAMPLES)
    won = ExcitationBackprop().attribute(question)
    score = of_targets(question.network(SAMPLES), question.targets).view(-1, 1, 1, 1)
    close(won * score, Lrp("alpha1-beta0", bias="left-out").attribute(question))
    assert bool((won >= 0).all())
    assert not torch.allclose(won * score, Lrp("alpha1-beta0").attribute(question))  # biases keep a share there


@pytest.mark.parametrize("method", [Lrp(rule, bias="left-out") for rule in ("alpha1-beta0", "gamma")], ids=str)
def test_without_biases_relevance_is_kept(method: Lrp) -> None:
    question = asked(wide(), SAMPLES)
    close(summed(method.attribute(question)), of_targets(question.network(SAMPLES), question.targets), 1e-8)


def wide() -> nn.Module:
    """So many units that each has some input that speaks for it."""
    layers = [nn.Conv2d(1, 4, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 40), nn.ReLU()]
    return filled(nn.Sequential(*layers, nn.Linear(40, 3)), bias=False)


def test_a_bias_keeps_its_share() -> None:
    layer = nn.Linear(2, 1).double()
    layer.weight.data, layer.bias.data = torch.tensor([[1.0, -2.0]]).double(), torch.tensor([3.0]).double()
    question = Asked(layer, torch.tensor([[2.0, 1.0]]).double(), torch.tensor([0]), torch.zeros(1, 2).double())
    assert Lrp(epsilon=0.0).attribute(question).tolist() == [[2.0, -2.0]]  # 3 of the score of 3 is the bias's
    assert Lrp("alpha1-beta0").attribute(question).tolist() == [[pytest.approx(3 * 2 / 5), 0.0]]
    assert Lrp("alpha1-beta0", bias="left-out").attribute(question).tolist() == [[3.0, 0.0]]
    gamma = Lrp("gamma", gamma=1.0, bias="left-out").attribute(question)  # 2 * 2 and -2 of 2
    assert gamma.tolist() == [[pytest.approx(6.0), pytest.approx(-3.0)]]


def test_flat_knows_nothing_of_the_sample() -> None:
    layer = filled(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)))
    question = asked(layer, seeded(2, 1, 2, 2))
    maps = Lrp("epsilon-plus-flat").attribute(question)
    close(maps, (of_targets(layer(question.samples), question.targets) / 4).view(2, 1, 1, 1).expand_as(maps))


@pytest.mark.parametrize("method", METHODS, ids=lambda one: one.name)
@pytest.mark.parametrize("name", ["vgg", "resnet18", "ds_cnn"])
def test_batch_norm_apart_or_folded_gives_the_same_maps(method: WhiteBox, name: str) -> None:
    network = zoo(name)
    question = asked(network, seeded(2, 1, 12, 12))
    known = method.attribute(question)
    close(method.attribute(Asked(merged(zoo(name)), *(question.samples, question.targets, question.baselines))), known)


def merged(network: nn.Module) -> nn.Module:
    """By torch's own folding, where a convolution and a norm follow each other by name."""
    for part in network.modules():
        names = dict(part.named_children())
        for conv, norm in (("conv", "norm"), ("conv1", "norm1"), ("conv2", "norm2")):
            if conv in names and norm in names:
                setattr(part, conv, fuse_conv_bn_eval(names[conv], names[norm]))
                setattr(part, norm, nn.Identity())
    return network.requires_grad_(False)


def test_a_norm_behind_a_linear_layer_is_folded_too() -> None:
    network = filled(nn.Sequential(nn.Flatten(), nn.Linear(49, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)))
    question = asked(network, SAMPLES)
    fused = nn.Sequential(network[0], fuse_linear_bn_eval(network[1], network[2]), *network[3:])
    for method in (Lrp("alpha1-beta0"), Rap("same")):
        close(method.attribute(Asked(fused, SAMPLES, question.targets, question.baselines)), method.attribute(question))


@pytest.mark.parametrize("name", list(ZOO))
def test_relative_attributions_sum_to_the_score(name: str) -> None:
    network = zoo(name)
    samples = seeded(3, 1, 16, 16)
    for target in (0, 2):
        question = Asked(network, samples, torch.full((3,), target), torch.zeros_like(samples))
        close(summed(Rap("same").attribute(question)), network(samples)[:, target], 1e-8)


def test_relative_attributions_are_for_and_against() -> None:
    question = asked(plain(bias=True), SAMPLES)
    maps = Rap("same").attribute(question).flatten(1)
    assert bool((maps.max(dim=1).values > 0).all())
    assert bool((maps.min(dim=1).values < 0).all())


def test_relative_attributions_by_hand() -> None:
    """Unit by unit, for two linear layers."""
    network = filled(nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)), seed=3)
    samples = seeded(2, 1, 2, 2, seed=1)
    found = Rap("same").attribute(asked(network, samples)).flatten(1)
    for sample, maps, target in zip(samples.flatten(1), found, network(samples).argmax(dim=1), strict=True):
        assert maps.tolist() == pytest.approx(by_units(network, sample, int(target)))


def by_units(network: nn.Module, sample: Tensor, target: int) -> list[float]:
    first, last = network[1], network[3]
    hidden = torch.relu(first(sample))
    given = [float(last.weight[target, j] * hidden[j]) for j in range(3)]
    bias, size = float(last.bias[target]), sum(map(abs, given))
    with_bias = [one + bias * abs(one) / size for one in given]
    mean = sum(with_bias) / sum(map(abs, with_bias))
    relevance = [abs(one) * mean for one in with_bias]
    dealt = [0.0] * 4
    for j, own in enumerate(relevance):
        parts = [float(first.weight[j, i] * sample[i]) for i in range(4)]
        plus, minus = sum(max(one, 0) for one in parts), -sum(min(one, 0) for one in parts)
        share = minus / (plus + minus)
        for i, one in enumerate(parts):
            if one > 0:
                dealt[i] += max(own, 0) * one / plus
            elif one < 0:
                dealt[i] += (max(own, 0) * share + min(own, 0) * (1 + share)) * -one / minus
    got = [one != 0 for one in dealt]
    shift = (sum(dealt) - sum(relevance)) / sum(got)
    return [one - shift * mine for one, mine in zip(dealt, got, strict=True)]


@pytest.mark.parametrize("method", [one for one in METHODS if one.name != "grad-cam"], ids=lambda one: one.name)
def test_a_planted_linear_network_is_seen_through(method: WhiteBox) -> None:
    """Class 1 looks at one corner alone, class 0 at the other: no map may point elsewhere.

    Grad-CAM does: the mean of gradients that it weighs channels by has no positions.
    """
    samples = np.random.default_rng(0).uniform(0.2, 1, (5, 6, 6, 1)).astype(np.float32)
    maps = white_box_maps(method, Corner().eval(), samples, np.ones(5, np.int64))
    inside, everywhere = np.abs(maps[:, :3, :3]).sum(axis=(1, 2)), np.abs(maps).sum(axis=(1, 2))
    assert (inside >= everywhere - 1e-6).all()
    assert (inside > 0).all()


class Corner(nn.Module):
    """Two classes, a corner each."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 2, 1, bias=False)
        self.last = nn.Linear(72, 2, bias=False)
        self.first.weight.data = torch.tensor([1.0, 2.0]).view(2, 1, 1, 1)
        corners = torch.zeros(2, 2, 6, 6)
        corners[1, :, :3, :3], corners[0, :, 3:, 3:] = 1.0, 1.0
        self.last.weight.data = corners.view(2, 72)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.last(functional.relu(self.first(x)).flatten(1))
        return made


@pytest.mark.parametrize("method", METHODS, ids=lambda one: one.name)
@pytest.mark.parametrize("shape", [(12, 10, 2), (24, 2)], ids=["images", "series"])
def test_maps_have_the_shape_of_the_samples(method: WhiteBox, shape: tuple[int, ...]) -> None:
    network = filled(build(ZOO["conv1d"], {"classes": 3, "channels": 2, "width": 4})).float()
    samples = np.random.default_rng(0).uniform(0, 1, (3, *shape)).astype(np.float32)
    maps = white_box_maps(method, network, samples, np.array([0, 1, 2]))
    assert (maps.shape, maps.dtype) == ((3, *shape[:-1]), np.float32)
    assert np.isfinite(maps).all()


def test_batches_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    samples, targets = np.asarray(seeded(5, 8, 8, 1), np.float32), np.array([0, 1, 2, 0, 1])
    network = filled(Called()).float()
    known = [white_box_maps(one, network, samples, targets) for one in METHODS]
    monkeypatch.setattr(whitebox, "BATCH", 2)
    for one, maps in zip(METHODS, known, strict=True):
        np.testing.assert_allclose(white_box_maps(one, network, samples, targets), maps, rtol=1e-5, atol=1e-9)
    assert next(network.parameters()).dtype == torch.float32  # the caller's network stays as it was


class Called(nn.Module):
    """A network of functions, in place and used twice, that no hook on modules sees."""

    def __init__(self, last: Callable[[Tensor], Tensor] = lambda x: x) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.out, self.last = nn.Linear(4, 3), last

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.one(x), inplace=True)
        x = x + self.two(x)
        x = functional.max_pool2d(functional.relu_(x), 2)
        return self.last(self.out(x.mean((2, 3))))


class Modules(nn.Module):
    """The same of modules, each used once."""

    def __init__(self, other: Called) -> None:
        super().__init__()
        self.one, self.two, self.out = other.one, other.two, other.out
        self.relu1, self.relu2, self.halve, self.pool = nn.ReLU(), nn.ReLU(), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu1(self.one(x))
        made: Tensor = self.out(self.pool(self.halve(self.relu2(torch.add(x, self.two(x))))).flatten(1))
        return made


@pytest.mark.parametrize("method", METHODS, ids=lambda one: one.name)
def test_functions_are_seen_like_modules(method: WhiteBox) -> None:
    network = filled(Called())
    question = asked(network, seeded(3, 1, 8, 8))
    again = Asked(Modules(network).eval(), question.samples, question.targets, question.baselines)  # type: ignore[arg-type]
    close(method.attribute(question), method.attribute(again))


def test_what_no_rule_is_known_for_is_refused_by_name() -> None:
    question = asked(filled(Called(lambda x: x.softmax(dim=1))), seeded(2, 1, 8, 8))
    for method in (DeepLift(), Lrp(), ExcitationBackprop(), Rap()):
        with pytest.raises(InputError, match=r"through softmax.*up to the logits.*other methods take any network"):
            method.attribute(question)
    for other in (GradCam(), GradientInput(), IntegratedGradients(steps=2)):
        assert torch.isfinite(other.attribute(question)).all()


def test_a_network_that_answers_by_chance_is_refused() -> None:
    network = Called(lambda x: functional.dropout(x, 0.5, training=True))
    with pytest.raises(ContractError, match="other scores when its operations are recorded"):
        recorded(filled(network), seeded(4, 1, 8, 8))


def test_training_mode_is_refused() -> None:
    network = zoo("resnet8").float().train()
    with pytest.raises(ContractError, match=r"training mode.*call module.eval\(\) first"):
        white_box_maps(GradientInput(), network, np.zeros((1, 8, 8, 1), np.float32), np.zeros(1, np.int64))


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"method": "gradcam"}, r"unknown method 'gradcam'; did you mean 'grad-cam'"),
        ({"method": "lrp", "rule": "z"}, r"lrp\.rule: unknown value 'z'"),
        ({"method": "lrp", "epsilon": -1.0}, r"lrp epsilon = -1.0.*at least 0"),
        ({"method": "integrated-gradients", "steps": 0}, r"steps = 0; expected at least 1"),
        ({"method": "grad-cam", "layers": "x"}, r"did you mean 'layer'"),
    ],
)
def test_a_wrong_table_is_refused(table: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        white_boxes_from([table])


def test_a_rule_stands_once() -> None:
    with pytest.raises(InputError, match=r"lrp-gamma stands twice"):
        white_boxes_from([{"method": "lrp", "rule": "gamma"}, {"method": "lrp", "rule": "gamma", "gamma": 1.0}])


@pytest.mark.parametrize(
    ("layer", "said"), [("block9", r"'block9' is not in the network.*block1"), ("flatten", "channels")]
)
def test_a_layer_that_grad_cam_cannot_take_is_refused(layer: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        GradCam(layer).attribute(asked(zoo("resnet8"), seeded(1, 1, 8, 8)))
