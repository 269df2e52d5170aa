from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samewhy_host.coded import code_bits, coded_bytes, of_torch, tensor_bytes
from samewhy_host.compress import Magnitude, Shared
from samewhy_host.module_file import save_module
from tests.host import small


@given(st.lists(st.integers(1, 50), min_size=2, max_size=12))
def test_a_code_is_within_a_bit_a_symbol_of_the_entropy(counts: list[int]) -> None:
    shares = np.array(counts) / sum(counts)
    entropy = -(shares * np.log2(shares)).sum() * sum(counts)
    assert entropy - 1e-6 <= code_bits(np.array(counts)) < entropy + sum(counts)


def test_a_known_code() -> None:
    """Lengths 1, 2, 3, 3."""
    assert code_bits(np.array([8, 4, 2, 2])) == 8 + 8 + 6 + 6


def test_a_single_value_takes_a_bit_each() -> None:
    assert tensor_bytes(np.zeros(800, np.float32)) == 100 + 5


def test_weights_that_all_differ_are_left_as_they_are() -> None:
    values = np.arange(100, dtype=np.float32)
    assert tensor_bytes(values) == 400


def test_zeros_and_shared_values_make_files_smaller_when_coded_alone(tmp_path: Path) -> None:
    recipe, sizes = small.ds_cnn(width=32), {}
    for name, how in (("plain", Magnitude(0.0)), ("zeros", Magnitude(0.9)), ("shared", Shared(8))):
        module = small.network(recipe)
        how.cut(recipe, module)
        save_module(tmp_path / f"{name}.pt", recipe, module)
        sizes[name] = (tmp_path / f"{name}.pt").stat().st_size, coded_bytes(tmp_path / f"{name}.pt")
    assert len({size for size, _ in sizes.values()}) == 1
    plain, zeros, shared = (coded for _, coded in sizes.values())
    assert max(zeros or 0, shared or 0) < 0.7 * (plain or 0)
    assert min(zeros or 0, shared or 0) > 0


def test_what_is_saved_is_what_the_tensors_lose(tmp_path: Path) -> None:
    recipe = small.ds_cnn()
    save_module(tmp_path / "one.pt", recipe, small.network(recipe))
    lost = sum(one.nbytes - tensor_bytes(one) for one in of_torch(tmp_path / "one.pt"))
    assert coded_bytes(tmp_path / "one.pt") == (tmp_path / "one.pt").stat().st_size - lost


@pytest.mark.parametrize("path", ["models/fashion_ds_cnn/int8.tflite", "models/fashion_ds_cnn/model.onnx"])
def test_shipped_files_have_a_coded_size(path: str) -> None:
    file = Path(__file__).parents[2] / path
    found = coded_bytes(file)
    assert found is not None
    assert 0.5 * file.stat().st_size < found <= file.stat().st_size


def test_files_of_another_kind_have_none(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(b"1")
    assert coded_bytes(tmp_path / "weights.bin") is None
