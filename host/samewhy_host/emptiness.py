"""What maps say where there is nothing: samples without an object, against real ones."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.arrays import Samples
from samewhy_edge.errors import InputError
from samewhy_edge.explain import Explainer, adapted, estimated, knowing, of_targets
from samewhy_edge.predictor import Predictor
from samewhy_host import stats

RESAMPLES = 2000
Values = NDArray[np.float64]
Row = dict[str, Any]


def emptiness(
    subject: Predictor,
    samples: Samples,
    empty: Samples,
    explainers: Sequence[Explainer],
    seed: int,
    resamples: int = RESAMPLES,
) -> list[Row]:
    """What maps say where there is nothing: of samples without an object, against that of real ones.

    A row an explainer, with the ratio of the mean |map| (`mass`) and of the mean largest |map| (`peak`), each sample
    explained for its own label. 0 is a map that is silent without an object, 1 one that says as much; None where the
    real maps are all zero.

    Raises:
        InputError: no samples of either kind.
    """
    if not len(samples) or not len(empty):
        raise InputError(f"{len(samples)} samples and {len(empty)} without an object; expected at least one of each")
    real, silent = ([sizes_of(subject, group, one, seed) for one in explainers] for group in (samples, empty))
    return [emptiness_row(*row, resamples, seed) for row in zip(explainers, real, silent, strict=True)]


def sizes_of(subject: Predictor, samples: Samples, explainer: Explainer, seed: int) -> Values:
    """Mean and largest |map| of each sample, (2, N), for its own label."""
    labels = subject(samples).argmax(axis=1)
    plan, given = adapted(subject, samples, labels, explainer, seed)
    maps = np.abs(estimated(knowing(explainer, samples).estimate, plan, of_targets(given, labels)))
    rows = maps.reshape(len(maps), -1).astype(np.float64)
    return np.stack([rows.mean(axis=1), rows.max(axis=1)])


def emptiness_row(explainer: Explainer, real: Values, empty: Values, resamples: int, seed: int) -> Row:
    """Both ratios with their intervals, and how many maps were zero everywhere."""
    ratios = {name: ratio(empty[i], real[i], resamples, seed) for i, name in enumerate(("mass", "peak"))}
    counts = {"samples": real.shape[1], "empty": empty.shape[1]}
    return {"explainer": explainer.name, **ratios, **counts, "silent": int((empty[1] == 0).sum())}


def ratio(above: Values, below: Values, resamples: int, seed: int) -> dict[str, float | None]:
    """Ratio of two means with its 95 % percentile bootstrap interval, both groups drawn anew; None where undefined."""
    draws = [one[stats.resample(len(one), resamples, seed + i)].mean(axis=1) for i, one in enumerate((above, below))]
    if not np.isfinite([*draws[0], *draws[1]]).all() or not draws[1].min() > 0:
        return {"value": None, "low": None, "high": None}
    low, high = np.quantile(draws[0] / draws[1], [(1 - stats.LEVEL) / 2, (1 + stats.LEVEL) / 2])
    named = zip(("value", "low", "high"), (above.mean() / below.mean(), low, high), strict=True)
    return {name: stats.tidy(value) for name, value in named}
