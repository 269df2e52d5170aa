"""Predictors whose reasons are known in closed form."""

from dataclasses import dataclass, field
from typing import final

import numpy as np

from samewhy_edge.arrays import Map, Samples, Scores
from samewhy_edge.predictor import Predictor, Spec, Subject
from samewhy_edge.rung import Artifact, Rung

RUNG = Rung(Artifact("0123456789abcdef" * 4, 1234), "made-up 1.0", "none", "nowhere")


@final
@dataclass(frozen=True)
class Additive:
    """score k = offset + sum of weights[k] * sample: every position speaks for itself. Weights (K, *S, C)."""

    weights: Samples
    offset: float = 0.0

    def __call__(self, samples: Samples, /) -> Scores:
        axes = tuple(range(1, samples.ndim))
        # in double precision, so that how a product of matrices sums up does not reach the float32 scores
        wide = np.tensordot(samples.astype(np.float64), self.weights.astype(np.float64), (axes, axes))
        return np.asarray(wide + self.offset, np.float32)

    def shares(self, sample: Samples, target: int, fill: float = 0.0) -> Map:
        """What each position adds to the score, over what the fill would add."""
        return np.asarray((self.weights[target] * (sample - fill)).sum(axis=-1), np.float32)


@final
@dataclass(frozen=True)
class OnePatch:
    """Class 1 is the mean of one patch, class 0 is always 0: no other position has any say."""

    patch: tuple[slice, ...]

    def __call__(self, samples: Samples, /) -> Scores:
        seen: Scores = samples[(slice(None), *self.patch)].reshape(len(samples), -1).mean(axis=1)
        return np.asarray(np.stack([np.zeros_like(seen), seen], axis=1), np.float32)


@final
@dataclass(frozen=True)
class Constant:
    """The same scores for every sample: nothing has any say."""

    scores: tuple[float, ...] = (0.25, 0.75)

    def __call__(self, samples: Samples, /) -> Scores:
        return np.tile(np.array(self.scores, np.float32), (len(samples), 1))


@final
@dataclass
class Recording:
    """Another predictor, and a copy of every batch that it was asked."""

    inner: Predictor
    asked: list[Samples] = field(default_factory=list)

    def __call__(self, samples: Samples, /) -> Scores:
        self.asked.append(samples.copy())
        return self.inner(samples)


def additive(*sample: int, classes: int = 3, seed: int = 0, offset: float = 0.0) -> Additive:
    """An additive world with weights from a seed."""
    drawn = np.random.default_rng(seed).normal(size=(classes, *sample))
    return Additive(drawn.astype(np.float32), offset)


def subject(ask: Predictor, sample: tuple[int, ...], classes: int) -> Subject:
    """A world behind the border check, on a rung that does not exist."""
    return Subject(Spec(sample, classes, RUNG), ask)
