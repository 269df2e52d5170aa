import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from samewhy_edge.errors import ArtifactError, InputError
from samewhy_host.compress import Channels
from samewhy_host.module_file import Recipe, build, example, load_module, load_plain, save_module, with_weights
from samewhy_host.torch_runtime import Torch
from tests.host import small


class Code:
    """Runs when it is unpickled."""

    def __reduce__(self) -> Any:
        return Path.touch, (Path("ran"),)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save_module(tmp_path / "module.pt", small.ds_cnn(), small.network(small.ds_cnn()))
    return tmp_path / "module.pt"


@pytest.mark.parametrize("recipe", [small.ds_cnn(), small.resnet8((9, 7, 3))], ids=["ds_cnn", "resnet8"])
def test_recipe_and_weights_come_back(recipe: Recipe, tmp_path: Path) -> None:
    module = small.network(recipe)
    save_module(tmp_path / "module.pt", recipe, module)
    found, again = load_module(tmp_path / "module.pt")
    assert found == recipe
    assert small.state_bytes(again) == small.state_bytes(module)
    assert not any(part.training for part in again.modules())


def test_the_history_of_cut_channels_comes_back(tmp_path: Path) -> None:
    module = small.network(small.ds_cnn())
    recipe = Channels(0.25).cut(small.ds_cnn(), module)
    save_module(tmp_path / "module.pt", recipe, module)
    found, _ = load_module(tmp_path / "module.pt")
    assert found.history == recipe.history != ()


def test_a_file_that_was_read_is_written_again_byte_for_byte(saved: Path) -> None:
    save_module(saved.with_name("again.pt"), *load_module(saved))
    assert saved.with_name("again.pt").read_bytes() == saved.read_bytes()


def test_equal_weights_give_equal_bytes_however_they_lie_in_memory(tmp_path: Path) -> None:
    module = small.network(small.resnet8())
    save_module(tmp_path / "one.pt", small.resnet8(), module)
    save_module(tmp_path / "two.pt", small.resnet8(), module.to(memory_format=torch.channels_last))
    assert not module.get_parameter("block1.conv1.weight").is_contiguous()
    assert (tmp_path / "one.pt").read_bytes() == (tmp_path / "two.pt").read_bytes()


def test_one_other_weight_gives_other_bytes(saved: Path) -> None:
    recipe, module = load_module(saved)
    with torch.no_grad():
        module.get_parameter("classifier.bias")[0] += 1e-6
    save_module(saved.with_name("again.pt"), recipe, module)
    assert saved.with_name("again.pt").read_bytes() != saved.read_bytes()


@pytest.mark.filterwarnings("ignore::UserWarning")  # torch warns of the very thing that is tested
def test_a_file_that_holds_code_is_refused_and_the_code_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"format": 1, "state": Code()}, "code.pt")
    with pytest.raises(ArtifactError, match=r"code\.pt: not readable as torch weights"):
        load_module(Path("code.pt"))
    assert not Path("ran").exists()


@pytest.mark.parametrize("content", [b"", b"no torch file", b"\x80\x02}q\x00."[:3]])
def test_a_broken_file_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "module.pt").write_bytes(content)
    with pytest.raises(ArtifactError, match=r"module\.pt: not readable as torch weights"):
        load_module(tmp_path / "module.pt")


def test_a_truncated_file_is_refused(saved: Path) -> None:
    saved.write_bytes(saved.read_bytes()[:-100])
    with pytest.raises(ArtifactError, match=r"module\.pt: not readable as torch weights"):
        load_module(saved)


def test_a_tensor_alone_is_no_state_dict(tmp_path: Path) -> None:
    torch.save(torch.zeros(3), tmp_path / "tensor.pt")
    with pytest.raises(ArtifactError, match="holds Tensor, expected a state dict"):
        load_plain(tmp_path / "tensor.pt")


def test_a_plain_state_dict_is_refused_with_the_address_that_opens_it(tmp_path: Path) -> None:
    torch.save(small.network(small.ds_cnn()).state_dict(), tmp_path / "plain.pt")
    with pytest.raises(ArtifactError, match=r"torch:plain\.pt\?factory=package\.module:function&sample="):
        load_module(tmp_path / "plain.pt")


def test_weights_of_another_shape_are_refused_by_the_name_of_the_tensor(saved: Path) -> None:
    wide = small.ds_cnn(width=12).build()
    with pytest.raises(ArtifactError, match=r"weights do not fit the network: .*stem\.conv\.weight"):
        with_weights(wide, load_module(saved)[1].state_dict(), saved)


def test_missing_weights_are_named(saved: Path) -> None:
    state = load_module(saved)[1].state_dict()
    del state["classifier.bias"]
    with pytest.raises(ArtifactError, match=r"Missing key.*classifier\.bias"):
        with_weights(small.ds_cnn().build(), state, saved)


def test_weights_that_the_network_does_not_have_are_named(saved: Path) -> None:
    state = load_module(saved)[1].state_dict()
    state["extra"] = torch.zeros(1)
    with pytest.raises(ArtifactError, match=r"Unexpected key.*extra"):
        with_weights(small.ds_cnn().build(), state, saved)


@pytest.mark.parametrize("factory", ["no_such_package:net", "samewhy_host.zoo:no_such", "ds_cnn", "", ":net"])
def test_a_factory_that_cannot_be_found_is_refused(factory: str) -> None:
    with pytest.raises(InputError, match=f"factory '{factory}': .*expected package.module:function"):
        build(factory, {})


def test_options_that_a_factory_does_not_take_are_refused() -> None:
    with pytest.raises(InputError, match=r"does not take \{'depth': 3\}"):
        build("samewhy_host.zoo.ds_cnn:ds_cnn", {"depth": 3})


def test_a_factory_that_gives_no_module_is_refused() -> None:
    with pytest.raises(InputError, match="gave str, expected a torch module"):
        build("tests.host.small:no_module", {})


def test_the_users_own_network_may_lie_in_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = (
        "from torch import nn\n\ndef net(classes):\n    return nn.Sequential(nn.Flatten(), nn.Linear(64, classes))\n"
    )
    (tmp_path / "own_network_for_a_test.py").write_text(lines)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    try:
        recipe = Recipe("own_network_for_a_test:net", {"classes": 5}, (8, 8, 1))
        save_module(Path("own.pt"), recipe, recipe.build())
        assert Torch(load_module(Path("own.pt"))[1])(small.noise(2, 8, 8, 1)).shape == (2, 5)
    finally:
        sys.modules.pop("own_network_for_a_test", None)


def test_a_built_module_has_cut_channels_and_is_in_evaluation_mode() -> None:
    module = small.network(small.ds_cnn())
    recipe = Channels(0.5).cut(small.ds_cnn(), module)
    again = recipe.build()
    assert {n: p.shape for n, p in again.named_parameters()} == {n: p.shape for n, p in module.named_parameters()}
    assert not any(part.training for part in again.modules())


def test_a_build_leaves_the_recipe_as_it_is() -> None:
    recipe = Channels(0.5).cut(small.ds_cnn(), small.network(small.ds_cnn()))
    before = replace(recipe, history=tuple((name, out, list(cut)) for name, out, cut in recipe.history))
    recipe.build()
    assert recipe == before


@pytest.mark.parametrize(("sample", "shape"), [((8, 6, 3), (1, 3, 8, 6)), ((50, 2), (1, 2, 50))])
def test_an_example_has_its_channels_first(sample: tuple[int, ...], shape: tuple[int, ...]) -> None:
    assert np.array_equal(example(sample).numpy(), np.zeros(shape, np.float32))
