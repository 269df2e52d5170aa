"""Map against predictor: whether the score depends on positions as the map says.

A measure asks (`Asking`: masks, then a number from the scores), explains again (`Again`), or joins others (`Joint`).
The numbers come from pure functions of the map and the answers, so a stored log is judged as a live predictor is. A
flat map says nothing that could be true or false: NaN.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Literal, Protocol, final, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.agreement import flat
from samewhy_edge.arrays import Map, Maps, Sample, Samples
from samewhy_edge.complexity import complexity, complexity_published, harmonic
from samewhy_edge.confidence import Confidence
from samewhy_edge.continuity import Coherency, MaxSensitivity
from samewhy_edge.curves import Curve, Monotonicity
from samewhy_edge.errors import InputError, unknown
from samewhy_edge.fill import Blur, Fill
from samewhy_edge.plan import Plan
from samewhy_edge.quant import Affine
from samewhy_edge.subsets import Infidelity, SensitivityN, SetCorrelation


class Asking(Protocol):
    """A measure that hides parts of a sample and reads the scores."""

    @property
    def fill(self) -> Fill:
        """What a hidden position becomes."""
        ...

    def queries(self, shape: tuple[int, ...]) -> int:
        """Queries for a map of this shape."""
        ...

    def plan(self, one: Map, seed: int) -> Plan:
        """Masks of the map's shape."""
        ...

    def value(self, one: Map, plan: Plan, scores: NDArray[np.floating[Any]]) -> float:
        """From the map, its plan and the target's scores (M,)."""
        ...


@runtime_checkable
class Again(Protocol):
    """A measure that changes a sample and explains it again."""

    @property
    def fill(self) -> Fill:
        """What a hidden position becomes."""
        ...

    def again(self, shape: tuple[int, ...]) -> int:
        """R, how many samples are explained again."""
        ...

    def changed(self, sample: Sample, background: Sample, one: Map, entry: Affine | None, seed: int) -> Samples:
        """Those samples, (R, *S, C)."""
        ...

    def value(self, one: Map, others: Maps) -> float:
        """From the map and the others (R, *shape)."""
        ...


@final
@dataclass(frozen=True, slots=True)
class Joint:
    """A measure made of a map and the values of other measures of it."""

    parts: tuple["Measure", ...]
    value: Callable[..., float]  # of the map and of each part's value


@final
@dataclass(frozen=True, slots=True)
class Measure:
    """A measure of a map against the predictor that it explains."""

    name: str
    how: Asking | Again | Joint
    span: tuple[float, float]
    source: str
    convention: str
    better: str = "higher"
    scale: Literal["score", "probability"] = "score"  # what is read: scores as they are, or made probabilities

    def queries(self, shape: tuple[int, ...], explaining: int) -> int:
        """The bill at most of a sample with a map of this shape, where a map costs `explaining` queries."""
        if isinstance(self.how, Joint):
            return sum(part.queries(shape, explaining) for part in self.how.parts)
        return self.how.again(shape) * explaining if isinstance(self.how, Again) else self.how.queries(shape)


def bill(measures: Sequence[Measure], shape: tuple[int, ...], explaining: int) -> int:
    """Queries at most that `judge` asks for a sample with a map of this shape, where a map costs `explaining`."""
    return sum(part.queries(shape, explaining) for part in leaves(measures))


def judged(how: Asking, one: Map, plan: Plan, scores: NDArray[np.floating[Any]]) -> float:
    """The value from the target's scores (M,), just asked or out of a log. NaN where the map is flat."""
    return how.value(one, plan, scores) if telling(one) else float("nan")


def telling(one: Map) -> bool:
    """Whether the map is finite and has values that differ."""
    return bool(np.isfinite(one).all()) and not flat(one)


def leaves(measures: Sequence[Measure]) -> list[Measure]:
    """What has to be asked, each once: the measures, or their parts where they join others."""
    parts = [leaves(one.how.parts) if isinstance(one.how, Joint) else [one] for one in measures]
    return list(dict.fromkeys(chain.from_iterable(parts)))


def explains_again(measure: Measure) -> bool:
    """Whether the measure, or a part of it, makes new maps."""
    return any(isinstance(part.how, Again) for part in leaves([measure]))


def refilled(measure: Measure, change: Callable[[Any], Any]) -> Measure:
    """The measure with its fill, or those of its parts, changed."""
    if isinstance(measure.how, Joint):
        parts = tuple(refilled(one, change) for one in measure.how.parts)
        return replace(measure, how=replace(measure.how, parts=parts))
    return replace(measure, how=replace(measure.how, fill=change(measure.how.fill)))  # type: ignore[type-var]  # they are dataclasses


def filled(measure: Measure, fill: Fill) -> Measure:
    """The measure with another fill for what it hides; what starts from a blur still does."""
    return refilled(measure, lambda own: own if isinstance(own, Blur) else fill)


def adcc(drop: float, coherency: float, complexity: float) -> float:
    """Harmonic mean of coherency, 1 - complexity and 1 - drop.

    In [0, 1] where its parts are; 0 where one of the three is.

    Source: Poppi et al. 2021, ADCC; of each sample, not of the samples' means.
    """
    return harmonic(np.array([coherency, 1 - complexity, 1 - drop]))


def _adcc(one: Map, drop: float, coherency: float) -> float:
    return adcc(drop, coherency, complexity(one))


def _adcc_published(one: Map, drop: float, coherency: float) -> float:
    return adcc(drop, coherency, complexity_published(one))


ALL = "all"
INF = float("inf")
PETSIUK = "Petsiuk, Das & Saenko 2018, evaluation.py"
DROP = Measure(
    "average-drop",
    Confidence("drop"),
    (0, 1),
    "Chattopadhay et al. 2018",
    "share of the sample's own probability; mask: signed map in [0, 1]",
    "lower",
    "probability",
)
COHERENCY = Measure(
    "coherency", Coherency(), (0, 1), "Poppi et al. 2021", "(Pearson + 1) / 2; sample shown through its map"
)

FAITHFULNESS: tuple[Measure, ...] = (
    Measure("deletion", Curve("deletion"), (0, 1), PETSIUK, "trapezoids, both ends", "lower", "probability"),
    Measure(
        "insertion",
        Curve("insertion", fill=Blur()),
        (0, 1),
        PETSIUK,
        "trapezoids, both ends; from the blurred sample",
        scale="probability",
    ),
    Measure(
        "sensitivity-n",
        SensitivityN(),
        (-1, 1),
        "Ancona et al. 2018",
        "Pearson within a sample, mean over n of positions",
    ),
    Measure(
        "mu-fidelity", SetCorrelation(), (-1, 1), "Bhatt et al. 2020; Xplique", "Spearman; grid of 9, coins of 0.2"
    ),
    Measure(
        "faithfulness-correlation",
        SetCorrelation(grid=None, sets="fixed", correlation="pearson"),
        (-1, 1),
        "Bhatt et al. 2020, definition 3",
        "Pearson; single positions, a fifth of them",
    ),
    Measure(
        "infidelity",
        Infidelity(),
        (0, INF),
        "Yeh et al. 2019, definition 2.1",
        "binary sets times (sample - background); map in units of score",
        "lower",
    ),
    Measure(
        "infidelity-scaled",
        Infidelity(scaled=True),
        (0, INF),
        "Yeh et al. 2019, definition 2.1; Captum 0.9 normalize=True",
        "the same, the map times the beta that fits best",
        "lower",
    ),
    Measure(
        "monotonicity",
        Monotonicity(),
        (0, 1),
        "Arya et al. 2019",
        "share of steps that do not fall; from the background, smallest |map| first",
        scale="probability",
    ),
    DROP,
    Measure(
        "increase",
        Confidence("increase"),
        (0, 1),
        "Chattopadhay et al. 2018",
        "1 where the probability grows; mask: signed map in [0, 1]",
        scale="probability",
    ),
    Measure(
        "average-gain",
        Confidence("gain"),
        (0, 1),
        "Zhang et al. 2024, Opti-CAM",
        "share of what is missing to 1; mask: signed map in [0, 1]",
        scale="probability",
    ),
    COHERENCY,
    Measure(
        "max-sensitivity",
        MaxSensitivity(),
        (0, INF),
        "Yeh et al. 2019; Captum 0.9",
        "10 neighbours one input step away; norm of the difference over the map's",
        "lower",
    ),
    Measure("adcc", Joint((DROP, COHERENCY), _adcc), (0, 1), "Poppi et al. 2021", "complexity of the map in [0, 1]"),
    Measure(
        "adcc-published",
        Joint((DROP, COHERENCY), _adcc_published),
        (-INF, INF),
        "a public notebook after Poppi et al. 2021",
        "with the largest column sum for complexity, which is no share: not comparable between map sizes",
    ),
)


def named(names: Sequence[str]) -> tuple[Measure, ...]:
    """Measures of `FAITHFULNESS` by their names, in its order; the one name "all" stands for every one.

    Raises:
        InputError: an unknown name.
    """
    known = {one.name: one for one in FAITHFULNESS}
    for name in names:
        if name not in known and name != ALL:
            raise InputError(unknown("measure of faithfulness", name, (*known, ALL)))
    return FAITHFULNESS if ALL in names else tuple(one for one in FAITHFULNESS if one.name in names)
