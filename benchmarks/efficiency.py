"""How many queries a map costs: every design and estimator against a reference of many queries.

``python -m benchmarks.efficiency`` prints a table and writes runs/bench/efficiency.json: Pearson and Spearman with the
centred RISE map of `REFERENCE` random masks (other masks than any tried here), mean over samples and seeds, for logits
and for their softmax, on the int8 files in models/.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.tables import MODELS, put, samples_of
from samewhy_edge.agreement import pearson, spearman
from samewhy_edge.arrays import Answers, Maps, Samples, Targets
from samewhy_edge.explain import of_targets
from samewhy_edge.predictor import Subject, open_predictor
from samewhy_edge.query import ask
from samewhy_edge.rise import Rise

REFERENCE, SAMPLES, SEEDS = 50_000, 20, 3
TRIED = [
    *(Rise(queries, estimator="published") for queries in (512, 2048, 8192)),
    *(Rise(queries, estimator="mask-sum") for queries in (128, 512)),
    *(Rise(queries, estimator="centred") for queries in (128, 512, 2048)),
    *(Rise(queries, estimator="surrogate") for queries in (128, 256, 512)),
    *(Rise(queries, estimator="centred", design="array") for queries in (128, 256, 512)),
    *(Rise(queries, estimator="surrogate", design="array") for queries in (128, 256, 512, 1024)),
    *(Rise(queries, estimator="corrected", design="array") for queries in (128, 256, 512, 1024)),
]


def both(answers: Answers, targets: Targets) -> list[NDArray[np.float32]]:
    """The targets' logits and probabilities, (N, M) each."""
    powers = np.exp(answers - answers.max(axis=-1, keepdims=True))
    return [of_targets(scores, targets) for scores in (answers, powers / powers.sum(axis=-1, keepdims=True))]


def maps(subject: Subject, samples: Samples, targets: Targets, rise: Rise, seed: int) -> list[Maps]:
    """Maps of logits and of probabilities, a sample at a time to bound the memory of long plans."""
    plan = rise.plan(samples.shape[1:-1], seed)
    rows = [both(ask(subject, samples[i : i + 1], plan), targets[i : i + 1]) for i in range(len(samples))]
    return [rise.estimate(plan, np.concatenate(kind)) for kind in zip(*rows, strict=True)]


def row(
    name: str, subject: Subject, samples: Samples, targets: Targets, known: list[Maps], rise: Rise
) -> dict[str, object]:
    """One explainer: its agreement with the reference, mean over samples and seeds."""
    tried = [maps(subject, samples, targets, rise, seed) for seed in range(SEEDS)]
    measured = {
        f"{kind} {measure.__name__}": round(
            float(np.mean([measure(a, b) for one in tried for a, b in zip(one[i], known[i], strict=True)])), 4
        )
        for i, kind in enumerate(("logits", "softmax"))
        for measure in (pearson, spearman)
    }
    return {"network": name, "explainer": rise.name, "queries": rise.queries, **measured}


def main() -> None:
    """All networks and explainers."""
    rows = []
    samples = samples_of(SAMPLES)
    for name in MODELS:
        subject = open_predictor(f"litert:{Path('models') / name / 'int8.tflite'}")
        targets = subject(samples).argmax(axis=1)
        known = maps(subject, samples, targets, Rise(REFERENCE), seed=10_000)
        rows += [row(name, subject, samples, targets, known, rise) for rise in TRIED]
    put("efficiency", rows)


if __name__ == "__main__":
    main()
