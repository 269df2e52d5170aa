from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from samewhy_edge.errors import AddressError, ArtifactError, ContractError, InputError
from samewhy_edge.predictor import open_predictor
from samewhy_edge.rung import artifact
from samewhy_edge.testing import check_predictor
from samewhy_host.module_file import save_module
from samewhy_host.torch_runtime import Torch, count_classes
from tests.host import small
from tests.host.small import Reading, noise


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A state dict without any word about its network."""
    torch.manual_seed(0)
    torch.save(small.linear().state_dict(), tmp_path / "plain.pt")
    return tmp_path / "plain.pt"


def test_channels_last_samples_reach_the_network_channels_first() -> None:
    samples = noise(5, 4, 6, 3)
    scores = Torch(Reading((1, 2, 5), (0, 3, 0)).eval())(samples)
    assert np.array_equal(scores, np.stack([samples[:, 2, 5, 1], samples[:, 3, 0, 0]], axis=1))


def test_samples_with_one_spatial_axis_reach_the_network_channels_first() -> None:
    samples = noise(5, 9, 2)
    assert np.array_equal(Torch(Reading((1, 7)).eval())(samples)[:, 0], samples[:, 7, 1])


def test_scores_do_not_depend_on_the_number_of_threads() -> None:
    # 9 rows of 512 sums each: two threads split them otherwise than one, which shows in the last bits
    layers = nn.Flatten(), nn.Linear(4096, 512), nn.ReLU(), nn.Linear(512, 10)
    module, samples, before = nn.Sequential(*layers).eval(), noise(9, 64, 64, 1), torch.get_num_threads()
    given = []
    for count in (1, 2, 4):
        torch.set_num_threads(count)
        given.append(Torch(module)(samples).tobytes())
        assert torch.get_num_threads() == count
    torch.set_num_threads(before)
    assert len(set(given)) == 1


def test_scores_are_those_of_the_module() -> None:
    module, samples = small.network(small.resnet8()), noise(6, 8, 8, 1)
    with torch.no_grad():
        expected = module(torch.from_numpy(samples.transpose(0, 3, 1, 2).copy())).numpy()
    assert np.array_equal(Torch(module)(samples), expected)


def test_a_module_in_training_mode_is_refused() -> None:
    with pytest.raises(ContractError, match=r"training mode \(the module\).*call module\.eval\(\)"):
        Torch(small.network(small.ds_cnn()).train())


def test_a_module_with_one_part_in_training_mode_is_refused_by_the_name_of_the_part() -> None:
    module = small.network(small.ds_cnn())
    module.get_submodule("block2.depthwise.norm").train()
    with pytest.raises(ContractError, match=r"training mode \(block2\.depthwise\.norm\)"):
        Torch(module)


@pytest.mark.parametrize("kind", ["reversed", "read-only", "broadcast"])
def test_samples_may_lie_in_memory_as_they_like(kind: str) -> None:
    samples = noise(4, 8, 8, 1)
    frozen = samples.copy()
    frozen.flags.writeable = False
    module = Torch(small.network(small.ds_cnn()))
    given, same = {
        "reversed": (samples[::-1], samples[::-1].copy()),
        "read-only": (frozen, samples),
        "broadcast": (np.broadcast_to(samples[:1], samples.shape), np.repeat(samples[:1], 4, axis=0)),
    }[kind]
    assert np.array_equal(module(given), module(same))


def test_a_samewhy_file_is_opened_by_its_address(tmp_path: Path) -> None:
    module = small.network(small.ds_cnn())
    save_module(tmp_path / "module.pt", small.ds_cnn(), module)
    subject = open_predictor(f"torch:{tmp_path / 'module.pt'}")
    assert subject.spec.sample == (8, 8, 1)
    assert subject.spec.classes == small.CLASSES
    assert subject.spec.rung.artifact == artifact(tmp_path / "module.pt")
    assert subject.spec.rung.runtime.startswith("torch 2.")
    samples = noise(3, 8, 8, 1)
    assert np.array_equal(subject(samples), Torch(module)(samples))


def test_an_opened_file_keeps_the_promises_of_a_predictor(tmp_path: Path) -> None:
    save_module(tmp_path / "module.pt", small.ds_cnn((8, 8, 3)), small.network(small.ds_cnn((8, 8, 3))))
    failed = [check for check in check_predictor(open_predictor(f"torch:{tmp_path / 'module.pt'}")) if not check.kept]
    assert not failed


def test_a_plain_state_dict_is_opened_with_its_factory(plain: Path) -> None:
    subject = open_predictor(f"torch:{plain}?factory=tests.host.small:linear&sample=8x8x1")
    samples = noise(3, 8, 8, 1)
    state = torch.load(plain, weights_only=True)
    expected = samples.reshape(3, 64) @ state["1.weight"].numpy().T + state["1.bias"].numpy()
    np.testing.assert_allclose(subject(samples), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("text", ["", "8x8x1x1", "8", "8x-8x1", "axbxc", "8x8x", "8,8,1"])
def test_a_sample_that_is_no_shape_is_refused(text: str, plain: Path) -> None:
    with pytest.raises(AddressError, match="expected the sample's shape, for example sample=28x28x1"):
        open_predictor(f"torch:{plain}?factory=tests.host.small:linear&sample={text}")


def test_a_factory_without_a_sample_is_refused(plain: Path) -> None:
    with pytest.raises(AddressError, match="expected the sample's shape"):
        open_predictor(f"torch:{plain}?factory=tests.host.small:linear")


def test_a_sample_that_the_network_does_not_take_is_refused(plain: Path) -> None:
    with pytest.raises(ArtifactError, match=r"does not take samples of shape \(9, 8, 1\)"):
        open_predictor(f"torch:{plain}?factory=tests.host.small:linear&sample=9x8x1")


def test_an_unknown_factory_is_refused(plain: Path) -> None:
    with pytest.raises(InputError, match=r"factory 'tests\.host\.small:none'"):
        open_predictor(f"torch:{plain}?factory=tests.host.small:none&sample=8x8x1")


def test_an_unknown_option_is_refused_with_the_known_ones(plain: Path) -> None:
    with pytest.raises(AddressError, match="'threads'; known: factory, sample"):
        open_predictor(f"torch:{plain}?threads=2")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="found no file"):
        open_predictor(f"torch:{tmp_path / 'none.pt'}")


@pytest.mark.parametrize(
    ("module", "found"),
    [
        (small.Picture(), r"gives shape \(1, 1, 8, 8\)"),
        (nn.Sequential(nn.Flatten(0)), r"gives shape \(64,\)"),
        (nn.Sequential(nn.Flatten(0, 2)), r"gives shape \(8, 8\)"),
        (small.Twice(), "gives tuple"),
    ],
    ids=["picture", "vector", "rows", "two tensors"],
)
def test_a_network_that_gives_no_row_of_scores_is_refused(module: nn.Module, found: str) -> None:
    with pytest.raises(ArtifactError, match=f"{found}, expected one row of class scores"):
        count_classes(module, (8, 8, 1))
