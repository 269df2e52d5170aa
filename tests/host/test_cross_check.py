from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samewhy_edge.errors import ContractError
from samewhy_edge.explain import Explainer
from samewhy_edge.fill import Background
from samewhy_edge.occlusion import Occlusion
from samewhy_edge.predictor import open_predictor
from samewhy_edge.rise import Rise
from samewhy_host import cross_check
from samewhy_host.cross_check import cross_checked, of_captum, read, to_check
from samewhy_host.module_file import save_module
from samewhy_host.steps import Steps
from tests.host import small

SAMPLES = small.noise(6, *small.ds_cnn().sample)
TARGETS = np.arange(6) % 3
SHOWN = [4, 1]
OURS = Occlusion((4,), (2,))


def checked(folder: Path, *explainers: Explainer, shown: list[int] = SHOWN) -> Path:
    module = small.network(small.ds_cnn())
    save_module(folder / "float.pt", small.ds_cnn(), module)
    reference = open_predictor(f"torch:{folder / 'float.pt'}"), module
    return cross_checked(Steps(folder / "steps"), reference, explainers or (OURS,), SAMPLES, TARGETS, shown)


def test_our_occlusion_is_captums_and_the_gradients_are_of_what_is_shown(tmp_path: Path) -> None:
    folder = checked(tmp_path)
    found = read(folder)["occlusion"]
    assert found["max_difference"] <= found["bound"]
    assert found["samples"] == 2
    with np.load(folder / "maps.npz") as arrays:
        assert arrays["samples"].tolist() == SHOWN
        assert arrays["maps"].shape == (2, *SAMPLES.shape[1:-1])


def test_it_is_done_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = checked(tmp_path)

    def again(*_: Any) -> None:
        raise AssertionError("asked again")

    monkeypatch.setattr(cross_check.gradients, "integrated_gradients", again)
    assert checked(tmp_path) == before
    with pytest.raises(AssertionError, match="asked again"):
        checked(tmp_path, shown=[0])


def test_a_check_that_fails_is_no_finished_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cross_check.gradients, "BOUND", -1.0)
    for _ in range(2):
        with pytest.raises(ContractError, match="differs from Captum's"):
            checked(tmp_path)


def test_without_an_occlusion_of_captums_convention_nothing_is_compared(tmp_path: Path) -> None:
    assert read(checked(tmp_path, Rise(8))) == {"occlusion": None}
    assert of_captum([Rise(8), OURS]) == OURS


def test_where_each_sample_has_its_own_background_all_are_checked(tmp_path: Path) -> None:
    np.save(tmp_path / "own.npy", SAMPLES)
    np.save(tmp_path / "one.npy", SAMPLES[0])
    assert to_check(Background(str(tmp_path / "own.npy")), SAMPLES, SHOWN) == list(range(6))
    assert to_check(Background(str(tmp_path / "one.npy")), SAMPLES, SHOWN) == SHOWN
    assert to_check(0.0, SAMPLES, SHOWN) == SHOWN
