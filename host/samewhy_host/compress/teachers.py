"""Teachers that are asked for scores alone: any predictor, one whose answers are kept, and a file of kept answers.

A file of answers is a ``.npz``: ``samples`` (M, 16) uint8, BLAKE2b digests of the samples' float32 values as (*S, C),
and ``scores`` (M, K) float32. What a student is shown follows from the study (its seed, data, explainers, batches and
epochs), so the same study is taught again from the file, where there is no teacher.
"""

import hashlib
from pathlib import Path
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from samewhy_edge.arrays import Samples
from samewhy_edge.errors import InputError
from samewhy_edge.files import write_npz
from samewhy_edge.predictor import Predictor

ANSWERS = ".npz"
Known = dict[bytes, NDArray[np.float32]]


@final
class Foreign(nn.Module):
    """Any predictor as a teacher: it gives scores, and nothing that could be looked into."""

    def __init__(self, predictor: Predictor) -> None:
        super().__init__()
        self.predictor = predictor

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, *S) to (N, K)"""
        return torch.from_numpy(np.array(self.predictor(samples_of(x)), np.float32)).to(x.device)


@final
class Remembering(nn.Module):
    """A teacher that is asked about each sample once; what it said is written by `save`, and read where it is there.

    Without a teacher, what is not in the file is an error.
    """

    def __init__(self, path: Path, teacher: nn.Module | None) -> None:
        super().__init__()
        self.path, self.known = path, read(path) if path.is_file() else {}
        self.teacher = (teacher,)  # in a tuple: no part of this module, so that no layer of it is found

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, *S) to (N, K)

        Raises:
            InputError: there is no teacher, and no answer about some of the samples.
        """
        names = [hashlib.blake2b(sample.tobytes(), digest_size=16).digest() for sample in samples_of(x)]
        new = [place for place, name in enumerate(names) if name not in self.known]
        if new:
            scores = self._asked(x[new], len(names)).detach().cpu().numpy().astype(np.float32)
            self.known |= {names[place]: one for place, one in zip(new, scores, strict=True)}
        return torch.from_numpy(np.stack([self.known[name] for name in names])).to(x.device)

    def _asked(self, x: Tensor, count: int) -> Tensor:
        (teacher,) = self.teacher
        if teacher is None:
            raise InputError(
                f"{self.path}: has no answer about {len(x)} of {count} samples; answers serve the study they "
                "were kept in: the same seed, data, explainers, batches and epochs; keep them anew, or name the teacher"
            )
        scores: Tensor = teacher(x)
        return scores

    def save(self) -> None:
        """Write what is known."""
        names = np.frombuffer(b"".join(self.known), np.uint8).reshape(-1, 16)
        write_npz(self.path, samples=names, scores=np.stack(list(self.known.values())))


def read(path: Path) -> Known:
    """The answers of a file.

    Raises:
        InputError: it is no file of answers.
    """
    try:
        with np.load(path) as arrays:
            names, scores = arrays["samples"], arrays["scores"]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"{path}: cannot be read as answers of a teacher ({error}); expected a .npz with samples and scores"
        ) from error
    if names.dtype != np.uint8 or names.shape[1:] != (16,) or scores.ndim != 2 or len(scores) != len(names):
        raise InputError(
            f"{path}: found samples {names.dtype} {names.shape} and scores {scores.shape}; "
            "expected uint8 (M, 16) and (M, K)"
        )
    return {name.tobytes(): one for name, one in zip(names, scores.astype(np.float32), strict=True)}


def samples_of(x: Tensor) -> Samples:
    """(N, C, *S) as float32 (N, *S, C)."""
    return np.ascontiguousarray(x.detach().movedim(1, -1).cpu().numpy(), np.float32)
