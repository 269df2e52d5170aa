"""From the answers of all rungs to numbers: every rung against the reference and against its neighbour above.

No number travels alone: each agreement comes with its interval, its ceiling (the reference against itself under other
masks) and its floor (the reference against random maps of the same estimator).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.agreement import MEASURES, Measure
from samewhy_edge.arrays import Answers, Maps, Samples, Scores, Targets
from samewhy_edge.budget import relative_errors
from samewhy_edge.explain import Estimating, Explainer, describe, estimated, knowing, of_targets, shuffled
from samewhy_edge.plan import Each, Plan
from samewhy_edge.record import Arrays, arrays_of
from samewhy_edge.rung import Rung, changed
from samewhy_host import stats
from samewhy_host.data.dataset import Split
from samewhy_host.stats import tidy

if TYPE_CHECKING:  # the report reads this module's schema, and needs no torch for it
    from samewhy_host.asking import Given

SCHEMA = 1
Row = dict[str, Any]


@final
@dataclass(frozen=True, slots=True)
class Asked:
    """What one rung answered: the test split, and each explainer's plan for the audited samples."""

    name: str
    rung: Rung
    scores: Scores  # (T, K)
    given: Mapping[str, "Given"]  # by explainer name


@final
@dataclass(frozen=True, slots=True)
class Explained:
    """An explainer with its masks, and its maps of the reference under other masks and of nothing at all."""

    explainer: Explainer
    plan: Plan | Each
    digest: str
    arrays: Mapping[str, Arrays]  # by rung name, the reference first
    other_masks: Maps  # the reference under draw 1
    random: Maps  # the reference's scores dealt to the wrong masks

    @property
    def name(self) -> str:
        """The explainer's."""
        return self.explainer.name

    @property
    def maps(self) -> Mapping[str, Maps]:
        """By rung name: (N, *shape)."""
        return {name: one.maps for name, one in self.arrays.items()}


def explained(
    explainer: Explainer,
    plan: Plan | Each,
    digest: str,
    asked: Sequence[Asked],
    other: tuple[Plan | Each, "Given"],
    samples: Samples,
    targets: Targets,
    seed: int,
) -> Explained:
    """Maps of every rung for the reference's targets, with the ceiling's and the floor's."""
    told = knowing(explainer, samples)
    answers = {one.name: one.given[explainer.name].answers for one in asked}
    arrays = {name: found(told, plan, given, targets) for name, given in answers.items()}
    moved = estimated(told.estimate, other[0], of_targets(other[1].answers, targets))
    dealt = shuffled(plan, of_targets(answers[asked[0].name], targets), seed)
    return Explained(explainer, plan, digest, arrays, moved, estimated(told.estimate, plan, dealt))


def found(explainer: Estimating, plan: Plan | Each, answers: Answers, targets: Targets) -> Arrays:
    """Maps, errors and reliability of one rung."""
    scores = of_targets(answers, targets)
    maps, errors = (estimated(one, plan, scores) for one in (explainer.estimate, explainer.errors))
    return arrays_of(explainer, plan, answers, targets, maps, errors)


def rung_rows(asked: Sequence[Asked], test: Split, audited: NDArray[np.int64]) -> list[Row]:
    """A row a rung: what it is, how accurate, and where its label is not the reference's."""
    labels = asked[0].scores.argmax(axis=1)
    rows = []
    for place, one in enumerate(asked):
        answers = one.scores.argmax(axis=1)
        flipped = answers != labels
        rows.append(
            {
                "name": one.name,
                "artifact": one.rung.artifact.sha256,
                "bytes": one.rung.artifact.bytes,
                "runtime": one.rung.runtime,
                "kernels": one.rung.kernels,
                "machine": one.rung.machine,
                "changed": list(changed(asked[place - 1].rung, one.rung)) if place else [],
                "accuracy": tidy(float((answers == test.labels).mean())),
                "flips": int(flipped.sum()),
                "tested": len(labels),
                "flipped_samples": [int(i) for i in np.flatnonzero(flipped[audited])],
                "audited_labels": [int(label) for label in answers[audited]],
            }
        )
    return rows


def pairs(asked: Sequence[Asked]) -> list[tuple[Asked, Asked]]:
    """Every rung with the reference, then with its neighbour above where that is another one."""
    against_reference = [(one, asked[0]) for one in asked[1:]]
    against_neighbour = [(below, above) for above, below in pairwise(asked[1:])]
    return against_reference + against_neighbour


def agreement_rows(asked: Sequence[Asked], all_explained: Sequence[Explained], resamples: int, seed: int) -> list[Row]:
    """A row for each pair of rungs, explainer and measure."""
    rows = []
    for one in all_explained:
        bounds = {measure.name: bounds_of(one, asked[0].name, measure) for measure in MEASURES}
        for below, above in pairs(asked):
            for measure in MEASURES:
                values = compare(one.maps[above.name], one.maps[below.name], measure)
                mean = stats.mean(values, resamples, seed)
                rows.append(
                    {
                        "rung": below.name,
                        "reference": above.name,
                        "changed": list(changed(above.rung, below.rung)),
                        "explainer": one.name,
                        "measure": measure.name,
                        "value": mean.value,
                        "low": mean.low,
                        "high": mean.high,
                        **bounds[measure.name],
                        "samples": mean.count,
                        "undefined": mean.undefined,
                    }
                )
    return rows


def bounds_of(one: Explained, reference: str, measure: Measure) -> dict[str, float | None]:
    """Ceiling and floor of a measure, as means over samples."""
    maps = one.maps[reference]
    ceiling, floor = compare(maps, one.other_masks, measure), compare(maps, one.random, measure)
    return {"ceiling": stats.mean(ceiling, 1, 0).value, "floor": stats.mean(floor, 1, 0).value}


def compare(reference: Maps, deployed: Maps, measure: Measure) -> NDArray[np.float64]:
    """The measure of every sample (N,); NaN where it is undefined."""
    return np.array([measure.of(a, b) for a, b in zip(reference, deployed, strict=True)], np.float64)


def gallery(asked: Sequence[Asked], first: Explained, flips: Sequence[Row], count: int) -> list[int]:
    """Samples to show: half where labels flipped or the last rung's map moved most, half spread evenly."""
    flipped = sorted({place for row in flips for place in row["flipped_samples"]})
    values = compare(first.maps[asked[0].name], first.maps[asked[-1].name], MEASURES[0])
    moved = [int(i) for i in np.argsort(np.where(np.isnan(values), -2, values), kind="stable")]
    striking = list(dict.fromkeys([*flipped[: count // 4], *moved]))[: (count + 1) // 2]
    rest = [i for i in range(len(values)) if i not in striking]
    places = np.linspace(0, len(rest) - 1, min(count - len(striking), len(rest)))
    return striking + [rest[int(place)] for place in places]


def measure_rows() -> list[Row]:
    """What a reader must know of each measure."""
    return [{"name": one.name, "better": one.better, "span": list(one.span), "source": one.source} for one in MEASURES]


def explainer_rows(all_explained: Sequence[Explained]) -> list[Row]:
    """Parameters, queries a sample, the digest of the masks, and how sure the reference's maps are.

    `reliability` and `relative_error` are means over the samples that define them; None where none does. Where nothing
    is drawn, the one is None and the other 0.
    """
    return [
        {
            **describe(one.explainer),
            "queries": len(one.plan),
            "plan": one.digest,
            **sureness(next(iter(one.arrays.values()))),
        }
        for one in all_explained
    ]


def sureness(reference: Arrays) -> Row:
    """Split-half reliability, and the largest standard error of a map as a share of its span."""
    unknown = np.full(len(reference.maps), np.nan)
    alike = unknown if reference.reliability is None else reference.reliability
    error = unknown if reference.errors is None else relative_errors(reference.maps, reference.errors)
    known = np.where(np.isfinite(error), error, np.nan)
    return {"reliability": stats.mean(alike, 1, 0).value, "relative_error": stats.mean(known, 1, 0).value}


def sample_rows(split: Split, targets: Targets) -> list[Row]:
    """Id, label and explained class of each audited sample."""
    return [
        {"id": name, "label": int(label), "target": int(target)}
        for name, label, target in zip(split.ids, split.labels, targets, strict=True)
    ]
