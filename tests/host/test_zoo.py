import importlib

import onnx
import pytest
import torch

from samewhy_edge.errors import InputError
from samewhy_host.export import gate_onnx, to_onnx
from samewhy_host.module_file import Recipe, build
from samewhy_host.zoo import ZOO, conv1d, ds_cnn, resnet8
from tests.host.small import noise, numbers

SMALLER = {"wide_resnet": {"depth": 10, "widen": 1}, "resnet18": {"width": 8}}  # than tests have time for
TRAINED = {  # without running statistics, as papers count
    "resnet18": (10, 3, {}, 11_173_962),
    "wide_resnet": (10, 3, {}, 36_479_194),
}
COUNTED = {
    "mobilenet": (2, 3, {}, 219_058),
    "vgg": (10, 1, {}, 73_338),
    "cnn5": (10, 3, {}, 111_946),
    "resnet18": (10, 3, {}, 11_183_562),
    "wide_resnet": (10, 3, {}, 36_497_146),
}


@pytest.mark.parametrize("name", COUNTED)
def test_a_network_has_the_parameters_that_its_page_says(name: str) -> None:
    classes, channels, options, count = COUNTED[name]
    with torch.device("meta"):
        module = build(ZOO[name], {"classes": classes, "channels": channels, **options})
    assert numbers(module) == count
    assert f"{count:,}" in str(importlib.import_module(ZOO[name].partition(":")[0]).__doc__)
    if name in TRAINED:
        assert sum(one.numel() for one in module.parameters()) == TRAINED[name][-1]


@pytest.mark.parametrize(("divide", "width"), [(2, 8), (4, 4), (8, 2)])
def test_a_divided_vgg_has_thinner_stages(divide: int, width: int) -> None:
    module = build(ZOO["vgg"], {"classes": 10, "channels": 1, "divide": divide})
    widths = [part.out_channels for part in module.modules() if isinstance(part, torch.nn.Conv2d)]
    assert widths == [width, width, 2 * width, 2 * width, 4 * width, 4 * width]


def test_a_depth_of_no_whole_blocks_is_refused() -> None:
    with pytest.raises(InputError, match="wide_resnet depth = 12"):
        build(ZOO["wide_resnet"], {"classes": 2, "channels": 1, "depth": 12})


def test_ds_cnn_has_the_parameters_that_its_page_says() -> None:
    assert numbers(ds_cnn.ds_cnn(classes=12, channels=1)) == 24_908
    assert "24,908 parameters" in str(ds_cnn.__doc__)


def test_resnet8_has_the_parameters_that_its_page_says() -> None:
    assert numbers(resnet8.resnet8(classes=10, channels=3)) == 78_666
    assert "78,666 parameters" in str(resnet8.__doc__)


@pytest.mark.parametrize("name", ZOO)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(28, 28), (32, 32), (49, 10), (13, 7)])
def test_any_input_size_gives_a_row_of_logits(name: str, channels: int, size: tuple[int, int]) -> None:
    module = build(ZOO[name], {"classes": 5, "channels": channels, **SMALLER.get(name, {})}).eval()
    with torch.no_grad():
        assert module(torch.zeros(2, channels, *size)).shape == (2, 5)


@pytest.mark.parametrize("name", ZOO)
def test_logits_have_both_signs(name: str) -> None:
    """No softmax and no ReLU stands behind the classifier."""
    torch.manual_seed(0)
    module = build(ZOO[name], {"classes": 20, "channels": 1, **SMALLER.get(name, {})}).eval()
    with torch.no_grad():
        scores = module(torch.randn(4, 1, 16, 16))
    assert scores.min() < 0 < scores.max()


@pytest.mark.parametrize("name", ZOO)
def test_the_width_is_the_number_of_channels_of_the_stem(name: str) -> None:
    module = build(ZOO[name], {"classes": 5, "channels": 1, **SMALLER.get(name, {}), "width": 6})
    assert module.get_submodule("stem.conv").out_channels == 6


def test_ds_cnn_takes_the_stem_of_the_options() -> None:
    module = build(ZOO["ds_cnn"], {"classes": 5, "channels": 1, "stem": [3, 5]})
    assert module.get_submodule("stem.conv").kernel_size == (3, 5)


def test_the_original_stem_halves_the_spectrogram_as_the_benchmark_does() -> None:
    """49 x 10 coefficients become 25 x 5 positions."""
    stem = ds_cnn.ds_cnn(classes=12, channels=1).get_submodule("stem")
    assert stem(torch.zeros(2, 1, 49, 10)).shape[2:] == (25, 5)


def test_a_block_of_ds_cnn_filters_every_channel_by_itself() -> None:
    conv = ds_cnn.ds_cnn(classes=2, channels=1, width=8).get_submodule("block2.depthwise.conv")
    assert (conv.groups, tuple(conv.weight.shape)) == (8, (8, 1, 3, 3))


def test_a_residual_block_adds_its_input() -> None:
    block = resnet8.Residual(4, 4, stride=1).eval()
    for part in (block.conv2.weight, block.conv2.bias):
        torch.nn.init.zeros_(part)
    x = torch.rand(2, 4, 5, 5)
    torch.testing.assert_close(block(x), x)


def test_a_strided_block_projects_its_input() -> None:
    block = resnet8.Residual(4, 8, stride=2).eval()
    for part in (block.conv2.weight, block.conv2.bias, block.shortcut.bias):
        torch.nn.init.zeros_(part)
    x = torch.randn(2, 4, 6, 6)
    torch.testing.assert_close(block(x), block.shortcut(x).relu())


def test_conv1d_has_the_parameters_that_its_page_says() -> None:
    assert numbers(conv1d.conv1d(classes=7, channels=6)) == 17_799
    assert "17,799 parameters" in str(conv1d.__doc__)


@pytest.mark.parametrize("length", [100, 50, 37, 8])
def test_conv1d_takes_series_of_any_length(length: int) -> None:
    module = build(ZOO["conv1d"], {"classes": 5, "channels": 6}).eval()
    with torch.no_grad():
        assert module(torch.zeros(2, 6, length)).shape == (2, 5)


def test_conv1d_gives_a_series_and_an_image_one_position_wide_the_same_scores() -> None:
    module, series = build(ZOO["conv1d"], {"classes": 5, "channels": 6}).eval(), torch.randn(3, 6, 40)
    with torch.no_grad():
        assert torch.equal(module(series), module(series[..., None]))


def test_conv1d_sees_all_sensors_and_a_stretch_of_time_at_once() -> None:
    module = conv1d.conv1d(classes=7, channels=6, width=10, kernels=(9, 3, 3))
    assert tuple(module.get_submodule("stem.conv").weight.shape) == (10, 6, 9, 1)
    assert tuple(module.get_submodule("block2.conv").weight.shape) == (20, 10, 3, 1)


def test_conv1d_halves_time_twice() -> None:
    module, seen = conv1d.conv1d(classes=7, channels=6).eval(), []
    module.get_submodule("block2").register_forward_hook(lambda _, __, output: seen.append(output.shape))
    module(torch.zeros(1, 6, 100))
    assert seen == [(1, 64, 25, 1)]


def test_conv1d_notices_the_order_of_time() -> None:
    torch.manual_seed(0)
    module, series = conv1d.conv1d(classes=7, channels=6).eval(), torch.randn(4, 6, 60)
    with torch.no_grad():
        assert not torch.allclose(module(series), module(series.flip(-1)), atol=1e-3)


def test_conv1d_passes_the_gate_to_onnx_with_series_of_one_axis() -> None:
    recipe = Recipe(ZOO["conv1d"], {"classes": 3, "channels": 3, "width": 8}, (20, 3))
    torch.manual_seed(0)
    module = recipe.build().eval()
    content = to_onnx(recipe, module)
    assert gate_onnx(module, content, noise(8, 20, 3))["max_difference"] <= 1e-5
    kinds = [node.op_type for node in onnx.load_from_string(content).graph.node]
    assert kinds.count("Unsqueeze") == 1
    assert not {"Reshape", "Transpose", "Squeeze"} & set(kinds)
