"""Same reasons, other reasons, or too little known: what the agreements of two rungs let one say.

The quantity is a sample's *loss*: how far the agreement of two rungs lies below that of a rung with its own echo, the
same rung with its scores moved by what another order of float sums moves them. A copy loses 0. Two one-sided tests set
the mean loss against a margin: shown to be less is `same`, shown to be more is `changed`, neither is `undecided`. A
third asks whether there is any loss at all. Each of the three is corrected for all comparisons of an audit.

Source: Schuirmann 1987 (two one-sided tests); Holm 1979; Manski 2003, Partial Identification, section 1.1 (bounds where
values are missing).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from samewhy_host.stats import Estimate, Values, estimate, holm, holm_levels, tidy

ROUNDING = 1e-5  # of the largest score: what another order of float32 sums moves; conversion gates ask for as little
POWER = 0.8  # with which the projected number of samples or queries would decide
FAR = 100  # times what was asked: a projection beyond it is no advice; the report names this number
DECIMALS = 9  # of a loss; the rest is rounding of the measure itself
Row = dict[str, Any]


class Word(StrEnum):
    """A verdict."""

    SAME = "same"
    CHANGED = "changed"
    UNDECIDED = "undecided"


class Reason(StrEnum):
    """Why nothing was decided."""

    NOISE = "noise"  # the loss is known too coarsely; `more` says what would do
    UNDEFINED = "undefined"  # samples without a defined agreement could turn the verdict
    FLOOR = "floor"  # random maps would lose less than the margin too: this explainer cannot tell
    FEW = "few"  # fewer than two samples


@final
@dataclass(frozen=True, slots=True)
class Case:
    """Two rungs by one explainer."""

    losses: Values  # (N,); NaN where the agreement is undefined; samples without a map of the upper rung left out
    halves: Values | None  # (K, N): how far the losses by two halves of the queries differ, for K ways to halve
    drawn: bool  # whether the masks are a draw at all
    queries: int  # a sample
    floor: float | None  # agreement of the reference with random maps
    silent: int = 0  # samples left out


@final
@dataclass(frozen=True, slots=True)
class Masks:
    """How the mean loss would vary with other masks, from the two halves of these."""

    shared: float  # variance of the mean loss
    own: float  # variance of a single sample's loss, part of what varies between samples
    rests: int | None  # ways to halve that `shared` rests on; None where it rests on the samples


NO_MASKS = Masks(0.0, 0.0, None)


def masks_of(case: Case) -> Masks | None:
    """None where masks are drawn and their noise is unknown: a verdict then holds for these masks alone.

    All samples see the same masks, so their part of the error does not fall with the number of samples. The map of all
    queries is about the mean of its halves' maps, so half of what the halves' means differ estimates it, the mean of
    squares over orthogonal ways to halve. So few differences may be small by luck: they count as no less than the
    samples' own differences make likely.

    Source: McCarthy 1969, Pseudo-replication: half samples (balanced repeated replication).
    """
    if not case.drawn:
        return NO_MASKS
    if case.halves is None:
        return None
    away = case.halves[:, ~np.isnan(case.halves).any(axis=0)]
    ways, count = away.shape
    if count < 2:
        return None
    own, met = float(away.var(axis=1, ddof=1).mean()) / 4, float((away.mean(axis=1) ** 2).mean()) / 4
    return Masks(max(met, own / count), own, ways if met > own / count else None)


@final
@dataclass(frozen=True, slots=True)
class Ends:
    """The loss at its least and at its most: they differ where samples are undefined, which may hide no loss or 1."""

    least: Estimate
    most: Estimate
    masks: Masks | None

    @property
    def middle(self) -> float:
        """Half way; the mean loss where every sample is defined."""
        return (self.least.mean + self.most.mean) / 2


def ends_of(case: Case) -> Ends:
    """Estimates of the mean loss, with the noise of samples and of masks."""
    masks = masks_of(case)
    known = masks or NO_MASKS
    least, most = (
        estimate(np.where(np.isnan(case.losses), fill, case.losses), known.shared, known.rests) for fill in (0.0, 1.0)
    )
    return Ends(least, most, masks)


def loss(agreement: Values, echo: Values) -> Values:
    """Losses (N,) from the agreement of two rungs and that of the upper one with its echo; NaN where undefined."""
    return np.round(echo - agreement, DECIMALS)


def echo(scores: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Scores (N, M) as another order of sums might give them: moved by at most `ROUNDING` of a sample's largest.

    Equal scores of a sample stay equal, as equal samples give equal scores on any rung.
    """
    coins = np.random.Philox(key=np.array([seed, 7], np.uint64)).random_raw(scores.size).reshape(scores.shape)
    moved = np.empty_like(scores)
    for place, row in enumerate(scores):
        values, back = np.unique(row, return_inverse=True)
        uniform = coins[place, : len(values)] / 2.0**63 - 1
        moved[place] = (values + ROUNDING * np.abs(row).max() * uniform)[back]
    return moved


def judged(cases: Sequence[Case], margin: float, level: float) -> list[Row]:
    """A verdict on each case, corrected for all of them; see `row_of` for what stands in one."""
    alpha = 1 - level
    ends = [ends_of(case) for case in cases]
    same = [one.most.below(margin) if telling(case, margin) else 1.0 for one, case in zip(ends, cases, strict=True)]
    changed = [one.least.above(margin) for one in ends]
    # without a change the answers are equal under any masks, so masks are no part of this error
    beyond = [estimate(case.losses[~np.isnan(case.losses)]).above(0) for case in cases]
    columns = (holm(same), holm(changed), holm(beyond), holm_levels(same, alpha), holm_levels(changed, alpha))
    return [row_of(*known, margin, alpha) for known in zip(cases, ends, zip(*columns, strict=True), strict=True)]


def telling(case: Case, margin: float) -> bool:
    """Whether random maps would lose more than the margin."""
    return case.floor is not None and 1 - case.floor > margin


def row_of(case: Case, ends: Ends, known: tuple[float, float, float, float, float], margin: float, alpha: float) -> Row:
    """Verdict, loss with its bounds, adjusted probabilities, and what would decide.

    `low` and `high` are one-sided bounds at the levels at which Holm's procedure tried them. `sample_error` and
    `mask_error` are standard errors of the mean loss; the latter None where unknown.
    """
    same, changed, beyond, level_same, level_changed = known
    word = Word.SAME if same <= alpha else Word.CHANGED if changed <= alpha else Word.UNDECIDED
    undefined = int(np.isnan(case.losses).sum())
    levels = level_same, level_changed
    reason = reason_of(case, ends, margin, levels) if word is Word.UNDECIDED else None
    numbers = {
        "loss": ends.middle if undefined < len(case.losses) else math.nan,
        "low": ends.least.low(level_changed),
        "high": ends.most.high(level_same),
        "sample_error": math.sqrt(ends.most.spread / ends.most.count) if ends.most.count > 1 else math.nan,
        "mask_error": math.nan if ends.masks is None else math.sqrt(ends.masks.shared),
        "p_same": same,
        "p_changed": changed,
        "p_beyond_noise": beyond,
    }
    return {
        "verdict": str(word),
        "reason": None if reason is None else str(reason),
        "beyond_noise": beyond <= alpha,
        **{name: None if math.isnan(value) else tidy(value) for name, value in numbers.items()},
        "margin": margin,
        "samples": len(case.losses) - undefined,
        "undefined": undefined,
        "silent": case.silent,
        "more": more(case, ends, margin, levels) if reason is Reason.NOISE else None,
    }


def reason_of(case: Case, ends: Ends, margin: float, levels: tuple[float, float]) -> Reason:
    """Why nothing was decided, the strongest reason first."""
    if len(case.losses) < 2:
        return Reason.FEW
    straddling = ends.least.mean <= margin <= ends.most.mean
    else_decided = ends.least.high(levels[0]) < margin or ends.most.low(levels[1]) > margin
    if np.isnan(case.losses).any() and (straddling or else_decided):
        return Reason.UNDEFINED
    return Reason.NOISE if telling(case, margin) or ends.least.mean > margin else Reason.FLOOR


def more(case: Case, ends: Ends, margin: float, levels: tuple[float, float]) -> Mapping[str, int | float | None]:
    """What would decide in four of five audits if the loss is what it seems.

    So many more `samples`, or so many more `queries` a sample, or so many `times` as many of both; each None where it
    never would, or asks more than `FAR` times as much. Variances between samples fall with the number of samples,
    those of masks with the number of queries.
    """
    side, alpha = (ends.most, levels[0]) if ends.most.mean < margin else (ends.least, levels[1])
    masks, count = ends.masks or NO_MASKS, side.count
    reach = NormalDist().inv_cdf(1 - alpha) + NormalDist().inv_cdf(POWER)
    wanted = ((side.mean - margin) / reach) ** 2
    own = min(masks.own, side.spread)
    samples = ratio(side.spread / count, wanted - masks.shared)
    queries = ratio(own / count + masks.shared, wanted - (side.spread - own) / count) if case.drawn else None
    times = both((side.spread - own) / count + masks.shared, own / count, wanted) if case.drawn else None
    return {
        "samples": None if samples is None else max(1, math.ceil((samples - 1) * count)),
        "queries": None if queries is None else max(1, math.ceil((queries - 1) * case.queries)),
        "times": None if times is None else round(times, 1),
    }


def ratio(variance: float, wanted: float) -> float | None:
    """By how much what a variance is divided by must grow; None where nothing would do, or only far too much."""
    grown = variance / wanted if wanted > 0 else math.inf
    return grown if 0 < grown <= FAR else None


def both(once: float, twice: float, wanted: float) -> float | None:
    """The k for which once / k + twice / k^2 is `wanted`; None where k^2 is more than `FAR`."""
    if wanted <= 0:
        return None
    grown = (once + math.sqrt(once**2 + 4 * wanted * twice)) / (2 * wanted)
    return max(1.1, grown) if grown**2 <= FAR else None


def causes(rows: Sequence[Row], explainers: Sequence[str], steps: Sequence[tuple[str, str]]) -> list[Row]:
    """By explainer, the first step (above, below) down the ladder that changed the reasons, and the fields it changed.

    None instead of a step where none did. `rows` are verdicts that name their rungs, explainer and changed fields.
    """
    known = {(row["explainer"], row["reference"], row["rung"]): row for row in rows}
    found = []
    for name in explainers:
        met = (known[name, above, below] for above, below in steps)
        first = next((row for row in met if row["verdict"] == Word.CHANGED), None)
        step = {key: first[key] for key in ("reference", "rung", "changed")} if first else None
        found.append({"explainer": name, "step": step})
    return found
