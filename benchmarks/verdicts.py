"""How often verdicts are right: false alarms, false peace and power, where the truth is planted.

``python -m benchmarks.verdicts`` prints three tables and writes runs/bench/verdicts.json, verdicts-tests.json and
verdicts-projection.json; every number is a share of simulated audits of 100 samples.

`verdicts`: real maps of models/fashion_ds_cnn. A changed rung answers with the float scores mixed with themselves dealt
to the wrong masks, as much as costs the planted loss of Spearman in the mean over all samples and plans; the copy is
the same file, the recompiled one has its scores moved by rounding. An audit draws samples and one of the plans.

`verdicts-tests`: both one-sided tests with the truth on the margin, where each errs most often: losses drawn anew from
skewed distributions, with mask noise that all samples share. 100 is what the level promises.

`verdicts-projection`: of undecided audits, how many the projected number of samples decides when they are drawn.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from benchmarks.tables import put, samples_of
from samewhy_edge.agreement import spearman
from samewhy_edge.arrays import Maps, Samples
from samewhy_edge.explain import Estimating, Explainer, estimated, knowing, of_targets, shuffled
from samewhy_edge.occlusion import Occlusion
from samewhy_edge.plan import Plan
from samewhy_edge.predictor import Subject, open_predictor
from samewhy_edge.query import ask
from samewhy_edge.rise import Rise
from samewhy_host.audit import WAYS, halvings
from samewhy_host.stats import Values
from samewhy_host.verdict import Case, echo, judged, loss

MARGIN, LEVEL, COUNT = 0.05, 0.95, 100  # defaults of a study
COMPARISONS = 52  # seven rungs below a reference, four explainers: (7 + 6) * 4
MANY = 1 - (1 - LEVEL) / COMPARISONS  # the level of the first of them by Holm
POOL, AUDITS = 200, 1000
PLANTED = (0.025, 0.05, 0.1)
EXPLAINED: tuple[tuple[Explainer, int], ...] = (  # with how many plans
    (Occlusion(), 1),
    (Rise(estimator="centred"), 6),
    (Rise(estimator="informed", design="pairs"), 3),
)
SKEWED: dict[str, Callable[[np.random.Generator, tuple[int, ...]], Values]] = {  # of mean 1
    "beta(1, 40)": lambda rng, shape: rng.beta(1, 40, shape) * 41,
    "log-normal, sigma 1": lambda rng, shape: rng.lognormal(-0.5, 1, shape),
    "one in ten large": lambda rng, shape: np.where(rng.random(shape) < 0.1, 6.0, 4 / 9) * rng.gamma(8, 1 / 8, shape),
}
Scores = NDArray[np.float32]


@final
@dataclass(frozen=True, slots=True)
class Asked:
    """The reference's scores under one plan, with the same dealt to the wrong masks."""

    explainer: Estimating
    plan: Plan
    queries: int
    scores: Scores
    dealt: Scores

    def mixed(self, share: float) -> Scores:
        """The scores of a rung that has lost so much of its reasons."""
        return ((1 - share) * self.scores + share * self.dealt).astype(np.float32)

    def case(self, scores: Scores) -> Case:
        """A rung with these scores against the reference."""
        ours, theirs = (halvings(self.explainer, self.plan, one) for one in (self.scores, scores))
        apart = [agreements(a[1], b[1]) - agreements(a[0], b[0]) for a, b in zip(ours, theirs, strict=True)]
        reference = self.maps(self.scores)
        echoed = agreements(reference, self.maps(echo(self.scores, 0)))
        losses = loss(agreements(reference, self.maps(scores)), echoed)
        return Case(losses, np.stack(apart) if apart else None, bool(apart), self.queries, 0)

    def maps(self, scores: Scores) -> Maps:
        """Of these scores."""
        return estimated(self.explainer.estimate, self.plan, scores)


def agreements(a: Maps, b: Maps) -> Values:
    """Spearman of each sample (N,)."""
    return np.array([spearman(x, y) for x, y in zip(a, b, strict=True)])


def asked(subject: Subject, samples: Samples, explainer: Explainer, seed: int) -> Asked:
    """One plan's answers."""
    plan: Any = explainer.plan(samples.shape[1:], seed)
    scores = of_targets(ask(subject, samples, plan, explainer.fill), subject(samples).argmax(axis=1))
    return Asked(knowing(explainer, samples), plan, len(plan), scores, shuffled(plan, scores, seed))


def planted(plans: Sequence[Asked], wanted: float) -> list[Case]:
    """Rungs, a plan each, that lose so much in the mean over all plans and samples; by halving."""
    low, high = 0.0, 0.8
    for _ in range(9):
        share = (low + high) / 2
        lost = 1 - np.nanmean([agreements(one.maps(one.scores), one.maps(one.mixed(share))) for one in plans[:2]])
        low, high = (share, high) if lost < wanted else (low, share)
    cases = [one.case(one.mixed((low + high) / 2)) for one in plans]
    apart = wanted - float(np.nanmean([one.losses for one in cases]))  # what halving on some plans has left
    return [replace(one, losses=one.losses + apart) for one in cases]


def recompiled(one: Asked) -> Case:
    """Scores moved by rounding, but not as the echo moves them; the mean of the pool, which is chance, is taken off."""
    case = one.case(echo(one.scores, 1))
    return replace(case, losses=case.losses - np.nanmean(case.losses))


def audits(cases: Sequence[Case], level: float) -> Iterator[dict[str, Any]]:
    """Verdicts on samples drawn from the pool, under one of the plans."""
    rng = np.random.default_rng(0)
    while True:
        case, places = cases[rng.integers(len(cases))], rng.integers(0, POOL, COUNT)
        halves = None if case.halves is None else case.halves[:, places]
        yield judged([replace(case, losses=case.losses[places], halves=halves)], MARGIN, level)[0]


def verdicts(explainer: Explainer, count: int) -> Iterator[dict[str, object]]:
    """The table's rows of one explainer."""
    folder, samples = Path("models/fashion_ds_cnn"), samples_of(POOL)
    real, integer = (open_predictor(f"litert:{folder / name}.tflite") for name in ("float", "int8"))
    plans = [asked(real, samples, explainer, seed) for seed in range(count)]
    truth = real(samples).argmax(axis=1)
    answers = [of_targets(ask(integer, samples, one.plan, explainer.fill), truth) for one in plans]
    rungs = {
        "its own copy": [one.case(one.scores) for one in plans],
        "recompiled": [recompiled(one) for one in plans],
        "int8": [one.case(scores) for one, scores in zip(plans, answers, strict=True)],
        **{f"planted {wanted:g}": planted(plans, wanted) for wanted in PLANTED},
    }
    for name, cases in rungs.items():
        one, many = (list(islice(audits(cases, level), AUDITS)) for level in (LEVEL, MANY))
        yield {
            "explainer": explainer.name,
            "rung": name,
            "loss": round(float(np.nanmean([case.losses for case in cases])), 5),
            **{f"{word}, %": percent([row["verdict"] == word for row in one]) for word in ("same", "changed")},
            "beyond noise, %": percent([row["beyond_noise"] for row in one]),
            **{
                f"{word} of {COMPARISONS}, %": percent([row["verdict"] == word for row in many])
                for word in ("same", "changed")
            },
            f"beyond noise of {COMPARISONS}, %": percent([row["beyond_noise"] for row in many]),
        }


def percent(hits: Sequence[bool]) -> float:
    """To a tenth."""
    return round(100 * float(np.mean(hits)), 1)


def simulated(name: str, mean: float, masks: float, count: int, rng: np.random.Generator) -> Case:
    """Losses of one audit; masks move the mean of all by `masks` of what samples do among `COUNT`."""
    draw = partial(SKEWED[name], rng)
    unit = mean * float(SKEWED[name](np.random.default_rng(0), (100_000,)).std()) / COUNT**0.5 * masks
    ways = rng.normal(0, 2 * unit, WAYS)[:, None] + np.zeros(
        count
    )  # what two halves differ by is twice what the whole errs
    return Case(mean * draw((count,)) + rng.normal(0, unit), ways if masks else None, masks > 0, 256, 0)


def boundary(name: str, masks: float) -> dict[str, object]:
    """How often each test errs with the truth on the margin, in percent of what its level promises."""
    rng, found = np.random.default_rng(1), {}
    rows = [judged([simulated(name, MARGIN, masks, COUNT, rng)], MARGIN, LEVEL)[0] for _ in range(4 * AUDITS)]
    for word in ("same", "changed"):
        chances = np.array([row[f"p_{word}"] for row in rows])
        for alpha in (0.05, 0.005):
            found[f"{word} at {alpha}, % of it"] = round(100 * float((chances <= alpha).mean()) / alpha)
    return {"losses": name, "mask noise / sample noise": masks, **found}


def projection(name: str, mean: float) -> dict[str, object]:
    """Of undecided audits: the projected number, and how many it decides when so many samples are drawn anew."""
    rng = np.random.default_rng(2)
    first = [judged([simulated(name, mean, 0, COUNT, rng)], MARGIN, LEVEL)[0] for _ in range(AUDITS)]
    opened = [row for row in first if row["more"] and row["more"]["samples"]]
    typical = int(np.median([row["more"]["samples"] for row in opened]))
    again = [judged([simulated(name, mean, 0, COUNT + typical, rng)], MARGIN, LEVEL)[0] for _ in range(AUDITS)]
    return {
        "losses": name,
        "mean loss": mean,
        "undecided, %": percent([row["verdict"] == "undecided" for row in first]),
        "median of more samples": typical,
        "then decided, %": percent([row["verdict"] != "undecided" for row in again]),
    }


def main() -> None:
    """All three tables."""
    put("verdicts", [row for explainer, plans in EXPLAINED for row in verdicts(explainer, plans)])
    put("verdicts-tests", [boundary(name, masks) for name in SKEWED for masks in (0.0, 0.5, 1.0)])
    put("verdicts-projection", [projection(name, mean) for name in SKEWED for mean in (0.04, 0.06)])


if __name__ == "__main__":
    main()
