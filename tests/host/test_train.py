from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from samewhy_edge.errors import InputError
from samewhy_host import train as training
from samewhy_host.compress import Magnitude
from samewhy_host.module_file import build, load_plain, save_module
from samewhy_host.train import Train, augment, prunable, train
from tests.host import small
from tests.host.small import QUICK, split, state_bytes


class PowerLossError(Exception):
    """The power went."""


def fresh(seed: int = 0) -> nn.Module:
    recipe = small.ds_cnn()
    torch.manual_seed(seed)
    return build(recipe.factory, recipe.options)


def fall_at(word: str, lines: list[str]) -> Any:
    def told(line: str) -> None:
        lines.append(line)
        if line.startswith(word):
            raise PowerLossError

    return told


def accuracy(module: nn.Module) -> float:
    samples, labels = split(60, seed=9).samples, split(60, seed=9).labels
    with torch.no_grad():
        answers = module(torch.from_numpy(samples).movedim(-1, 1)).argmax(1)
    return float((answers == torch.from_numpy(labels)).float().mean())


def test_training_learns(tmp_path: Path) -> None:
    module = fresh()
    before = accuracy(module.eval())
    train(module, split(96), replace(QUICK, epochs=12), 0, tmp_path / "checkpoint.pt")
    assert accuracy(module) > max(0.8, before)


def test_the_same_seed_gives_the_same_file(tmp_path: Path) -> None:
    for name in ("one", "two"):
        module = fresh()
        train(module, split(), QUICK, 3, tmp_path / f"{name}.checkpoint")
        save_module(tmp_path / name, small.ds_cnn(), module)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_another_seed_gives_other_weights(tmp_path: Path) -> None:
    one, two = fresh(), fresh()
    train(one, split(), QUICK, 3, tmp_path / "one")
    train(two, split(), QUICK, 4, tmp_path / "two")
    assert state_bytes(one) != state_bytes(two)


@pytest.mark.parametrize("how", [QUICK, replace(QUICK, shift=2, flip=False)])
def test_a_resumed_training_ends_like_an_uninterrupted_one(how: Train, tmp_path: Path) -> None:
    whole = fresh()
    train(whole, split(), how, 3, tmp_path / "whole")
    lines: list[str] = []
    with pytest.raises(PowerLossError):
        train(fresh(), split(), how, 3, tmp_path / "checkpoint", fall_at("epoch 2", lines))
    again = fresh(seed=1)  # other initial weights: all that counts is in the checkpoint
    train(again, split(), how, 3, tmp_path / "checkpoint", lines.append)
    assert [line.partition(",")[0] for line in lines] == ["epoch 1 of 3", "epoch 2 of 3", "epoch 3 of 3"]
    assert state_bytes(again) == state_bytes(whole)


def test_a_training_interrupted_within_its_first_epoch_starts_again(tmp_path: Path) -> None:
    whole, again = fresh(), fresh()
    train(whole, split(), QUICK, 3, tmp_path / "whole")
    with pytest.raises(PowerLossError):
        train(fresh(), split(), QUICK, 3, tmp_path / "checkpoint", fall_at("epoch 1", []))
    train(again, split(), QUICK, 3, tmp_path / "checkpoint")
    assert state_bytes(again) == state_bytes(whole)


def test_every_epoch_has_an_order_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []

    def noted(inputs: Tensor, how: Train) -> Tensor:
        seen.append(inputs.numpy().tobytes())
        return inputs

    monkeypatch.setattr(training, "augment", noted)
    train(fresh(), split(16), replace(QUICK, batch=16), 0, tmp_path / "checkpoint")
    assert len(set(seen)) == len(seen) == 3


def test_a_finished_training_is_taken_from_its_checkpoint(tmp_path: Path) -> None:
    whole, again = fresh(), fresh(seed=1)
    train(whole, split(), QUICK, 3, tmp_path / "checkpoint")
    lines: list[str] = []
    train(again, split(), QUICK, 3, tmp_path / "checkpoint", lines.append)
    assert not lines
    assert state_bytes(again) == state_bytes(whole)
    assert not again.training


def test_the_checkpoint_holds_no_code(tmp_path: Path) -> None:
    train(fresh(), split(), QUICK, 3, tmp_path / "checkpoint")
    assert load_plain(tmp_path / "checkpoint")["epoch"] == 3


def test_weights_that_are_zero_stay_zero_and_others_move(tmp_path: Path) -> None:
    module = fresh()
    Magnitude(0.6).cut(small.ds_cnn(), module)
    before = [weight.detach().clone() for weight in prunable(module)]
    train(module, split(), QUICK, 0, tmp_path / "checkpoint")
    for old, new in zip(before, prunable(module), strict=True):
        assert torch.equal(old == 0, new == 0)
        assert not torch.equal(old, new)


def test_zeros_stay_zero_after_an_interruption(tmp_path: Path) -> None:
    def pruned() -> nn.Module:
        module = fresh()
        Magnitude(0.6).cut(small.ds_cnn(), module)
        return module

    module = pruned()
    with pytest.raises(PowerLossError):
        train(pruned(), split(), QUICK, 0, tmp_path / "checkpoint", fall_at("epoch 3", []))
    train(module, split(), QUICK, 0, tmp_path / "checkpoint")
    for old, new in zip(prunable(pruned()), prunable(module), strict=True):
        assert torch.equal(old == 0, new == 0)


def test_every_part_ends_in_evaluation_mode(tmp_path: Path) -> None:
    module = fresh()
    train(module, split(), QUICK, 0, tmp_path / "checkpoint")
    assert not any(part.training for part in module.modules())


def test_a_line_is_told_after_every_epoch_with_a_loss_that_falls(tmp_path: Path) -> None:
    lines: list[str] = []
    train(fresh(), split(96), replace(QUICK, epochs=8), 0, tmp_path / "checkpoint", lines.append)
    losses = [float(line.rpartition(" ")[2]) for line in lines]
    assert len(losses) == 8
    assert losses[-1] < losses[0]


def test_a_last_batch_that_is_smaller_is_trained_on_too(tmp_path: Path) -> None:
    """Six samples in batches of four: the schedule has two steps an epoch, and asks for no third."""
    train(fresh(), split(6), replace(QUICK, batch=4), 0, tmp_path / "checkpoint")
    assert load_plain(tmp_path / "checkpoint")["schedule"]["last_epoch"] == 6


def test_samples_with_one_spatial_axis_are_trained_on(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv1d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(24, 3))
    before = state_bytes(module)
    train(module, split(12, (8, 2)), QUICK, 0, tmp_path / "checkpoint")
    assert state_bytes(module) != before


def test_flipping_mirrors_about_half_of_the_samples_along_their_last_axis() -> None:
    torch.manual_seed(0)
    inputs = torch.rand(200, 1, 3, 4)
    flipped = augment(inputs, Train(flip=True))
    same = (flipped == inputs).flatten(1).all(1)
    assert torch.equal(flipped[~same], inputs[~same].flip(-1))
    assert 70 < same.sum() < 130


def test_shifting_moves_a_batch_by_no_more_than_it_may() -> None:
    inputs = torch.rand(2, 1, 9, 9)
    moves = {(dy, dx): inputs.roll((dy, dx), (2, 3)) for dy in range(-2, 3) for dx in range(-2, 3)}
    seen = set()
    for seed in range(60):
        torch.manual_seed(seed)
        moved = augment(inputs, Train(flip=False, shift=2))
        seen.update(move for move, expected in moves.items() if torch.equal(moved, expected))
    assert {dy for dy, _ in seen} == {dx for _, dx in seen} == set(range(-2, 3))


def test_nothing_is_drawn_for_what_is_switched_off() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    inputs = torch.rand(2, 1, 3, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(augment(inputs, Train(flip=False)), inputs)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"epochs": 0}, "epochs=0"),
        ({"batch": 1}, "batch=1"),
        ({"learning_rate": 0.0}, "learning_rate=0.0"),
        ({"learning_rate": -0.1}, "learning_rate=-0.1"),
        ({"learning_rate": float("nan")}, "learning_rate=nan"),
        ({"weight_decay": -0.1}, "weight_decay=-0.1"),
        ({"label_smoothing": 1.5}, "label_smoothing=1.5"),
        ({"shift": -1}, "shift=-1"),
    ],
)
def test_settings_that_mean_nothing_are_refused(values: dict[str, Any], found: str) -> None:
    with pytest.raises(InputError, match=f"{found}.*expected"):
        Train(**values)


def test_settings_at_their_ends_are_taken() -> None:
    assert Train(epochs=1, batch=2, weight_decay=0, label_smoothing=0, shift=0).batch == 2
