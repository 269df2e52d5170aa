"""Black-box preservation: the student answers masked samples as its teacher does.

A map of occlusion or RISE is made of nothing but scores of masked samples, so a student that gives the teacher's scores
there has the teacher's maps, on whatever it is run. No gradient and no layer of the teacher is looked at.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, final

import numpy as np
import torch
from torch import Tensor

from samewhy_edge.arrays import Samples
from samewhy_edge.errors import InputError
from samewhy_edge.explain import Explainer, explainer_from
from samewhy_edge.fill import Fill, backgrounds
from samewhy_edge.plan import Each, Plan, digest
from samewhy_host.compress.objectives.lesson import Lesson, Scene
from samewhy_host.compress.objectives.matching import Match, apart, check_share, match_of

DRAWS = range(64, 72)  # of each explainer's masks: none that a study asks with
MOST = 4096  # masks of an explainer


@final
@dataclass(frozen=True, slots=True)
class BlackBox:
    """`share` of what the student sees is masked, the rest is as it is; `alpha` of the loss is the teacher's."""

    method: ClassVar[str] = "black-box"

    alpha: float = 0.9
    temperature: float = 4.0
    match: Match | None = None  # None: softmax, or sigmoid where classes do not exclude each other
    share: float = 0.5
    explain: tuple[Mapping[str, Any], ...] = ()  # whose masks and fills; none: the study's own explainers

    def __post_init__(self) -> None:
        check_share(self.method, self.alpha, self.temperature)
        if not 0 < self.share < 1:
            raise InputError(f"{self.method} share = {self.share}; expected a share between 0 and 1")
        self._explainers()

    def begin(self, scene: Scene) -> "Masking":
        """With masks drawn.

        Raises:
            InputError: no explainer, one that needs to know its samples, or one that does not fit them.
        """
        explainers = self._explainers() or list(scene.explainers)
        if not explainers:
            raise InputError(f"{self.method} has no explainer, whose masks it takes; add [[explain]]")
        return Masking(self, tuple(pool(one, scene.sample, scene.seed) for one in explainers))

    def _explainers(self) -> list[Explainer]:
        return [explainer_from(table) for table in self.explain]


@final
@dataclass(slots=True)
class Pool:
    """Masks (M, *S) or (M, *S, C) of one explainer, and what they hide becomes."""

    keep: Tensor
    fill: Fill

    def under(self, inputs: Tensor) -> Tensor:
        """Each of the samples (N, C, *S) under a mask of its own, as `samewhy_edge.blend` makes it."""
        self.keep = self.keep.to(inputs.device)
        keep = self.keep[torch.randint(len(self.keep), (len(inputs),)).to(inputs.device)]
        keep = keep.movedim(-1, 1) if keep.ndim == inputs.ndim else keep.unsqueeze(1)
        return keep * inputs + (1 - keep) * self._hidden(inputs)

    def _hidden(self, inputs: Tensor) -> Tensor | float:
        if isinstance(self.fill, float | int):
            return float(self.fill)
        samples: Samples = np.ascontiguousarray(inputs.movedim(1, -1).cpu().numpy())
        return torch.from_numpy(backgrounds(self.fill, samples)).movedim(-1, 1).to(inputs.device)


@final
@dataclass(frozen=True, slots=True)
class Masking:
    """Black-box preservation with its masks; explainers take turns."""

    how: BlackBox
    pools: tuple[Pool, ...]
    layers: tuple[str | None, ...] = field(default=())

    @property
    def labels(self) -> float:
        """The labels' share; they are asked for samples as they are alone."""
        return 1 - self.how.alpha

    def added(self, inputs: Tensor) -> Tensor:
        """Masked copies of the batch's samples, so many that they are `share` of all."""
        count = max(1, round(len(inputs) * self.how.share / (1 - self.how.share)))
        chosen = inputs[torch.arange(count, device=inputs.device) % len(inputs)]
        return torch.cat(list(self._masked(chosen)))

    def _masked(self, inputs: Tensor) -> Iterator[Tensor]:
        for turn, one in enumerate(self.pools):
            own = inputs[turn :: len(self.pools)]
            if len(own):
                yield one.under(own)

    def loss(self, lesson: Lesson) -> Tensor:
        """On all that were asked, masked or not."""
        student, teacher = (
            torch.cat([one.scores[: lesson.count], one.scores[lesson.own]]) for one in (lesson.student, lesson.teacher)
        )
        return self.how.alpha * apart(student, teacher, match_of(self.how.match, lesson.labels), self.how.temperature)


def pool(explainer: Explainer, sample: tuple[int, ...], seed: int) -> Pool:
    """Masks of several draws of an explainer's plan; of one, where all draws are alike."""
    plans = {digest(plan): plan for plan in (planned(explainer, sample, seed, draw) for draw in DRAWS)}
    masks = np.concatenate([one.keep(0, len(one)) for one in plans.values()])
    return Pool(torch.from_numpy(masks[:MOST]), explainer.fill)


def planned(explainer: Explainer, sample: tuple[int, ...], seed: int, draw: int) -> Plan:
    """A draw of a plan.

    Raises:
        InputError: every sample has a plan of its own, which training samples have none of.
    """
    plan = explainer.plan(sample, seed, draw)
    if isinstance(plan, Each):
        raise InputError(
            f"black-box: features of {explainer.name} are known for the audited samples alone; name others in explain"
        )
    return plan
