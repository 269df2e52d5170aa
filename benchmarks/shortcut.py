"""Is a planted shortcut found? How much of the int8 file's maps lies on the background, beside its unbiased twin.

``python -m benchmarks.shortcut`` builds studies/shortcut.toml, where the photograph goes with the class in training,
and its twin, the same but for `variant = "plain"`, as ``samewhy build`` does, in runs/bench/shortcut; finished steps
there are used again. It prints two tables and writes runs/bench/shortcut.json and shortcut-answers.json.

`shortcut`: the share of the background, 1 - `mass`: what is positive in the map outside the garment's mask, over all
that is positive. What is compared was chosen before it was measured:

* Samples: those that the study audits, the classes even; both networks have the same. Photograph and garment are drawn
  apart there. None is left out for what a network answers, since that would choose the result.
* Target: the class that the asked file itself names, as in an audit: the question to a deployed file is why it says
  what it says. Beside it, maps of one class for both networks: the garment's, and that of the photograph.
* Fill: the sample's own mean. Black is what garments are cut from, so it says "nothing here", which is no absence.
* Explainers: those of the study file, RISE and occlusion, decide. Others stand beside them.
* Ratio: of the two means over samples, with a bootstrap that draws the same samples for both. A mean of ratios would be
  ruled by the samples with the smallest divisors.

What may be tuned is what the experiment can see (training, bias, canvas, window, queries), never the above. `at most`
is what the explainer gives for two scores that leave no doubt: one that sums over the garment's positions, one over all
others. Where that is not well above the ratio wanted, the windows are too coarse to tell the networks apart.

`shortcut-answers`: how often the int8 files are right, and how often they name the class of the photograph, on all test
samples and on the same photographs without a garment.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal, final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.tables import BENCH, put
from samewhy_edge.arrays import Maps, Samples, Scores, Targets
from samewhy_edge.explain import Explainer, explain
from samewhy_edge.fill import Blur, Mean
from samewhy_edge.localisation import LOCALISATION, localised
from samewhy_edge.occlusion import Occlusion
from samewhy_edge.predictor import Predictor, open_predictor
from samewhy_edge.rise import Rise
from samewhy_edge.shapley import KernelShap
from samewhy_host import stats
from samewhy_host.build import build
from samewhy_host.data import composites, embedded
from samewhy_host.data.dataset import Split
from samewhy_host.study import Study, StudyFile, read_study

WANTED = 3.0
STUDY = Path("studies/shortcut.toml")
INT8 = "artifacts/int8.tflite"
BESIDE: tuple[Explainer, ...] = (
    Occlusion((4,), (2,), Mean()),
    Occlusion((8,), (4,), Mean()),
    Occlusion((3,), (1,), Blur()),
    Rise(256, 8, estimator="informed", design="pairs", fill=Mean()),
    KernelShap((12,), 1024, fill=Mean()),
)
MEASURES = {one.name: one for one in LOCALISATION}
Variant = Literal["biased", "plain"]
Values = NDArray[np.float64]


@final
@dataclass(frozen=True)
class Twin:
    """A deployed file with what it is asked about."""

    study: Study
    predictor: Predictor
    test: Split
    audited: Split

    @cached_property
    def answers(self) -> Targets:
        """The class that the file names for each audited sample, (N,)."""
        return np.asarray(self.predictor(self.audited.samples).argmax(axis=1), np.int64)

    @property
    def masks(self) -> NDArray[np.bool_]:
        """Where the garment is, (N, *S)."""
        masks = self.audited.masks
        if masks is None:
            raise ValueError("samples without masks; expected those of source = garments")
        return masks

    def maps(self, targets: Targets, explainer: Explainer) -> Maps:
        """Of these classes, (N, *S)."""
        return explain(self.predictor, self.audited.samples, targets, explainer, self.study.study.seed)


@final
@dataclass(frozen=True)
class Brightness:
    """One score: the mean of a sample."""

    def __call__(self, samples: Samples, /) -> Scores:
        """(N, 1)"""
        return np.asarray(samples.mean(axis=(1, 2, 3))[:, None], np.float32)


def twin(file: StudyFile, variant: Variant) -> Twin:
    """The int8 file of the study with this variant of its data, built where it is not yet."""
    how = replace(file.study.data.garments, variant=variant)
    study = replace(file.study, data=replace(file.study.data, garments=how))
    folder, console = BENCH / "shortcut" / variant, Console(stderr=True)
    made, data = build(replace(file, study=study), folder, lambda line: console.print(f"{variant}: {line}"))
    return Twin(
        study, open_predictor(f"litert:{folder / INT8}"), data.test, data.test.take(data.test.places(made.audit))
    )


def photographed(study: Study) -> Targets:
    """The class whose photograph each test sample is on, (T,)."""
    _, names = composites.photographs()
    labels = embedded.fashion_mnist("byte").test.labels
    plan = composites.layout("test", labels, study.data.garments, names, study.study.seed)
    return np.array([composites.POOL.index(names[place]) for place in plan.photographs])


def answers_row(name: str, one: Twin, classes: Targets) -> dict[str, object]:
    """What a file answers to the whole test split, and to its photographs alone."""
    data = one.study.data
    how = replace(data.garments, variant="background-only")
    alone = composites.garments(how, data.values, one.study.study.seed).test
    said, said_alone = (one.predictor(samples).argmax(axis=1) for samples in (one.test.samples, alone.samples))
    return {
        "trained on": name,
        "right, %": percent(said == one.test.labels),
        "names the photograph, %": percent(said == classes),
        "the same, photograph alone, %": percent(said_alone == classes),
    }


def percent(hits: NDArray[np.bool_]) -> float:
    """To a tenth."""
    return round(100 * float(hits.mean()), 1)


def shares(maps: Maps, masks: NDArray[np.bool_]) -> Values:
    """The share of the background of each map (N,); NaN where it is undefined."""
    return 1 - localised(MEASURES["mass"], maps, masks)


def ratio(biased: Values, plain: Values, resamples: int, seed: int) -> stats.Mean:
    """The mean share (N,) of one network over that of the other, over the samples where both are defined."""
    both = np.stack([biased, plain])[:, ~np.isnan(biased + plain)]
    drawn = both[:, stats.resample(both.shape[1], resamples, seed)].mean(axis=2)
    low, high = np.quantile(drawn[0] / drawn[1], [(1 - stats.LEVEL) / 2, (1 + stats.LEVEL) / 2])
    means = both.mean(axis=1)
    return stats.Mean(float(means[0] / means[1]), low, high, both.shape[1], len(biased) - both.shape[1])


def at_most(masks: NDArray[np.bool_], explainer: Explainer) -> float:
    """The ratio for a score of the others positions alone, over one of the garment's alone."""
    black = replace(explainer, fill=0.0)  # type: ignore[type-var]  # explainers are dataclasses
    none = np.zeros(len(masks), np.int64)
    outside, inside = (
        shares(explain(Brightness(), seen[..., None].astype(np.float32), none, black, 0), masks)
        for seen in (~masks, masks)
    )
    return float(np.nanmean(outside) / np.nanmean(inside))


def row(twins: Mapping[str, Twin], targets: Mapping[str, Targets], of: str, explainer: Explainer) -> dict[str, object]:
    """One explainer's maps of both files."""
    study, masks = twins["plain"].study, twins["plain"].masks
    maps = {name: one.maps(targets[name], explainer) for name, one in twins.items()}
    found = {name: shares(one, masks) for name, one in maps.items()}
    times = ratio(found["biased"], found["plain"], study.audit.resamples, study.study.seed)
    return {
        "explainer": described(explainer),
        "map of": of,
        **{f"{name}, %": of_mean(values, study) for name, values in found.items()},
        "chance, %": percent(~masks),
        "times": shown(times, 1, 2),
        "at most": round(at_most(masks, explainer), 2),
        "wanted": "yes" if times.value is not None and times.value >= WANTED else "no",
        "undefined": times.undefined,
        **{name: beside(name, maps, masks) for name in ("mask-auc", "point")},
    }


def of_mean(values: Values, study: Study) -> str:
    """A mean of shares, in percent."""
    return shown(stats.mean(values, study.audit.resamples, study.study.seed), 100, 1)


def beside(measure: str, maps: Mapping[str, Maps], masks: NDArray[np.bool_]) -> str:
    """Another measure's means of both."""
    return " / ".join(f"{np.nanmean(localised(MEASURES[measure], one, masks)):.2f}" for one in maps.values())


def shown(one: stats.Mean, unit: float, digits: int) -> str:
    """A mean with its interval."""
    if one.value is None or one.low is None or one.high is None:
        return "undefined"
    low, value, high = (f"{unit * number:.{digits}f}" for number in (one.low, one.value, one.high))
    return f"{value} [{low}, {high}]"


def described(explainer: Explainer) -> str:
    """The name, and what else tells two of one name apart."""
    if isinstance(explainer, Occlusion):
        size = f"window {explainer.window[0]}"
    else:
        size = f"{getattr(explainer, 'queries', '')} queries"
    return f"{explainer.name}, {size}, {getattr(explainer.fill, 'method', explainer.fill)}"


def rows(twins: Mapping[str, Twin], classes: Targets, explained: Sequence[Explainer]) -> Iterator[dict[str, object]]:
    """The decisive maps first, then those of other explainers, then those of other classes."""
    own = {name: one.answers for name, one in twins.items()}
    garment, photograph = (dict.fromkeys(twins, targets) for targets in (twins["plain"].audited.labels, classes))
    for explainer in (*explained, *BESIDE):
        yield row(twins, own, "its own answer", explainer)
    for explainer in explained:
        yield row(twins, garment, "the garment's class", explainer)
        yield row(twins, photograph, "the photograph's class", explainer)


def main() -> None:
    """Both tables."""
    file = read_study(STUDY)
    twins = {name: twin(file, name) for name in ("biased", "plain")}
    plain = twins["plain"]
    classes = photographed(plain.study)
    put("shortcut-answers", [answers_row(name, one, classes) for name, one in twins.items()])
    audited = classes[plain.test.places(plain.audited.ids)]
    put("shortcut", list(rows(twins, audited, file.study.explainers())))


if __name__ == "__main__":
    main()
