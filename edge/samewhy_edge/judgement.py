"""A record's maps put to a predictor: the one that they explain, or another, such as an int8 file under float maps."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from samewhy_edge.arrays import Samples, Scores
from samewhy_edge.complexity import SHAPE
from samewhy_edge.errors import InputError
from samewhy_edge.faithfulness import FAITHFULNESS, Measure, bill, explains_again
from samewhy_edge.files import sha256
from samewhy_edge.judge import Case, Values, as_they_are, judge, softmax
from samewhy_edge.predictor import Predictor, Subject
from samewhy_edge.query import Progress
from samewhy_edge.record import load

SCHEMA = 1
ROUNDED = 0.05  # by which coarse probabilities may miss a sum of 1

# A record tells how its maps were made, but not with what in memory: measures that explain again are left out.
MEASURES = tuple(one for one in FAITHFULNESS if not explains_again(one))


def judged_record(
    subject: Subject,
    path: Path,
    samples: Samples,
    others: Sequence[Predictor] = (),
    progress: Progress = lambda _: None,
) -> dict[str, Any]:
    """Every measure that needs no new map: mean, and a value for each sample, None where undefined.

    Raises:
        InputError: no such record, other samples than the record's, or maps that do not fit them.
    """
    record, arrays = load(path)
    if tuple(sha256(one) for one in samples) != record.samples:
        raise InputError(
            f"{path}: a record of {len(record.samples)} samples, and these {len(samples)} are not the same in the same "
            "order; expected the samples that were explained"
        )
    targets = np.array(record.targets, np.int64)
    known = probabilities(subject(samples))
    case = Case(
        subject,
        samples,
        targets,
        arrays.maps,
        record.seed,
        probability=as_they_are if known else softmax,
        others=others,
    )
    found = judge(case, MEASURES, progress)
    shape = arrays.maps.shape[1:]
    return {
        "schema": SCHEMA,
        "rung": asdict(subject.spec.rung),
        "explained": asdict(record.rung),  # whose maps they are
        "explainer": dict(record.explainer),
        "plan": record.plan,
        "seed": record.seed,
        "queries": bill(MEASURES, shape, 0),  # a sample, at most
        "scores": "probabilities" if known else "logits",
        "faithfulness": [_row(one, found[one.name]) for one in MEASURES],
        "shape": [_row(one, np.array([one.of(each) for each in arrays.maps])) for one in SHAPE],
    }


def probabilities(scores: Scores) -> bool:
    """Whether scores (N, K) look like probabilities: none below 0, all sums about 1."""
    return bool(scores.min() >= 0 and np.abs(scores.sum(axis=1) - 1).max() <= ROUNDED)


def _row(measure: Any, values: Values) -> dict[str, Any]:
    defined = values[np.isfinite(values)]
    return {
        "name": measure.name,
        "better": measure.better,
        "span": [_number(end) for end in measure.span],
        "source": measure.source,
        "convention": measure.convention,
        **({"scale": measure.scale} if isinstance(measure, Measure) else {}),
        "mean": _number(float(defined.mean())) if len(defined) else None,
        "samples": len(defined),
        "undefined": len(values) - len(defined),
        "values": [_number(value) for value in values],
    }


def _number(value: float) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None
