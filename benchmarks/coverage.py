"""How often 95 % intervals hold the answer, on games whose answer is known.

``python -m benchmarks.coverage`` prints a table and writes runs/bench/coverage.json. Nine cells of 2 x 2 positions play
four games: additive, pairwise, saturating, three-way. Every explainer that draws explains each game with `SEEDS` seeds;
an interval is estimate -/+ Student's t times `errors`. Two shares are printed, over seeds and positions: of intervals
that hold the known answer, and of those that hold the mean of all estimates, which is what `errors` speak of. Where the
first is low and the second is right, the explainer has a bias that more seeds do not remove.

Answers: Shapley values by all 2^9 coalitions; RISE by all 2^9 grids and 4 shifts; LIME and HSIC by their own formula
over all coalitions at once; Sobol' by quadrature.
"""

from collections.abc import Sequence
from itertools import product
from math import factorial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from benchmarks.tables import put
from samewhy_edge.explain import Explainer
from samewhy_edge.features import Coalitions, cells
from samewhy_edge.grids import Upsampling
from samewhy_edge.intervals import quantile
from samewhy_edge.lime import Lime
from samewhy_edge.plan import Plan
from samewhy_edge.rise import Rise
from samewhy_edge.sensitivity import Hsic, Sobol
from samewhy_edge.shapley import KernelShap, Permutation

Values = NDArray[np.float64]

SEEDS, WANTED = 400, (93.0, 97.0)
SIDE, CELL = 3, 2  # 3 x 3 cells of 2 x 2 positions
COUNT, SHAPE = SIDE**2, (SIDE * CELL, SIDE * CELL)
LABELS = cells(SHAPE, (SIDE, SIDE))
GAMES = ("additive", "pairwise", "saturating", "three-way")
NODES = 4  # of the quadrature, a cell
EXACT = 1e-5  # what float32 leaves of an error of 0

ALL = np.array(list(product((0.0, 1.0), repeat=COUNT)))  # (512, 9)
EXPLAINED: tuple[Any, ...] = (
    Permutation((SIDE,), 8),
    KernelShap((SIDE,), 128),
    KernelShap((SIDE,), 128, "paired"),
    Lime((SIDE,), 256, penalty=0.0),
    Lime((SIDE,), 256),
    Sobol((SIDE,), 128),
    Hsic((SIDE,), 256),
    *(Rise(256, SIDE, estimator=name) for name in ("published", "mask-sum", "centred")),
    *(Rise(512, SIDE, estimator=name, design="array") for name in ("centred", "surrogate", "corrected")),
    Rise(512, SIDE, estimator="informed", design="pairs"),
    *(Rise(256, SIDE, estimator=name, design="sobol") for name in ("centred", "surrogate")),
)


def scores(kept: Values) -> Values:
    """Scores (4, M) of the games, for cells kept by so much: (M, 9)."""
    drawn = np.random.default_rng(7)
    own = drawn.normal(0, 1, COUNT)
    pairs, triples = np.triu(drawn.normal(0, 0.5, (COUNT, COUNT)), 1), drawn.integers(0, COUNT, (12, 3))
    additive = kept @ own
    pairwise = additive + np.einsum("mi,ij,mj->m", kept, pairs, kept)
    saturating = np.tanh(kept @ np.abs(own) - 0.4 * np.abs(own).sum())
    threes = kept[:, triples].prod(axis=2) @ drawn.normal(0, 1, len(triples))
    return np.stack([additive, pairwise, saturating, additive + threes])


def of_plan(plan: Plan) -> NDArray[np.float32]:
    """Scores (4, M) under a plan."""
    return scores(in_cells(plan.keep(0, len(plan)))).astype(np.float32)


def in_cells(keep: NDArray[Any]) -> Values:
    """Masks (M, *S) as means over cells, (M, 9)."""
    means = keep.reshape(len(keep), SIDE, CELL, SIDE, CELL).mean(axis=(2, 4), dtype=np.float64)
    return np.asarray(means.reshape(-1, COUNT))


def known(explainer: Explainer) -> Values:
    """The answer of each game, (4, *S)."""
    if isinstance(explainer, Rise):
        return of_all_masks(explainer)
    if isinstance(explainer, Permutation | KernelShap):
        return shapley()[:, LABELS]
    if isinstance(explainer, Sobol):
        return total_order()[:, LABELS]
    every = Coalitions(LABELS, ALL.astype(np.float32))
    return explainer.estimate(every, of_plan(every)).astype(np.float64)


def shapley() -> Values:
    """Shapley values (4, 9): by the definition, over all coalitions."""
    value = dict(zip(map(tuple, ALL), scores(ALL).T, strict=True))
    found = np.zeros((len(GAMES), COUNT))
    for one in map(tuple, ALL):
        size = int(sum(one))
        for i in (i for i in range(COUNT) if not one[i]):
            weight = factorial(size) * factorial(COUNT - size - 1) / factorial(COUNT)
            found[:, i] += weight * (value[(*one[:i], 1.0, *one[i + 1 :])] - value[one])
    return found


def of_all_masks(rise: Rise) -> Values:
    """The map (4, *S) that each estimator of RISE has in the limit, over all grids and shifts."""
    shifts = list(product(range(CELL), repeat=2))
    grids = np.repeat(ALL.reshape(-1, SIDE, SIDE), len(shifts), axis=0).astype(np.float32)
    keep = Upsampling(SHAPE, SIDE).masks(grids, np.tile(np.array(shifts), (len(ALL), 1))).astype(np.float64)
    found = scores(in_cells(keep))
    if rise.weighing not in ("published", "mask-sum"):
        found -= found.mean(axis=1, keepdims=True)
    weighed = np.tensordot(found, keep, axes=1) / len(keep)
    return np.asarray(weighed / (keep.mean(axis=0) if rise.weighing == "mask-sum" else rise.share))


def total_order() -> Values:
    """Total-order indices (4, 9) of cells kept by independent uniform shares: mean variance along a cell over all."""
    at, weights = np.polynomial.legendre.leggauss(NODES)  # type: ignore[no-untyped-call]  # numpy
    at, weights = (at + 1) / 2, weights / 2
    values = scores(np.array(list(product(at, repeat=COUNT)))).reshape(len(GAMES), *[NODES] * COUNT)
    return np.stack([[_along(one, i, weights) for i in range(COUNT)] for one in values])


def _along(values: Values, axis: int, weights: Values) -> float:
    def mean(over: Values, axes: int) -> Values:
        for _ in range(axes):
            over = np.tensordot(over, weights, axes=([-1], [0]))
        return over

    last = np.moveaxis(values, axis, -1)
    own = mean(last**2, 1) - mean(last, 1) ** 2
    whole = mean(values**2, COUNT) - mean(values, COUNT) ** 2
    return float(mean(own, COUNT - 1) / whole)


def rows_of(explainer: Any) -> list[dict[str, object]]:
    """One line a game."""
    estimates, reaches = [], []
    for seed in track(range(SEEDS), explainer.name):
        plan: Any = explainer.plan((*SHAPE, 1), seed)
        asked = of_plan(plan)
        estimates.append(explainer.estimate(plan, asked).astype(np.float64))
        reaches.append(explainer.errors(plan, asked) * quantile(explainer.freedom(plan)))
    made, reach = np.stack(estimates), np.stack(reaches)
    answer = known(explainer)
    return [
        {
            "explainer": described(explainer),
            "queries": len(plan),
            "game": name,
            **verdict("answer", made[:, i], reach[:, i], answer[i]),
            **verdict("mean", made[:, i], reach[:, i], made[:, i].mean(axis=0)),
            "bias / reach": bias(made[:, i], reach[:, i], answer[i]),
        }
        for i, name in enumerate(GAMES)
    ]


def bias(made: Values, reach: Values, answer: Values) -> float | str:
    """How far the mean estimate is from the answer, in half intervals; empty where those are roundings."""
    wide = float(np.nanmean(reach))
    far = float(np.abs(made.mean(axis=0) - answer).mean())
    return round(far / wide, 2) if wide > EXACT * float(np.abs(answer).max()) else ""


def described(explainer: Explainer) -> str:
    """The name, and what else tells two of one name apart."""
    return f"{explainer.name}{', no penalty' if isinstance(explainer, Lime) and not explainer.penalty else ''}"


def verdict(of: str, made: Values, reach: Values, answer: Values) -> dict[str, object]:
    """The share of intervals (SEEDS, *S) that hold the answer (*S,), and whether it is what it should be."""
    defined, rounding = np.isfinite(reach), EXACT * float(np.abs(answer).max())
    if not defined.any():
        return {f"holds {of}, %": "", f"{of} within": "no intervals"}
    inside = np.abs(made - answer) <= reach + rounding
    share = 100 * float(inside[defined].mean())
    exact = bool((reach[defined] <= rounding).all()) and share == 100
    return {f"holds {of}, %": round(share, 1), f"{of} within": "exact" if exact else judged(share)}


def judged(share: float) -> str:
    """Intervals may be right, too wide or too short."""
    low, high = WANTED
    return "too short" if share < low else "too wide" if share > high else "yes"


def main(explained: Sequence[Any] = EXPLAINED) -> None:
    """All explainers and games."""
    put("coverage", [row for explainer in explained for row in rows_of(explainer)])


if __name__ == "__main__":
    main()
