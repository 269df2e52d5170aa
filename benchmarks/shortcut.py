"""Is a planted shortcut found? How much of the int8 file's maps lies on the background, beside its unbiased twin.

``python -m benchmarks.shortcut`` builds studies/shortcut.toml (the photograph goes with the class in training) and
studies/garments.toml (it does not), the same network on the same test samples, in runs/shortcut and runs/garments, as
``samewhy build`` does; finished steps there are used again. It prints two tables and writes runs/bench/shortcut.json
and shortcut-answers.json.

`shortcut`: the share of the background, 1 - `mass`: what is positive in the map outside the garment's mask, over all
that is positive. What is compared was chosen before it was measured:

* Samples: those that both studies audit, the classes even. Photograph and garment are drawn apart there. None is left
  out for what a network answers, since that would choose the result.
* Target: the class that the asked file itself names, as in an audit: the question to a deployed file is why it says
  what it says. Beside it, maps of one class for both networks: the garment's, and that of the photograph.
* Fill: the sample's own mean. Black is what garments are cut from, so it says "nothing here", which is no absence.
* Explainers: the two of the study files, RISE and occlusion, decide. Others stand beside them.
* Ratio: of the two means over samples, with a bootstrap that draws the same samples for both. A mean of ratios would be
  ruled by the samples with the smallest divisors.

What may be tuned is what the experiment can see (training, canvas, window, queries), never the above.

`shortcut-answers`: how often the int8 files are right, and how often they name the class of the photograph, on all test
samples and on the same photographs without a garment.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.tables import put
from samewhy_edge.arrays import Maps, Targets
from samewhy_edge.explain import Explainer, explain
from samewhy_edge.fill import Blur, Mean
from samewhy_edge.localisation import LOCALISATION, localised
from samewhy_edge.occlusion import Occlusion
from samewhy_edge.predictor import Subject, open_predictor
from samewhy_edge.rise import Rise
from samewhy_edge.shapley import KernelShap
from samewhy_host import stats
from samewhy_host.data import composites, embedded
from samewhy_host.data.dataset import Split
from samewhy_host.run import Run, built
from samewhy_host.show import Show
from samewhy_host.study import StudyFile, read_study

WANTED = 3.0
STUDIES = {"biased": Path("studies/shortcut.toml"), "plain": Path("studies/garments.toml")}
RUNS = {"biased": Path("runs/shortcut"), "plain": Path("runs/garments")}
INT8 = "artifacts/int8.tflite"
BESIDE: tuple[Explainer, ...] = (
    Occlusion((4,), (2,), Mean()),
    Occlusion((8,), (4,), Blur()),
    Rise(1024, 8, estimator="informed", design="pairs", fill=Mean()),
    Rise(256, 8, estimator="informed", design="pairs", fill=Blur()),
    KernelShap((8,), 512, fill=Mean()),
)
MEASURES = {one.name: one for one in LOCALISATION}
Values = NDArray[np.float64]


@final
@dataclass(frozen=True)
class Twin:
    """A deployed file with what it is asked about."""

    file: StudyFile
    subject: Subject
    test: Split
    audited: Split

    @cached_property
    def answers(self) -> Targets:
        """The class that the file names for each audited sample, (N,)."""
        return self.subject(self.audited.samples).argmax(axis=1)

    def maps(self, targets: Targets, explainer: Explainer) -> Maps:
        """Of these classes, (N, *S)."""
        return explain(self.subject, self.audited.samples, targets, explainer, self.file.study.study.seed)


def twin(name: str) -> Twin:
    """The int8 file of a study, built where it is not yet."""
    file = read_study(STUDIES[name])
    console = Console(stderr=True)
    made, data = built(Run(file, RUNS[name], Show(lambda line: console.print(f"{name}: {line}"))))
    subject = open_predictor(f"litert:{RUNS[name] / INT8}")
    return Twin(file, subject, data.test, data.test.take(data.test.places(made.audit)))


def photographed(file: StudyFile) -> Targets:
    """The class whose photograph each test sample is on, (T,)."""
    _, names = composites.photographs()
    how, labels = file.study.data.garments, embedded.fashion_mnist("byte").test.labels
    plan = composites.layout("test", labels, how, names, file.study.study.seed)
    return np.array([composites.POOL.index(names[place]) for place in plan.photographs])


def answers_row(name: str, one: Twin, classes: Targets) -> dict[str, object]:
    """What a file answers to the whole test split, and to its photographs alone."""
    data = one.file.study.data
    how = replace(data.garments, variant="background-only")
    alone = composites.garments(how, data.values, one.file.study.study.seed).test
    said, said_alone = (one.subject(samples).argmax(axis=1) for samples in (one.test.samples, alone.samples))
    return {
        "trained on": name,
        "right, %": percent(said == one.test.labels),
        "names the photograph, %": percent(said == classes),
        "the same, photograph alone, %": percent(said_alone == classes),
    }


def percent(hits: NDArray[np.bool_]) -> float:
    """To a tenth."""
    return round(100 * float(hits.mean()), 1)


def shares(one: Twin, maps: Maps) -> Values:
    """The share of the background of each map (N,); NaN where it is undefined."""
    return 1 - localised(MEASURES["mass"], maps, masks_of(one))


def masks_of(one: Twin) -> NDArray[np.bool_]:
    """Where the garment is, (N, *S)."""
    if one.audited.masks is None:
        raise ValueError(f"{one.file.path} has no masks; expected source = garments")
    return one.audited.masks


def ratio(biased: Values, plain: Values, resamples: int, seed: int) -> stats.Mean:
    """The mean share (N,) of one network over that of the other, over the samples where both are defined."""
    both = np.stack([biased, plain])[:, ~np.isnan(biased + plain)]
    drawn = both[:, stats.resample(both.shape[1], resamples, seed)].mean(axis=2)
    low, high = np.quantile(drawn[0] / drawn[1], [(1 - stats.LEVEL) / 2, (1 + stats.LEVEL) / 2])
    means = both.mean(axis=1)
    return stats.Mean(float(means[0] / means[1]), low, high, both.shape[1], len(biased) - both.shape[1])


def row(twins: Mapping[str, Twin], targets: Mapping[str, Targets], of: str, explainer: Explainer) -> dict[str, object]:
    """One explainer's maps of both files."""
    settings = twins["plain"].file.study
    seed, resamples = settings.study.seed, settings.audit.resamples
    maps = {name: one.maps(targets[name], explainer) for name, one in twins.items()}
    found = {name: shares(one, maps[name]) for name, one in twins.items()}
    masks = masks_of(twins["plain"])
    means = {name: stats.mean(values, resamples, seed) for name, values in found.items()}
    times = ratio(found["biased"], found["plain"], resamples, seed)
    beside = {
        f"{measure}, biased / plain": " / ".join(
            f"{np.nanmean(localised(MEASURES[measure], maps[name], masks)):.2f}" for name in twins
        )
        for measure in ("mask-auc", "point")
    }
    return {
        "explainer": described(explainer),
        "map of": of,
        **{f"{name}, %": shown(one, 100, 1) for name, one in means.items()},
        "chance, %": percent(~masks),
        "times": shown(times, 1, 2),
        "undefined": times.undefined,
        "found": "yes" if times.value is not None and times.value >= WANTED else "no",
        **beside,
    }


def shown(one: stats.Mean, unit: float, digits: int) -> str:
    """A mean with its interval."""
    if one.value is None or one.low is None or one.high is None:
        return "undefined"
    low, value, high = (f"{unit * number:.{digits}f}" for number in (one.low, one.value, one.high))
    return f"{value} [{low}, {high}]"


def described(explainer: Explainer) -> str:
    """The name, and what else tells two of one name apart."""
    match explainer:
        case Occlusion():
            size = f"window {explainer.window[0]}"
        case Rise() | KernelShap():
            size = f"{explainer.queries} queries"
        case _:
            size = ""
    return f"{explainer.name}, {size}, {getattr(explainer.fill, 'method', explainer.fill)}"


def rows(twins: Mapping[str, Twin], classes: Targets, explained: Sequence[Explainer]) -> Iterator[dict[str, object]]:
    """The decisive maps first, then those of other explainers, then those of other classes."""
    plain = twins["plain"]
    own = {name: one.answers for name, one in twins.items()}
    garment, photograph = ({name: targets for name in twins} for targets in (plain.audited.labels, classes))
    for explainer in (*explained, *BESIDE):
        yield row(twins, own, "its own answer", explainer)
    for explainer in explained:
        yield row(twins, garment, "the garment's class", explainer)
        yield row(twins, photograph, "the photograph's class", explainer)


def main() -> None:
    """Both tables."""
    twins = {name: twin(name) for name in STUDIES}
    plain = twins["plain"]
    classes = photographed(plain.file)
    put("shortcut-answers", [answers_row(name, one, classes) for name, one in twins.items()])
    audited = classes[plain.test.places(plain.audited.ids)]
    put("shortcut", list(rows(twins, audited, plain.file.study.explainers())))


if __name__ == "__main__":
    main()
