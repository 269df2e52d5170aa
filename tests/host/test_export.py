import ctypes

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from samewhy_edge.errors import ContractError, GateError
from samewhy_host import export
from samewhy_host.compress import Channels
from samewhy_host.export import BOUND, OPSET, gate_onnx, to_onnx, torch_layers
from samewhy_host.module_file import Recipe
from samewhy_host.torch_runtime import Torch
from tests.host import small

RECIPES = [small.ds_cnn(), small.resnet8(), small.ds_cnn((9, 7, 3))]
NAMES = ["ds_cnn", "resnet8", "ds_cnn in colour"]
CUSTOM = Recipe("none", {}, (8, 8, 1))


@pytest.mark.parametrize("recipe", RECIPES, ids=NAMES)
def test_networks_of_the_zoo_pass_the_gate(recipe: Recipe) -> None:
    module, samples = small.network(recipe), small.noise(8, *recipe.sample)
    report = gate_onnx(module, to_onnx(recipe, module), samples)
    assert report["max_difference"] <= 1e-5
    assert (report["bound"], report["samples"]) == (BOUND, 8)


def test_a_network_with_cut_channels_passes_the_gate() -> None:
    module = small.network(small.resnet8())
    recipe = Channels(0.25).cut(small.resnet8(), module)
    assert gate_onnx(module, to_onnx(recipe, module), small.noise(4, 8, 8, 1))["max_difference"] <= 1e-5


def test_where_torch_itself_rounds_the_file_is_held_against_double_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, samples = small.ds_cnn(), small.noise(8, *small.ds_cnn().sample)
    module = small.network(recipe)
    exact = Torch(module)(samples)
    monkeypatch.setattr(export, "Torch", lambda _: lambda _: exact + np.float32(1e-3))
    report = gate_onnx(module, to_onnx(recipe, module), samples)
    assert report["max_difference"] <= 1e-5
    assert report["torch_rounding"] == pytest.approx(1e-3, rel=0.01)


def test_a_network_that_double_precision_cannot_ask_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    class Single(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last = nn.Linear(64, 10)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            scores: torch.Tensor = self.last(inputs.flatten(1).float())
            return scores

    module, samples = Single().eval(), small.noise(4, 8, 8, 1)
    content = to_onnx(CUSTOM, module)
    monkeypatch.setattr(export, "Torch", lambda _: lambda _: np.ones((4, 10), np.float32))
    with pytest.raises(GateError, match="make the network's constants follow"):
        gate_onnx(module, content, samples)


def test_the_file_has_a_free_batch_and_named_ends() -> None:
    model = onnx.load_from_string(to_onnx(small.ds_cnn(), small.network(small.ds_cnn())))
    assert [one.name for one in model.graph.input] == ["input"]
    assert [one.name for one in model.graph.output] == ["scores"]
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    assert model.opset_import[0].version == OPSET


def test_equal_networks_give_equal_files() -> None:
    one, two = (to_onnx(small.ds_cnn(), small.network(small.ds_cnn())) for _ in range(2))
    assert one == two


def test_an_export_leaves_the_module_as_it_was() -> None:
    module = small.network(small.ds_cnn())
    before = small.state_bytes(module)
    to_onnx(small.ds_cnn(), module)
    assert small.state_bytes(module) == before
    assert not any(part.training for part in module.modules())


@pytest.mark.parametrize(
    ("recipe", "layer"),
    [
        (small.ds_cnn(), "stem"),
        (small.ds_cnn(), "block2/depthwise"),
        (small.ds_cnn(), "block3/pointwise"),
        (small.resnet8(), "block2/conv1"),
        (small.resnet8(), "block2/conv2"),
        (small.resnet8(), "block3/shortcut"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_changed_weight_is_found_by_the_name_of_its_layer(recipe: Recipe, layer: str) -> None:
    module = small.network(recipe)
    changed, node = small.with_moved_weights(to_onnx(recipe, module), layer)
    with pytest.raises(GateError, match=rf"scores differ by .*the first layer apart is {node};"):
        gate_onnx(module, changed, small.split(8).samples)


@pytest.mark.parametrize(("by", "passes"), [(0.5 * BOUND, True), (2 * BOUND, False)])
def test_the_gate_stands_at_its_bound(by: float, passes: bool) -> None:
    """A bias of the last layer moves one score by exactly as much."""
    module = small.network(small.ds_cnn())
    model = onnx.load_from_string(to_onnx(small.ds_cnn(), module))
    bias = next(one for one in model.graph.initializer if one.name == "classifier.bias")
    moved = onnx.numpy_helper.to_array(bias) + np.float32([0, by, 0])
    bias.CopyFrom(onnx.numpy_helper.from_array(moved.astype(np.float32), bias.name))
    if passes:
        found = gate_onnx(module, model.SerializeToString(), small.noise(4, 8, 8, 1))
        assert found["max_difference"] == pytest.approx(by, rel=0.05)
    else:
        with pytest.raises(GateError, match="scores differ"):
            gate_onnx(module, model.SerializeToString(), small.noise(4, 8, 8, 1))


def test_scores_that_are_not_finite_do_not_pass() -> None:
    module = small.network(small.ds_cnn())
    changed, _ = small.with_moved_weights(to_onnx(small.ds_cnn(), module), "block4", by=float("nan"))
    with pytest.raises(GateError, match="scores differ by nan"):
        gate_onnx(module, changed, small.noise(4, 8, 8, 1))


def test_a_module_in_training_mode_does_not_reach_the_gate() -> None:
    module = small.network(small.ds_cnn())
    content = to_onnx(small.ds_cnn(), module)
    with pytest.raises(ContractError, match="training mode"):
        gate_onnx(module.train(), content, small.noise(4, 8, 8, 1))


def test_an_operation_without_an_onnx_form_is_told() -> None:
    with pytest.raises(GateError, match=r"torch to ONNX: .*bessel_j0.*replace that operation"):
        to_onnx(CUSTOM, small.Bessel().eval())
    ctypes.CDLL(None).fflush(None)  # torch prints the graph through C; else it would follow the last line of the run


def test_the_outputs_of_all_parts_are_seen_and_no_hook_stays() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(4, 2), nn.ReLU()).eval()
    moved = small.noise(3, 1, 2, 2)
    layers = torch_layers(module, moved)
    assert [layer.shape for layer in layers] == [(3, 4), (3, 2), (3, 2), (3, 2)]
    assert np.array_equal(layers[2], np.maximum(layers[1], 0))
    assert not any(part._forward_hooks for part in module.modules())


def test_a_part_that_works_in_place_does_not_hide_the_one_before() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(4, 2), nn.ReLU(inplace=True)).eval()
    torch.nn.init.constant_(module[1].bias, -100.0)
    assert torch_layers(module, small.noise(3, 1, 2, 2))[1].max() < -50


def test_a_module_that_stops_without_a_word_is_told_by_the_kind_of_its_error() -> None:
    with pytest.raises(GateError, match="torch to ONNX: AssertionError"):
        to_onnx(CUSTOM, small.Silent().eval())
