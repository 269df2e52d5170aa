"""Teachers that are asked for scores alone, and the files that their answers are kept in."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from samewhy_edge.errors import InputError
from samewhy_edge.files import write_npz
from samewhy_host.compress.objectives.lesson import pooling
from samewhy_host.compress.teachers import Foreign, Remembering, read


class Counting(nn.Module):
    """Sums of channels; counts the samples that it was asked about."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.pool = nn.AdaptiveAvgPool2d(1)

    def forward(self, x: Tensor) -> Tensor:
        self.asked += len(x)
        return x.sum(dim=(2, 3))


def batch(count: int = 5, seed: int = 0) -> Tensor:
    return torch.rand(count, 3, 4, 4, generator=torch.Generator().manual_seed(seed))


def test_what_was_asked_is_not_asked_again_nor_after_it_was_saved(tmp_path: Path) -> None:
    teacher = Counting()
    kept = Remembering(tmp_path / "teacher.npz", teacher)
    scores = kept(batch())
    assert torch.equal(scores, teacher(batch()))
    again = kept(torch.cat([batch(), batch(2, seed=1)]))
    assert torch.equal(again[:5], scores)
    assert teacher.asked == 5 + 5 + 2  # five by the comparison above
    kept.save()
    alone = Remembering(tmp_path / "teacher.npz", None)
    assert torch.equal(alone(batch()), scores)
    assert len(read(tmp_path / "teacher.npz")) == 7


def test_without_the_teacher_what_is_not_known_is_an_error_that_says_why(tmp_path: Path) -> None:
    kept = Remembering(tmp_path / "teacher.npz", Counting())
    kept(batch())
    kept.save()
    with pytest.raises(InputError, match=r"no answer about 2 of 7 samples; answers serve the study"):
        Remembering(tmp_path / "teacher.npz", None)(torch.cat([batch(), batch(2, seed=1)]))


def test_a_teacher_that_is_remembered_cannot_be_looked_into(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no global pooling in the network"):
        pooling(Remembering(tmp_path / "teacher.npz", Counting()))


def test_any_predictor_teaches(tmp_path: Path) -> None:
    foreign = Foreign(lambda samples: samples.sum(axis=(1, 2)))
    assert torch.allclose(foreign(batch()), Counting()(batch()), atol=1e-5)


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"samples": np.zeros((2, 16), np.uint8)}, "cannot be read as answers of a teacher"),
        ({"samples": np.zeros((2, 16)), "scores": np.zeros((2, 3))}, "found samples float64"),
        ({"samples": np.zeros((2, 16), np.uint8), "scores": np.zeros((3, 3))}, r"scores \(3, 3\); expected"),
    ],
)
def test_a_file_that_holds_no_answers_is_refused(arrays: dict[str, np.ndarray], sentence: str, tmp_path: Path) -> None:
    write_npz(tmp_path / "teacher.npz", **arrays)
    with pytest.raises(InputError, match=sentence):
        read(tmp_path / "teacher.npz")
