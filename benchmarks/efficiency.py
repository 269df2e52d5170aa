"""How many queries a map costs: every design and estimator against a reference of many queries.

``python -m benchmarks.efficiency`` prints two tables and writes them to runs/bench. `efficiency`: Pearson and Spearman
with the centred RISE map of `REFERENCE` random masks (other masks than any tried here), mean over samples and seeds,
for logits and for their softmax, on int8 files in models/. `efficiency-first`: the fewest queries at which the default
explainer is at least as good as published RISE at 8192, in both measures.

The third network ends in a softmax of 256 steps, which has no logarithm where it says 0; it is asked through a copy
without that operator. Reference maps are kept in runs/bench/references, by digest of file, samples and masks.
"""

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import final

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from benchmarks.subjects import OWN, THIRD_PARTY, logits_of, photos, samples_of, softmax
from benchmarks.tables import BENCH, put
from samewhy_edge.agreement import pearson, spearman
from samewhy_edge.arrays import Maps, Samples, Targets
from samewhy_edge.explain import DEFAULTS, knowing, of_targets
from samewhy_edge.plan import digest
from samewhy_edge.predictor import Subject
from samewhy_edge.query import ask
from samewhy_edge.rise import Rise

REFERENCE, REFERENCE_SEED, SAMPLES, SEEDS = Rise(50_000), 10_000, 20, 3
PUBLISHED = Rise(8192, estimator="published")
DEFAULT = next(explainer for explainer in DEFAULTS if isinstance(explainer, Rise))
TRIED = [
    *(replace(PUBLISHED, queries=queries) for queries in (512, 2048, 8192)),
    *(Rise(queries, estimator="mask-sum") for queries in (128, 512)),
    *(Rise(queries, estimator="centred") for queries in (128, 512, 2048)),
    *(Rise(queries, estimator="surrogate") for queries in (128, 256, 512)),
    *(Rise(queries, estimator="centred", design="array") for queries in (128, 256, 512)),
    *(Rise(queries, estimator="surrogate", design="array") for queries in (128, 256, 512, 1024)),
    *(Rise(queries, estimator="corrected", design="array") for queries in (128, 256, 512, 1024)),
    *(Rise(queries, estimator=name, design="sobol") for name in ("centred", "surrogate") for queries in (256, 512)),
    *(Rise(queries, estimator="informed") for queries in (256, 2048)),
    *(replace(DEFAULT, queries=queries) for queries in (128, 256, 384, 512, 768, 1024, 1536, 2048)),
]
KINDS = ("logits", "softmax")
MEASURES = (pearson, spearman)

Row = dict[str, object]
Both = tuple[NDArray[np.float32], ...]  # (N, M) or (N, *S), of the targets' logits and of their probabilities


@final
@dataclass(frozen=True)
class Network:
    """A file that gives logits, what it is asked about, and its answers to plans asked before."""

    name: str
    subject: Subject
    samples: Samples
    targets: Targets
    answers: dict[tuple[Rise, int], Both] = field(default_factory=dict)

    def scores(self, rise: Rise, seed: int) -> Both:
        """Scores (N, M) of the targets; estimators of one plan share them."""
        plain = replace(rise, estimator="centred")
        if (plain, seed) not in self.answers:
            parts = [self.only(i)._asked(plain, seed) for i in range(len(self.samples))]  # bounds the memory
            self.answers[plain, seed] = tuple(np.concatenate(part) for part in zip(*parts, strict=True))
        return self.answers[plain, seed]

    def maps(self, rise: Rise, seed: int) -> tuple[Maps, ...]:
        """Maps (N, *S) of logits and of probabilities."""
        plan = rise.plan(self.samples.shape[1:], seed)
        return tuple(knowing(rise, self.samples).estimate(plan, scores) for scores in self.scores(rise, seed))

    def only(self, i: int) -> "Network":
        """The same with one sample, and nothing asked yet."""
        return replace(self, samples=self.samples[i : i + 1], targets=self.targets[i : i + 1], answers={})

    def _asked(self, rise: Rise, seed: int) -> Both:
        answers = ask(self.subject, self.samples, rise.plan(self.samples.shape[1:], seed), rise.fill)
        return tuple(of_targets(kind, self.targets) for kind in (answers, softmax(answers)))


def networks(folder: Path) -> Iterator[Network]:
    """The int8 files in models/ with their samples; targets are what they say."""
    for name in (*OWN, *THIRD_PARTY):
        samples = samples_of(SAMPLES) if name in OWN else photos(name, SAMPLES)
        subject = logits_of(name, samples, folder)
        yield Network(name, subject, samples, subject(samples).argmax(axis=1))


def reference(network: Network) -> tuple[Maps, ...]:
    """Maps of logits and of probabilities from many queries, from a file where they were made before."""
    plan = REFERENCE.plan(network.samples.shape[1:], REFERENCE_SEED)
    asked = (network.subject.spec.rung.artifact.sha256, REFERENCE.name, digest(plan))
    key = hashlib.sha256(repr(asked).encode() + network.samples.tobytes()).hexdigest()
    path = BENCH / "references" / f"{network.name}-{key[:16]}.npz"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        parts = [
            network.only(i).maps(REFERENCE, REFERENCE_SEED)
            for i in track(range(len(network.samples)), f"{network.name}: reference")
        ]
        np.savez(
            path, **{kind: np.concatenate(part) for kind, part in zip(KINDS, zip(*parts, strict=True), strict=True)}
        )
    with np.load(path) as arrays:
        return tuple(arrays[kind] for kind in KINDS)


def row(network: Network, known: Sequence[Maps], rise: Rise) -> Row:
    """One explainer: its agreement with the reference, mean over samples and seeds."""
    tried = [network.maps(rise, seed) for seed in range(SEEDS)]
    measured = {
        f"{kind} {measure.__name__}": round(
            float(np.mean([measure(a, b) for one in tried for a, b in zip(one[i], known[i], strict=True)])), 4
        )
        for i, kind in enumerate(KINDS)
        for measure in MEASURES
    }
    return {"network": network.name, "explainer": rise.name, "queries": rise.queries, **measured}


def first_as_good(rows: Sequence[Row], kind: str) -> Row:
    """The fewest queries from which on no budget tried of the default is worse than published RISE at 8192."""
    columns = [f"{kind} {measure.__name__}" for measure in MEASURES]
    (mark,) = (one for one in rows if (one["explainer"], one["queries"]) == (PUBLISHED.name, PUBLISHED.queries))
    curve = sorted((one for one in rows if one["explainer"] == DEFAULT.name), key=lambda one: int(str(one["queries"])))
    good = [all(float(str(one[column])) >= float(str(mark[column])) for column in columns) for one in curve]
    first = next((i for i in range(len(curve)) if all(good[i:])), None)
    queries = None if first is None else int(str(curve[first]["queries"]))
    return {
        "network": mark["network"],
        "scores": kind,
        "published at 8192": " / ".join(str(mark[column]) for column in columns),
        "default": DEFAULT.name,
        "as good from": queries or f"not by {curve[-1]['queries']}",
        "there": "" if first is None else " / ".join(str(curve[first][column]) for column in columns),
        "times fewer": "" if queries is None else round(PUBLISHED.queries / queries, 1),
    }


def main() -> None:
    """All networks and explainers."""
    tried = sorted(set(TRIED), key=lambda rise: (rise.name, rise.queries))
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for network in networks(Path(folder)):
            known = reference(network)
            rows += [row(network, known, rise) for rise in track(tried, f"{network.name}: {len(tried)} explainers")]
    put("efficiency", rows)
    of_networks = [list(group) for _, group in groupby(rows, key=lambda one: one["network"])]
    put("efficiency-first", [first_as_good(group, kind) for group in of_networks for kind in KINDS])


if __name__ == "__main__":
    main()
