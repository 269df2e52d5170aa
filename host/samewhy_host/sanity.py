"""Does an explanation depend on the weights? Asked of the deployed file itself, layer by layer.

From the output to the input, one layer more each time has its constants put in another order, and the file is asked
again under the same masks. A map that stays as it was explains the sample, or the masks, but not the network.

Constants are put in another order, not drawn anew, because an integer file was quantized for those that it has. Their
codes keep their distribution, the range that kernels rely on, scales and zero points. Fresh noise would need a scale of
its own, and at the one that the file holds for the layer's output most activations would fall outside the codes: an
output that is the same for every query says nothing about an explainer.

Source: Adebayo et al. 2018, Sanity Checks for Saliency Maps, arXiv 1810.03292: the model parameter randomization test,
cascading and independent, and its edge detector.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Any, Literal, Protocol, final

import numpy as np
from numpy.typing import NDArray

from samewhy_edge.agreement import spearman
from samewhy_edge.arrays import Map, Maps, Samples, Scores, Targets
from samewhy_edge.errors import InputError
from samewhy_edge.explain import Explainer, adapted, describe, estimated, knowing, of_targets, shuffled
from samewhy_edge.features import key
from samewhy_edge.files import writable, write_bytes, write_json, write_npz
from samewhy_edge.fill import backgrounds
from samewhy_edge.litert import LiteRT
from samewhy_edge.plan import Each, Plan, digest, words
from samewhy_edge.predictor import Predictor, Subject, check_samples, check_targets, open_predictor
from samewhy_edge.query import Progress, ask
from samewhy_edge.resolution import resolution
from samewhy_edge.rung import artifact
from samewhy_host import stats
from samewhy_host.emptiness import emptiness
from samewhy_host.flatbuffer import Layer, layers_of, patched, values_of
from samewhy_host.report.cascade import figure

SCHEMA = 1
PERMUTED = 30  # what words are for: the order of a constant's values
RESAMPLES = 2000
ENOUGH = 3  # samples below which nothing is decided
DIFFERENCE, SMOOTH = (-1.0, 0.0, 1.0), (1.0, 2.0, 1.0)

Variant = Literal["cascade", "independent"]
Verdict = Literal["sensitive", "insensitive", "undecided"]
Values = NDArray[np.float64]
Row = dict[str, Any]


class Compared(Protocol):
    """Map against map, told where the sample differs from its fill."""

    def __call__(self, a: Map, b: Map, shown: NDArray[np.bool_], /) -> float:
        """From -1 to 1; NaN where it is undefined."""
        ...


@final
@dataclass(frozen=True, slots=True)
class Step:
    """Which layers have their constants in another order."""

    variant: Variant
    place: int  # from 1
    layer: Layer  # the one that is new in it
    changed: tuple[Layer, ...]


@final
@dataclass(frozen=True, slots=True)
class Original:
    """An explainer with its masks, and its maps of the file as it is."""

    explainer: Explainer
    plan: Plan | Each
    maps: Maps
    other_masks: Maps  # the file under draw 1: the ceiling
    random: Maps  # its scores dealt to the wrong masks: the floor
    shown: NDArray[np.bool_]  # where a sample differs from its fill, in the shape of the maps

    @property
    def name(self) -> str:
        """The explainer's."""
        return self.explainer.name


@final
@dataclass(frozen=True, slots=True)
class Answered:
    """What a file with other constants said, and the maps of it."""

    sha256: str
    labels: NDArray[np.int64]  # (N,)
    maps: tuple[Maps, ...]  # an explainer each
    dead: tuple[NDArray[np.bool_], ...]  # an explainer each: samples whose map says nothing


def signed(a: Map, b: Map, shown: NDArray[np.bool_], /) -> float:
    """Rank correlation. NaN where a map is flat or not finite."""
    return spearman(a, b) if len(a) and np.isfinite([a, b]).all() else float("nan")


def absolute(a: Map, b: Map, shown: NDArray[np.bool_], /) -> float:
    """Rank correlation of the sizes, whatever their signs."""
    return signed(np.abs(a), np.abs(b), shown)


def absolute_shown(a: Map, b: Map, shown: NDArray[np.bool_], /) -> float:
    """The same of the positions alone where the sample differs from its fill."""
    return absolute(a[shown], b[shown], shown)


MEASURES: Mapping[str, Compared] = {
    "spearman": signed,  # the verdict's
    "spearman-absolute": absolute,
    "spearman-absolute-shown": absolute_shown,
}
SOURCES = {
    "spearman": "Spearman 1904; ties share their mean rank",
    "spearman-absolute": "of |map|, as in Adebayo et al. 2018",
    "spearman-absolute-shown": "of |map|, at the positions where the sample differs from its fill",
}


def sanity(
    address: str,
    samples: Samples,
    targets: Targets,
    explainers: Sequence[Explainer],
    seed: int,
    folder: Path,
    resamples: int = RESAMPLES,
    progress: Progress = lambda _: None,
    empty: Samples | None = None,
) -> Row:
    """Whether each explainer's maps change with the weights: ``sanity.json``, ``.npz`` and ``.png`` in `folder`.

    `empty` are samples without an object: what maps say of them stands beside what they say of the others.

    Raises:
        AddressError, ArtifactError: as `open_predictor` and `layers_of`.
        InputError: another runtime than litert, no samples or explainers, or what does not fit the file.
        OutputError: the folder cannot be written.
    """
    subject, runtime = opened(address)
    check_samples(samples, subject.spec.sample)
    check_targets(targets, len(samples), subject.spec.classes)
    if empty is not None:
        check_samples(empty, subject.spec.sample)
    if not len(samples) or not explainers:
        raise InputError(f"{len(samples)} samples and {len(explainers)} explainers; expected at least one of each")
    writable(folder)
    layers = layers_of(runtime.path.read_bytes())
    steps = steps_of(layers)
    known = [original(subject, samples, targets, one, seed, progress) for one in explainers]
    said = list(answers(subject, runtime, samples, targets, known, steps, seed, progress))
    values = [values_of_steps(one, [each.maps[i] for each in said]) for i, one in enumerate(known)]
    labels = subject(samples).argmax(axis=1)
    table = {
        "schema": SCHEMA,
        "rung": asdict(subject.spec.rung),
        "seed": seed,
        "samples": len(samples),
        "resamples": resamples,
        "measures": measure_rows(),
        "layers": [asdict(layer) for layer in layers],
        "explainers": [{**describe(one.explainer), "plan": digest(one.plan)} for one in known],
        "steps": [step_row(*row, labels) for row in zip(steps, said, strict=True)],
        "agreement": list(agreement_rows(known, steps, values, resamples, seed)),
        **ends(known, samples, said[len(layers) - 1], [value[:, : len(layers)] for value in values], resamples, seed),
        "empty": [] if empty is None else emptiness(subject, samples, empty, explainers, seed, resamples),
    }
    write(folder, table, known, values)
    return table


def measure_rows() -> list[Row]:
    """What a reader must know of each measure; lower is better, for here maps are to change."""
    return [{"name": name, "better": "lower", "span": [-1, 1], "source": source} for name, source in SOURCES.items()]


def ends(
    known: Sequence[Original], samples: Samples, said: Answered, values: Sequence[Values], resamples: int, seed: int
) -> dict[str, list[Row]]:
    """Verdicts from the cascade, (measures, L, N) for each explainer, and controls of its last step, which `said`."""
    every = list(zip(known, said.maps, values, strict=True))
    return {
        "controls": [
            row for one, maps, value in every for row in control_rows(one, samples, maps, value[:, -1], resamples, seed)
        ],
        "verdicts": [verdict_row(one, value[0], resamples, seed) for one, _, value in every],
    }


def write(folder: Path, table: Row, known: Sequence[Original], values: Sequence[Values]) -> None:
    """The table, the values of every explainer (measures, steps, N), and the figure."""
    named = {f"{place}-{one.name}": value for place, (one, value) in enumerate(zip(known, values, strict=True))}
    write_json(folder / "sanity.json", table)
    write_npz(folder / "sanity.npz", **named)
    write_bytes(folder / "sanity.png", figure(table))


def opened(address: str) -> tuple[Subject, LiteRT]:
    """The file at `address`, and the runtime that asks it.

    Raises:
        InputError: another runtime than litert.
    """
    subject = open_predictor(address)
    if not isinstance(subject.ask, LiteRT):
        raise InputError(f"{address}: weights are changed in .tflite files alone; expected litert:file.tflite")
    return subject, subject.ask


def steps_of(layers: Sequence[Layer]) -> list[Step]:
    """The cascade from the output to the input, then every layer alone, in the same order."""
    order = tuple(reversed(layers))
    cascade = [Step("cascade", i + 1, layer, order[: i + 1]) for i, layer in enumerate(order)]
    return cascade + [Step("independent", i + 1, layer, (layer,)) for i, layer in enumerate(order)]


def permuted(content: bytes, layers: Sequence[Layer], seed: int) -> bytes:
    """The file with the values of every constant of these layers in another order.

    A constant's order depends on its buffer and the seed alone, so it is the same in every step.
    """
    constants = {constant.buffer: constant for layer in layers for constant in layer.constants}
    return patched(content, {place: dealt(values_of(content, one), seed, place) for place, one in constants.items()})


def dealt(values: NDArray[Any], seed: int, purpose: int) -> NDArray[Any]:
    """The same values in another order."""
    order = np.argsort(words(key(seed, purpose, PERMUTED), 0, 1, values.size)[0], kind="stable")
    return values.ravel()[order].reshape(values.shape)


def original(
    subject: Predictor, samples: Samples, targets: Targets, explainer: Explainer, seed: int, progress: Progress
) -> Original:
    """The maps of the file as it is, with the ceiling's and the floor's."""
    told = knowing(explainer, samples)
    (plan, given), (other, moved) = (
        adapted(subject, samples, targets, explainer, seed, draw, progress) for draw in (0, 1)
    )
    scores = of_targets(given, targets)
    maps = estimated(told.estimate, plan, scores)
    other_masks = estimated(told.estimate, other, of_targets(moved, targets))
    random = estimated(told.estimate, plan, shuffled(plan, scores, seed))
    shown = samples != backgrounds(explainer.fill, samples)
    return Original(
        explainer, plan, maps, other_masks, random, shown if maps.ndim == shown.ndim else shown.any(axis=-1)
    )


def answers(
    subject: Subject,
    runtime: LiteRT,
    samples: Samples,
    targets: Targets,
    known: Sequence[Original],
    steps: Sequence[Step],
    seed: int,
    progress: Progress,
) -> Iterator[Answered]:
    """What the file of each step says under the masks of the original; equal files are asked once."""
    content, said = runtime.path.read_bytes(), dict[bytes, Answered]()
    with tempfile.TemporaryDirectory() as folder:
        for place, step in enumerate(steps):
            changed = permuted(content, step.changed, seed)
            if changed not in said:
                path = Path(folder) / f"{place}.tflite"
                path.write_bytes(changed)
                said[changed] = answer(moved_to(subject, runtime, path), samples, targets, known, progress)
                path.unlink()
            yield said[changed]


def moved_to(subject: Subject, runtime: LiteRT, path: Path) -> Subject:
    """The same, of a file that differs from the subject's in its constants alone, so that nothing must be examined."""
    asking = replace(runtime, path=path)
    rung = replace(subject.spec.rung, artifact=artifact(path))
    return Subject(replace(subject.spec, rung=rung), asking, asking.coded if subject.coded else None)


def answer(
    subject: Subject, samples: Samples, targets: Targets, known: Sequence[Original], progress: Progress
) -> Answered:
    """Labels and maps of one file, explained for the original's targets."""
    whole = subject(samples)
    found = [explained(subject, samples, targets, one, whole, progress) for one in known]
    maps, dead = zip(*found, strict=True)
    return Answered(subject.spec.rung.artifact.sha256, whole.argmax(axis=1), maps, dead)


def explained(
    subject: Subject, samples: Samples, targets: Targets, known: Original, whole: Scores, progress: Progress
) -> tuple[Maps, NDArray[np.bool_]]:
    """Maps under the masks of the original, and which of them say nothing."""
    scores = of_targets(ask(subject, samples, known.plan, known.explainer.fill, progress), targets)
    maps = estimated(knowing(known.explainer, samples).estimate, known.plan, scores)
    rows = zip(maps, scores, whole[np.arange(len(targets)), targets], strict=True)
    return maps, np.array([not resolution(one, row, float(score)).resolvable for one, row, score in rows])


def values_of_steps(known: Original, maps: Sequence[Maps]) -> Values:
    """Agreement of the maps of each step with the original's, (measures, steps, N)."""
    return np.array([[compare(known, one, measure) for one in maps] for measure in MEASURES.values()])


def compare(known: Original, maps: Maps, measure: Compared) -> Values:
    """Agreement with the original's map, (N,)."""
    return np.array([measure(*row) for row in zip(known.maps, maps, known.shown, strict=True)], np.float64)


def bounds(known: Original, name: str) -> dict[str, float | None]:
    """Ceiling and floor of a measure, as means over samples."""
    both = {"ceiling": known.other_masks, "floor": known.random}
    return {end: stats.mean(compare(known, maps, MEASURES[name]), 1, 0).value for end, maps in both.items()}


def step_row(step: Step, said: Answered, labels: NDArray[np.int64]) -> Row:
    """What a step did to the answers: labels that changed, and maps that say nothing since."""
    return {
        "variant": step.variant,
        "step": step.place,
        "operator": step.layer.operator,
        "kind": step.layer.kind,
        "artifact": said.sha256,
        "flips": int((said.labels != labels).sum()),
        "dead": [int(dead.sum()) for dead in said.dead],
    }


def agreement_rows(
    known: Sequence[Original],
    steps: Sequence[Step],
    values: Sequence[Values],
    resamples: int,
    seed: int,
) -> Iterator[Row]:
    """A row for each explainer, measure and step."""
    for one, of_measures in zip(known, values, strict=True):
        for name, of_steps in zip(MEASURES, of_measures, strict=True):
            span = bounds(one, name)
            for step, row in zip(steps, of_steps, strict=True):
                place = {"explainer": one.name, "measure": name, "variant": step.variant, "step": step.place}
                yield {**place, **mean_row(row, resamples, seed), **span}


def mean_row(values: Values, resamples: int, seed: int) -> Row:
    """A mean over samples with its interval and its counts."""
    return stats.mean(values, resamples, seed).row()


def verdict_row(known: Original, values: Values, resamples: int, seed: int) -> Row:
    """The verdict on an explainer, by the signed agreement in the cascade, (L, N).

    It falls at the last step that leaves enough samples a map. Before the last of all, a map that did not change proves
    nothing: the weights that are left may have made it.
    """
    rows = [mean_row(row, resamples, seed) for row in values]
    step = max((i for i, row in enumerate(rows) if enough(row)), default=len(rows) - 1)
    span = bounds(known, "spearman")
    both = [end for end in span.values() if end is not None]
    threshold = stats.tidy(sum(both) / 2) if len(both) == len(span) else None
    said = verdict(rows[step], threshold)
    if said == "insensitive" and step < len(rows) - 1:
        said = "undecided"
    return {
        "explainer": known.name,
        "verdict": said,
        "step": step + 1,
        "threshold": threshold,
        **rows[step],
        **span,
    }


def verdict(mean: Mapping[str, Any], threshold: float | None) -> Verdict:
    """Sensitive where the interval lies below the threshold, insensitive where it does not reach below it.

    The threshold is halfway between the explainer's ceiling and its floor: a map nearer to the file's own under other
    masks than to that of random scores counts as unchanged. Undecided where the interval holds the threshold, or too
    few samples are defined.
    """
    if threshold is None or not enough(mean):
        return "undecided"
    if mean["low"] >= threshold:
        return "insensitive"
    return "sensitive" if mean["high"] < threshold else "undecided"


def enough(mean: Mapping[str, Any]) -> bool:
    """Whether three samples, and half of all, are defined."""
    return bool(mean["samples"] >= max(ENOUGH, mean["undefined"]))


def control_rows(
    known: Original, samples: Samples, changed: Maps, itself: Values, resamples: int, seed: int
) -> Iterator[Row]:
    """How far an explainer's maps are an edge detector: rank correlations of |map| with the Sobel magnitude.

    Of the original, of the file with every layer changed, and of random maps of the same estimator; `itself` is that of
    the first two with each other, from values (measures, N). Suspect where the original agrees with the edges more
    surely than random maps do, and at least as much as with itself.
    """
    drawn = edges(samples) if known.maps.ndim == samples.ndim else edges(samples).mean(axis=-1)
    marked = replace(known, maps=drawn)
    of = {"original": known.maps, "changed": changed, "random": known.random}
    for values, (name, measure) in list(zip(itself, MEASURES.items(), strict=True))[1:]:  # edges have no sign
        rows = {which: mean_row(compare(marked, maps, measure), resamples, seed) for which, maps in of.items()}
        own = mean_row(values, resamples, seed)
        doubt = suspect(rows["original"], rows["random"], own)
        yield {"explainer": known.name, "measure": name, "suspect": doubt, "itself": own, **rows}


def suspect(original: Row, random: Row, itself: Row) -> bool | None:
    """Whether an edge detector explains a map as well as the map that needs no weights; None where undefined."""
    if None in (original["value"], random["value"], itself["value"]):
        return None
    return bool(original["low"] > random["value"] and original["value"] >= itself["value"])


def edges(samples: Samples) -> Samples:
    """Sobel magnitude of every channel, (N, *S, C); the border is repeated.

    Source: Sobel & Feldman 1968, a 3 x 3 isotropic gradient operator; of one axis the central difference is left.
    """
    axes = range(1, samples.ndim - 1)
    wide = samples.astype(np.float64)
    slopes = (
        reduce(lambda values, other: along(values, other, DIFFERENCE if other == axis else SMOOTH), axes, wide)
        for axis in axes
    )
    return np.asarray(np.sqrt(sum(slope**2 for slope in slopes)), np.float32)


def along(values: Values, axis: int, kernel: tuple[float, float, float]) -> Values:
    """Three weights laid over each position and its two neighbours along an axis."""
    size = values.shape[axis]
    padded = np.pad(values, [(int(one == axis),) * 2 for one in range(values.ndim)], mode="edge")
    return np.asarray(sum(weight * padded.take(range(i, i + size), axis) for i, weight in enumerate(kernel)))
