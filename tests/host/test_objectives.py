"""Objectives against slow, obvious versions of their formulas, on networks of a few channels."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from samewhy_edge.blend import blend
from samewhy_edge.errors import InputError
from samewhy_edge.explain import Explainer
from samewhy_edge.features import Superpixels
from samewhy_edge.fill import Mean, backgrounds
from samewhy_edge.occlusion import Occlusion
from samewhy_edge.rise import Rise
from samewhy_edge.shapley import KernelShap
from samewhy_host.compress.objectives import OBJECTIVES, gathered, loss_of, objectives_from, taught_by
from samewhy_host.compress.objectives.black_box import DRAWS, BlackBox, Masking
from samewhy_host.compress.objectives.distil import Distil
from samewhy_host.compress.objectives.lesson import POOLED, Scene
from samewhy_host.compress.objectives.matching import apart
from samewhy_host.compress.objectives.sswa import kept
from samewhy_host.train import Train, label_loss, train
from tests.host import small

EXPLAINERS: tuple[Explainer, ...] = (Occlusion(window=(3,), stride=(3,), fill=Mean()), Rise(queries=16, grid=5))
SCENE = Scene(EXPLAINERS, (8, 8, 1), 5)
MAPS = ("ewa", "swa", "sswa", "e2kd")


def net(channels: int = 6, seed: int = 0) -> nn.Sequential:
    """A convolution, ReLU, global average pooling and a linear layer: Grad-CAM has a closed form."""
    torch.manual_seed(seed)
    conv = nn.Conv2d(1, channels, 3, padding=1)
    layers = (conv, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, small.CLASSES))
    return nn.Sequential(*layers)


def value(number: Tensor) -> float:
    return float(number.detach())


def inputs(count: int = 5, seed: int = 0) -> Tensor:
    return torch.rand(count, 1, 8, 8, generator=torch.Generator().manual_seed(seed))


LABELS = torch.tensor([0, 1, 2, 0, 1])


def loss(tables: list[Mapping[str, Any]], student: nn.Module, teacher: nn.Module, labels: Tensor = LABELS) -> Tensor:
    parts = [one.begin(SCENE) for one in objectives_from(tables)]
    layers = list(dict.fromkeys(layer for part in parts for layer in part.layers))
    return loss_of(student, teacher, parts, layers, inputs(), labels, 0.0)


def labels_alone(student: nn.Module) -> Tensor:
    return label_loss(student(inputs()), LABELS, 0.0)


def cams(module: nn.Sequential, classes: Tensor) -> Tensor:
    """ReLU of the sum over channels of the class's weight times the activation: (N, H, W)."""
    activations = module[1](module[0](inputs()))
    return torch.relu(torch.einsum("nc,nchw->nhw", module[4].weight[classes], activations)).detach()


def unit(maps: Tensor) -> Tensor:
    return maps.flatten(1) / maps.flatten(1).norm(dim=1, keepdim=True).clamp(min=1e-12)


@pytest.mark.parametrize("method", sorted(OBJECTIVES))
def test_a_student_that_is_its_teacher_has_nothing_to_learn_but_its_labels(method: str) -> None:
    one, teacher = net().eval(), net().eval()
    table = {"method": method, **({"dropped": 0.0} if method == "sswa" else {})}
    share = OBJECTIVES[method]().begin(SCENE).labels
    assert value(loss([table], one, teacher)) == pytest.approx(share * value(labels_alone(one)), abs=1e-5)


@pytest.mark.parametrize("method", sorted(OBJECTIVES))
def test_an_objective_moves_the_student_and_leaves_the_teacher(method: str) -> None:
    student, teacher = net(seed=3), net()
    taught = taught_by(teacher, objectives_from([{"method": method}]), SCENE, 0.0)
    (taught(student, inputs(), LABELS) - labels_alone(student)).backward()  # type: ignore[no-untyped-call]
    assert student[0].weight.grad.abs().max() > 0
    assert all(one.grad is None for one in teacher.parameters())
    assert not teacher.training


@pytest.mark.parametrize("reduction", ["mean-square", "norm"])
def test_ewa_is_the_distance_of_mean_squares_of_activations(reduction: str) -> None:
    student, teacher = net(seed=1), net(9)
    maps = [unit((one[1](one[0](inputs())) ** 2).mean(dim=1).detach()) for one in (student, teacher)]
    squares = (maps[0] - maps[1]) ** 2
    expected = squares.mean() if reduction == "mean-square" else squares.sum(dim=1).sqrt().mean()
    table = {"method": "ewa", "beta": 7.0, "reduction": reduction}
    assert value(loss([table], student, teacher) - labels_alone(student)) == pytest.approx(
        7 * value(expected), rel=1e-4
    )


def test_swa_asks_both_for_the_class_that_the_teacher_says() -> None:
    student, teacher = net(seed=1), net(9)
    top = teacher(inputs()).argmax(dim=1)
    assert not torch.equal(top, student(inputs()).argmax(dim=1))
    expected = ((unit(cams(student, top)) - unit(cams(teacher, top))) ** 2).mean()
    found = loss([{"method": "swa", "beta": 3.0}], student, teacher) - labels_alone(student)
    assert value(found) == pytest.approx(3 * value(expected), rel=1e-4)


def test_e2kd_is_the_cosine_of_maps_at_the_size_of_the_sample() -> None:
    student, teacher = net(seed=1), net(9)
    top = teacher(inputs()).argmax(dim=1)
    cosines = (unit(cams(student, top)) * unit(cams(teacher, top))).sum(dim=1)
    found = loss([{"method": "e2kd", "beta": 2.0}], student, teacher) - labels_alone(student)
    assert value(found) == pytest.approx(2 * value((1 - cosines).mean()), rel=1e-4)


def test_sensitivities_are_differentiated_a_second_time() -> None:
    """The classifier's weights are the maps' weights: without a second derivative they would learn nothing."""
    student, teacher = net(seed=1), net()
    (loss([{"method": "swa"}], student, teacher) - labels_alone(student)).backward()  # type: ignore[no-untyped-call]
    assert student[4].weight.grad.abs().max() > 1e-6


def test_sswa_leaves_out_a_fixed_number_of_the_teachers_channels_others_each_time() -> None:
    torch.manual_seed(0)
    masks = torch.stack([kept(13, 0.3) for _ in range(40)])
    assert set((masks == 0).sum(dim=1).tolist()) == {3}
    assert masks.min(dim=0).values.max() == 0
    assert masks.max(dim=0).values.min() == 1


def test_sswa_leaves_the_students_channels() -> None:
    """A teacher with all channels alike has the same map whatever is left out; a student's is not touched either."""
    student, teacher = net(seed=1), net(4)
    with torch.no_grad():
        for part in (teacher[0].weight, teacher[0].bias):
            part.copy_(part[:1].expand_as(part))
        teacher[4].weight.copy_(teacher[4].weight[:, :1].expand_as(teacher[4].weight))
    drawn, all_of_them = (loss([{"method": one}], student, teacher) for one in ("sswa", "swa"))
    assert value(drawn) == pytest.approx(value(all_of_them), rel=1e-4)


def test_maps_of_another_size_are_compared_at_the_teachers() -> None:
    student = nn.Sequential(nn.AvgPool2d(2), *net(seed=1))
    assert torch.isfinite(loss([{"method": one} for one in ("ewa", "swa", "e2kd")], student, net()))


def test_a_named_layer_is_the_one_that_is_read() -> None:
    student, teacher = net(seed=1), net()
    default, named, other = (
        loss([{"method": "ewa", **one}], student, teacher) for one in ({}, {"layer": "1"}, {"layer": "0"})
    )
    assert value(default) == value(named) != value(other)


def test_a_layer_that_does_not_exist_is_told_with_those_that_do() -> None:
    with pytest.raises(InputError, match=r"layer 'conv9' is not in the network; expected one of: 0, 1, 2, 3, 4"):
        loss([{"method": "swa", "layer": "conv9"}], net(), net())


def test_a_network_without_global_pooling_needs_a_layer() -> None:
    flat = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 3))
    with pytest.raises(InputError, match="no global pooling"):
        loss([{"method": "swa"}], flat, flat)


def test_distillation_is_the_divergence_of_softened_answers_times_t_squared() -> None:
    student, teacher = torch.randn(4, 3, generator=torch.Generator().manual_seed(1)), torch.eye(4)[:, :3] * 4
    soft, target = (torch.softmax(one / 2.5, dim=1) for one in (student, teacher))
    expected = (target * (target / soft).log()).sum(dim=1).mean() * 2.5**2
    assert value(apart(student, teacher, "softmax", 2.5)) == pytest.approx(value(expected), rel=1e-5)


def test_where_classes_do_not_exclude_each_other_every_class_is_a_coin() -> None:
    student, teacher = torch.randn(4, 3, generator=torch.Generator().manual_seed(1)), torch.eye(4)[:, :3] * 4 - 1
    p, q = torch.sigmoid(teacher / 2), torch.sigmoid(student / 2)
    expected = (p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()).mean() * 4
    assert value(apart(student, teacher, "sigmoid", 2.0)) == pytest.approx(value(expected), rel=1e-4)


def test_what_is_matched_follows_the_labels() -> None:
    student, teacher, many = net(seed=1), net(), torch.eye(3)[LABELS]
    table = {"method": "distil", "alpha": 1.0}
    for labels, match in ((LABELS, "softmax"), (many, "sigmoid")):
        assert value(loss([table], student, teacher, labels)) == value(
            loss([{**table, "match": match}], student, teacher, labels)
        )


def test_alpha_is_taken_from_the_labels() -> None:
    student, teacher = net(seed=1), net()
    whole = loss([{"method": "distil", "alpha": 1.0}], student, teacher)
    mixed = loss([{"method": "distil", "alpha": 0.25}], student, teacher)
    assert value(mixed) == pytest.approx(value(0.25 * whole + 0.75 * labels_alone(student)), rel=1e-5)


def test_losses_are_added() -> None:
    student, teacher = net(seed=1), net()
    both = loss([{"method": "distil"}, {"method": "swa"}], student, teacher)
    one = loss([{"method": "distil"}], student, teacher)
    other = loss([{"method": "swa"}], student, teacher) - labels_alone(student)
    assert value(both) == pytest.approx(value(one + other), rel=1e-5)


# Black-box preservation


def masking(**settings: Any) -> Masking:
    return BlackBox(**settings).begin(SCENE)


@pytest.mark.parametrize("place", [0, 1])
def test_masked_samples_are_those_of_the_explainers_own_plan_and_fill(place: int) -> None:
    explainer = EXPLAINERS[place]
    own = replace(BlackBox(), share=0.5)
    added = own.begin(replace(SCENE, explainers=(explainer,))).added(inputs())
    samples = np.ascontiguousarray(inputs().movedim(1, -1).numpy())
    plans = [explainer.plan((8, 8, 1), SCENE.seed, draw) for draw in DRAWS]
    filled = backgrounds(explainer.fill, samples)
    for sample, background, found in zip(samples, filled, added.movedim(1, -1).numpy(), strict=True):
        known = np.concatenate([blend(sample, plan.keep(0, len(plan)), background) for plan in plans])
        assert np.abs(known - found).reshape(len(known), -1).max(axis=1).min() < 1e-6


def test_masks_are_none_that_a_study_asks_with() -> None:
    rise = EXPLAINERS[1]
    asked = np.concatenate([rise.plan((8, 8, 1), SCENE.seed, draw).keep(0, 16) for draw in (0, 1)])  # type: ignore[union-attr]
    trained = masking().pools[1].keep.numpy()
    assert len(trained) == 16 * len(DRAWS)
    assert not (trained[:, None] == asked[None]).reshape(len(trained), len(asked), -1).all(axis=2).any()


@pytest.mark.parametrize(("share", "count"), [(0.5, 5), (0.2, 1), (0.75, 15)])
def test_a_share_of_what_the_student_sees_is_masked(share: float, count: int) -> None:
    assert len(masking(share=share).added(inputs())) == count


def test_labels_are_asked_for_samples_without_masks_alone() -> None:
    student, teacher = net(seed=1), net()
    assert value(loss([{"method": "black-box", "alpha": 0.0}], student, teacher)) == pytest.approx(
        value(labels_alone(student)), rel=1e-5
    )


def test_scores_under_masks_count() -> None:
    """Two networks that differ on masked samples alone, of which distillation sees nothing."""

    class Dark(nn.Module):
        """The same, but where a sample holds a value that only the fill has."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = net()

        def forward(self, x: Tensor) -> Tensor:
            hidden = (x == -1).flatten(1).any(dim=1, keepdim=True)
            scores: Tensor = self.inner(x) + 3 * hidden * torch.tensor([1.0, 0.0, 0.0])
            return scores

    scene = replace(SCENE, explainers=(Occlusion(window=(3,), stride=(3,), fill=-1.0),))
    student, teacher = net().eval(), Dark().eval()
    found = {}
    for name, one in (("distil", Distil(alpha=1.0)), ("black-box", BlackBox(alpha=1.0))):
        found[name] = value(loss_of(student, teacher, [one.begin(scene)], [], inputs(), LABELS, 0.0).detach())
    assert found["distil"] == pytest.approx(0, abs=1e-6)
    assert found["black-box"] > 0.1


def test_objectives_that_add_samples_get_their_own_back() -> None:
    parts = [masking(share=0.5), Distil(), masking(share=0.2)]
    everything, owned = gathered(parts, inputs())
    assert [(one.start, one.stop) for one in owned] == [(5, 10), (10, 10), (10, 11)]
    assert len(everything) == 11


def test_features_of_audited_samples_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "labels.npy", np.arange(64 * 2).reshape(2, 8, 8) // 8)
    shap = KernelShap(Superpixels(str(tmp_path / "labels.npy")))
    with pytest.raises(InputError, match="features of shapley-kernel are known for the audited samples alone"):
        BlackBox().begin(replace(SCENE, explainers=(shap,)))


def test_its_own_explainers_come_before_the_studys() -> None:
    assert len(masking(explain=({"method": "rise", "queries": 8, "grid": 2},)).pools) == 1


# In training


def test_a_resumed_lesson_ends_like_an_uninterrupted_one(tmp_path: Path) -> None:
    how = Train(epochs=2, batch=16, learning_rate=0.01)
    tables = [{"method": "black-box"}, {"method": "sswa"}]

    def run(name: str, epochs: int) -> dict[str, bytes]:
        module, teacher = net(seed=1), net()
        lesson = taught_by(teacher, objectives_from(tables), SCENE, 0.05)
        seen: list[int] = []

        def stop(_: str) -> None:
            seen.append(1)
            if len(seen) == epochs:
                raise KeyboardInterrupt

        with suppress(KeyboardInterrupt):
            train(module, small.split(), how, 3, tmp_path / name, stop, lesson)
        return small.state_bytes(module)

    whole = run("whole", 9)
    run("cut", 1)
    assert run("cut", 9) == whole


def test_the_pooled_layer_is_what_global_pooling_takes() -> None:
    assert OBJECTIVES["swa"]().begin(SCENE).layers == (POOLED,)


@pytest.mark.parametrize(
    ("table", "found"),
    [
        ({"method": "swaa"}, "did you mean 'swa'"),
        ({"method": "swa", "beta": -1.0}, "swa beta = -1.0"),
        ({"method": "sswa", "dropped": 1.0}, "sswa dropped = 1.0"),
        ({"method": "distil", "alpha": 1.5}, "distil alpha = 1.5"),
        ({"method": "distil", "temperature": 0.0}, "temperature = 0.0"),
        ({"method": "black-box", "share": 1.0}, "black-box share = 1.0"),
        ({"method": "black-box", "explain": [{"method": "rize"}]}, "did you mean 'rise'"),
        ({"method": "ewa", "reduction": "sum"}, "unknown value 'sum'"),
    ],
)
def test_settings_that_mean_nothing_are_refused(table: Mapping[str, Any], found: str) -> None:
    with pytest.raises(InputError, match=found):
        objectives_from([table])
