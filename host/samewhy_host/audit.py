"""From the answers of all rungs to numbers: every rung against the reference and against its neighbour above.

No number travels alone: each agreement comes with its interval, its ceiling (the reference against itself under other
masks), its floor (the reference against random maps of the same estimator) and, where there is one, its twin (the
reference against a network that was trained apart). What may be concluded from them is decided in
`samewhy_host.verdict`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.agreement import MEASURES, Measure
from samewhy_edge.arrays import Answers, Maps, Samples, Scores, Targets
from samewhy_edge.budget import relative_errors
from samewhy_edge.explain import Estimating, Explainer, describe, estimated, knowing, of_targets, shuffled
from samewhy_edge.fill import backgrounds
from samewhy_edge.grids import Drawn, Part
from samewhy_edge.plan import Each, Plan
from samewhy_edge.quant import Affine
from samewhy_edge.record import Arrays, arrays_of
from samewhy_edge.resolution import Resolution, hiding, resolution
from samewhy_edge.rung import Rung, changed
from samewhy_host import stats, verdict
from samewhy_host.data.canvases import f1
from samewhy_host.data.dataset import Split
from samewhy_host.stats import LEVEL, Sampling, Values, estimate, holm, tidy
from samewhy_host.verdict import Case

if TYPE_CHECKING:  # the report reads this module's schema, and needs no torch for it
    from samewhy_host.asking import Given

SCHEMA = 2
Row = dict[str, Any]
Halves = tuple[Maps, Maps]
WAYS = 4  # to halve the queries of a plan, for the noise of masks


@final
@dataclass(frozen=True, slots=True)
class Asked:
    """What one rung answered: the test split, and each explainer's plan for the audited samples."""

    name: str
    rung: Rung
    scores: Scores  # (T, K)
    given: Mapping[str, "Given"]  # by explainer name
    above: str | None = None  # the rung that it was made from, where that is not the one before it


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
    halves: Mapping[str, Sequence[Halves]] = field(default_factory=dict)  # by rung: maps of both halves, for each way
    echoes: Mapping[str, Maps] = field(default_factory=dict)  # by rung: maps of its scores as another order of sums
    twin: Maps | None = None  # of a network that was trained apart, under the same masks

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
    twin: Asked | None = None,
) -> Explained:
    """Maps of every rung for the reference's targets, with the ceiling's, the floor's and the twin's."""
    told = knowing(explainer, samples)
    answers = {one.name: one.given[explainer.name].answers for one in asked}
    arrays = {name: found(told, plan, given, targets) for name, given in answers.items()}
    moved = estimated(told.estimate, other[0], of_targets(other[1].answers, targets))
    scores = {name: of_targets(given, targets) for name, given in answers.items()}
    dealt = shuffled(plan, scores[asked[0].name], seed)
    return Explained(
        explainer,
        plan,
        digest,
        arrays,
        moved,
        estimated(told.estimate, plan, dealt),
        {name: halvings(told, plan, row) for name, row in scores.items()},
        {name: estimated(told.estimate, plan, verdict.echo(row, seed)) for name, row in scores.items()},
        None
        if twin is None
        else estimated(told.estimate, plan, of_targets(twin.given[explainer.name].answers, targets)),
    )


def halvings(explainer: Estimating, plan: Plan | Each, scores: NDArray[np.float32]) -> list[Halves]:
    """Maps of both halves of the queries, for each way to halve them; none where a half does not suffice.

    The first is the explainer's own. Masks of grids may be halved in further ways, each orthogonal to the others: what
    is drawn together goes to a side by one binary digit of its number. Where there are too few blocks of an array,
    pairs within them do, which are less balanced, so that the noise is rather taken as too large.
    """
    own = halved(explainer, plan, scores)
    if own is None or not isinstance(plan, Drawn):
        return [] if own is None else [own]
    together = plan.block if len(plan) >= plan.block << WAYS else min(plan.block, 2)
    units = np.arange(len(plan)) // together
    ways = [own]
    for digit in range(1, WAYS):
        sides = [np.flatnonzero(units >> digit & 1 == side) for side in (0, 1)]
        if min(len(side) for side in sides) * 3 >= len(plan):  # a last digit may be unbalanced
            first, second = (explainer.estimate(Part(plan, side), scores[:, side]) for side in sides)
            ways.append((first, second))
    return ways


def halved(explainer: Estimating, plan: Plan | Each, scores: NDArray[np.float32]) -> Halves | None:
    """Maps of each half of the queries alone; None where there are none for every sample."""
    if not isinstance(plan, Each):
        return explainer.halves(plan, scores)
    rows = [explainer.halves(one, scores[i : i + 1]) for i, one in enumerate(plan.plans)]
    found = [row for row in rows if row is not None]
    if len(found) < len(rows):
        return None
    return np.concatenate([row[0] for row in found]), np.concatenate([row[1] for row in found])


def found(explainer: Estimating, plan: Plan | Each, answers: Answers, targets: Targets) -> Arrays:
    """Maps, errors and reliability of one rung."""
    scores = of_targets(answers, targets)
    maps, errors = (estimated(one, plan, scores) for one in (explainer.estimate, explainer.errors))
    return arrays_of(explainer, plan, answers, targets, maps, errors)


def rung_rows(
    asked: Sequence[Asked], test: Split, audited: NDArray[np.int64], coded: Mapping[str, int | None] | None = None
) -> list[Row]:
    """A row a rung: what it is, how accurate, and where its label is not the reference's; `coded` sizes by artifact."""
    labels = asked[0].scores.argmax(axis=1)
    rows = []
    neighbours = above_of(asked)
    for one in asked:
        answers, above = one.scores.argmax(axis=1), neighbours.get(one.name)
        flipped = answers != labels
        rows.append(
            {
                "name": one.name,
                "artifact": one.rung.artifact.sha256,
                "bytes": one.rung.artifact.bytes,
                "coded": (coded or {}).get(one.rung.artifact.sha256),
                "runtime": one.rung.runtime,
                "kernels": one.rung.kernels,
                "machine": one.rung.machine,
                "above": above.name if above else None,
                "changed": list(changed(above.rung, one.rung)) if above else [],
                "accuracy": tidy(float(right(answers, test).mean())),
                **({} if test.present is None else {"f1": tidy(f1(one.scores, test.present))}),
                "flips": int(flipped.sum()),
                "tested": len(labels),
                "flipped_samples": [int(i) for i in np.flatnonzero(flipped[audited])],
                "audited_labels": [int(label) for label in answers[audited]],
            }
        )
    return rows


def right(answers: NDArray[np.int64], test: Split) -> NDArray[np.bool_]:
    """Whether each answer (T,) is the label, or one of the classes that are present."""
    if test.present is None:
        return np.asarray(answers == test.labels)
    return np.asarray(test.present[np.arange(len(answers)), answers])


def pairs(asked: Sequence[Asked]) -> list[tuple[Asked, Asked]]:
    """Every rung with the reference, then with its neighbour above where that is another one."""
    against_reference = [(one, asked[0]) for one in asked[1:]]
    neighbours = ((one, above_of(asked)[one.name]) for one in asked[1:])
    return against_reference + [(below, above) for below, above in neighbours if above is not asked[0]]


def above_of(asked: Sequence[Asked]) -> dict[str, Asked]:
    """By name of each rung below the reference: its neighbour above, the one before it unless it names another."""
    by_name = {one.name: one for one in asked}
    return {below.name: by_name[below.above] if below.above else above for above, below in pairwise(asked)}


def agreement_rows(
    asked: Sequence[Asked], all_explained: Sequence[Explained], resamples: int, seed: int, level: float = LEVEL
) -> list[Row]:
    """A row for each pair of rungs, explainer and measure."""
    rows = []
    for one in all_explained:
        bounds = {measure.name: bounds_of(one, asked[0].name, measure) for measure in MEASURES}
        for below, above in pairs(asked):
            for measure in MEASURES:
                values = compare(one.maps[above.name], one.maps[below.name], measure)
                mean = stats.mean(values, resamples, seed, level)
                rows.append(
                    {
                        "rung": below.name,
                        "reference": above.name,
                        "changed": list(changed(above.rung, below.rung)),
                        "explainer": one.name,
                        "measure": measure.name,
                        **mean.row(),
                        **bounds[measure.name],
                    }
                )
    return rows


def verdict_rows(
    asked: Sequence[Asked], all_explained: Sequence[Explained], margin: float, level: float = LEVEL
) -> list[Row]:
    """A verdict for each pair of rungs and explainer, by the main measure, corrected for all of them."""
    met = [(one, *pair) for one in all_explained for pair in pairs(asked)]
    floors = {one.name: bounds_of(one, asked[0].name, MEASURES[0])["floor"] for one in all_explained}
    cases = [case_of(one, below.name, above.name, floors[one.name]) for one, below, above in met]
    rows = verdict.judged(cases, margin, level)
    return [
        {
            "rung": below.name,
            "reference": above.name,
            "changed": list(changed(above.rung, below.rung)),
            "explainer": one.name,
            "measure": MEASURES[0].name,
            **row,
        }
        for (one, below, above), row in zip(met, rows, strict=True)
    ]


def case_of(one: Explained, below: str, above: str, floor: float | None) -> Case:
    """What decides about two rungs."""
    maps, measure = one.maps, MEASURES[0]
    echoed = compare(maps[above], one.echoes.get(above, maps[above]), measure)
    ways = zip(one.halves.get(above, ()), one.halves.get(below, ()), strict=True)
    apart = [
        compare(b[0], b[1], measure) - compare(a[0], a[1], measure) for a, b in (zip(*way, strict=True) for way in ways)
    ]
    told = ~np.isnan(echoed)  # where the upper rung's map is flat, there are no reasons to keep
    return Case(
        verdict.loss(compare(maps[above], maps[below], measure), echoed)[told],
        np.stack(apart)[:, told] if apart else None,
        is_drawn(one.arrays[above]),
        len(one.plan),
        floor,
        int((~told).sum()),
    )


def is_drawn(arrays: Arrays) -> bool:
    """Whether masks are a draw: where nothing is, errors are known to be 0."""
    return arrays.errors is None or bool(np.any(arrays.errors != 0))


def cause_rows(asked: Sequence[Asked], all_explained: Sequence[Explained], verdicts: Sequence[Row]) -> list[Row]:
    """By explainer: the first step down the ladder that changed the reasons."""
    steps = [(above.name, name) for name, above in above_of(asked).items()]
    return verdict.causes(verdicts, [one.name for one in all_explained], steps)


def bounds_of(one: Explained, reference: str, measure: Measure) -> dict[str, float | None]:
    """Ceiling, floor and twin of a measure, as means over samples; None where undefined, or there is no twin."""
    ends = {"ceiling": one.other_masks, "floor": one.random, "twin": one.twin}
    return {
        name: None if maps is None else stats.mean(compare(one.maps[reference], maps, measure), 1, 0).value
        for name, maps in ends.items()
    }


def twin_row(
    twin: Asked | None,
    reference: Asked,
    all_explained: Sequence[Explained],
    test: Split,
    sampling: Sampling,
) -> Row | None:
    """What the network that was trained apart is, and how its maps agree with the reference's; None without one.

    It is asked about the class that the reference chose, as every rung is.
    """
    if twin is None:
        return None
    labels = twin.scores.argmax(axis=1)
    rows = [
        {"explainer": one.name, "measure": measure.name, **sampling.mean(values).row()}
        for one in all_explained
        if one.twin is not None
        for measure in MEASURES
        for values in [compare(one.maps[reference.name], one.twin, measure)]
    ]
    return {
        "artifact": twin.rung.artifact.sha256,
        "runtime": twin.rung.runtime,
        "accuracy": tidy(float(right(labels, test).mean())),
        "flips": int((labels != reference.scores.argmax(axis=1)).sum()),
        "tested": len(labels),
        "agreements": rows,
    }


def compare(reference: Maps, deployed: Maps, measure: Measure) -> NDArray[np.float64]:
    """The measure of every sample (N,); NaN where it is undefined."""
    return np.array([measure.of(a, b) for a, b in zip(reference, deployed, strict=True)], np.float64)


def class_rows(
    asked: Sequence[Asked],
    all_explained: Sequence[Explained],
    test: Split,
    audited: NDArray[np.int64],
    level: float = LEVEL,
) -> list[Row]:
    """A row for each class of the test split and rung: accuracy, flips, agreements with the reference."""
    answers = {one.name: one.scores.argmax(axis=1) for one in asked}
    values = agreements_of_each(asked, all_explained)
    rows = []
    for label in np.unique(test.labels):
        tested, mine = test.labels == label, test.labels[audited] == label
        for name, given in answers.items():
            rows.append(
                {
                    "class": int(label),
                    "rung": name,
                    "tested": int(tested.sum()),
                    "accuracy": tidy(float((given[tested] == label).mean())),
                    "flips": int((given[tested] != answers[asked[0].name][tested]).sum()),
                    "agreements": [
                        {"explainer": explainer, **mean_of_few(row[mine], level)}
                        for (rung, explainer), row in values.items()
                        if rung == name
                    ],
                }
            )
    return rows


def agreements_of_each(asked: Sequence[Asked], all_explained: Sequence[Explained]) -> Mapping[tuple[str, str], Values]:
    """By rung below the reference and explainer: the main measure of every sample (N,)."""
    return {
        (one.name, explained.name): compare(explained.maps[asked[0].name], explained.maps[one.name], MEASURES[0])
        for explained in all_explained
        for one in asked[1:]
    }


def mean_of_few(values: Values, level: float) -> Row:
    """Mean with an interval that holds for few samples too: Student's t, skewness taken out. None with fewer than 2."""
    known = values[~np.isnan(values)]
    found, alpha = estimate(known), (1 - level) / 2
    ends = (tidy(max(-1.0, found.low(alpha))), tidy(min(1.0, found.high(alpha)))) if len(known) > 1 else (None, None)
    return {
        "value": tidy(float(known.mean())) if len(known) else None,
        "low": ends[0],
        "high": ends[1],
        "samples": len(known),
        "undefined": len(values) - len(known),
    }


def moved_rows(
    asked: Sequence[Asked],
    all_explained: Sequence[Explained],
    labels: NDArray[np.int64],
    resamples: int,
    seed: int,
) -> list[Row]:
    """By rung and explainer: the class whose maps moved most, and the chance that no class is special.

    `p` is corrected for the classes and for all rungs and explainers. Left out where fewer than two classes are
    defined.
    """
    rows: list[Row] = []
    for (rung, explainer), values in agreements_of_each(asked, all_explained).items():
        found = stats.outlying(-values, labels, resamples, seed)
        if found is not None:
            rows.append({"rung": rung, "explainer": explainer, "class": found[0], "p": found[1]})
    adjusted = holm([row["p"] for row in rows])
    return [{**row, "p": tidy(p)} for row, p in zip(rows, adjusted, strict=True)]


def calibration_rows(asked: Sequence[Asked], test: Split, splits: int, seed: int, level: float = LEVEL) -> list[Row]:
    """By rung: calibration error with that of a calibrated network, and the Brier score with its interval.

    None where classes do not exclude each other: their chances are no distribution.
    """
    if test.present is not None:
        return []
    rows = []
    for one in asked:
        chances, taken = stats.probabilities(one.scores)
        confidence, right = chances.max(axis=1), chances.argmax(axis=1) == test.labels
        brier = mean_of_many(stats.brier(chances, test.labels), level)
        rows.append(
            {
                "rung": one.name,
                "probabilities": "softmax" if taken else "as given",
                "calibration_error": tidy(float(stats.calibration_error(confidence, right[None])[0])),
                "calibrated": tidy(stats.calibration_floor(confidence, splits, seed)),
                "bins": stats.BINS,
                "brier": brier[0],
                "brier_low": brier[1],
                "brier_high": brier[2],
                "tested": len(right),
            }
        )
    return rows


def mean_of_many(values: Values, level: float) -> tuple[float, float | None, float | None]:
    """Mean with its two-sided interval; no interval for a single value."""
    found, alpha = estimate(values), (1 - level) / 2
    ends = (tidy(found.low(alpha)), tidy(found.high(alpha))) if len(values) > 1 else (None, None)
    return tidy(float(values.mean())), *ends


def resolution_rows(
    asked: Sequence[Asked],
    all_explained: Sequence[Explained],
    outputs: Sequence[Affine | None],
    samples: Samples,
    audited: NDArray[np.int64],
    targets: Targets,
) -> list[Row]:
    """By rung and explainer: how finely its answers and maps are resolved, as means over samples.

    `step` is the output tensor's, or the median of the samples' smallest differences. Samples whose maps cannot be
    resolved are counted in `unresolvable`.
    """
    rows = []
    for one in all_explained:
        hides = hidden_by(one.plan, samples != backgrounds(one.explainer.fill, samples))
        for rung, output in zip(asked, outputs, strict=True):
            scores = of_targets(rung.given[one.name].answers, targets)
            whole = rung.scores[audited, targets]
            maps = one.maps[rung.name]
            found = [resolution(maps[i], scores[i], float(whole[i]), output, hides[i]) for i in range(len(targets))]
            rows.append({"rung": rung.name, "explainer": one.name, **resolved(found)})
    return rows


def resolved(found: Sequence[Resolution]) -> Row:
    """Of all samples of a rung."""
    steps = np.array([one.step for one in found])
    dead = stats.mean(np.array([one.dead for one in found]), 1, 0)
    return {
        "step": None if np.isnan(steps).all() else float(f"{np.nanmedian(steps):.6g}"),
        "dead": dead.value,
        "levels": tidy(float(np.mean([one.levels for one in found]))),
        "ties": tidy(float(np.mean([one.ties for one in found]))),
        "unresolvable": sum(not one.resolvable for one in found),
        "samples": len(found),
    }


def hidden_by(plan: Plan | Each, shown: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether each query hides anything of each sample that is not its background: (N, M). `shown` is (N, *S, C)."""
    plans = plan.plans if isinstance(plan, Each) else [plan] * len(shown)
    seen = shown if len(plans[0].shape) == shown.ndim - 1 else shown.any(axis=-1)
    if isinstance(plan, Each):
        return np.stack([hiding(one, row) for one, row in zip(plans, seen, strict=True)])
    flat = seen.reshape(len(seen), -1).T.astype(np.float32)
    batches = (plan.keep(start, min(start + 64, len(plan))) for start in range(0, len(plan), 64))
    return np.concatenate([(keep.reshape(len(keep), -1) < 1).astype(np.float32) @ flat > 0 for keep in batches]).T


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
