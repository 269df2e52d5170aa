import math
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samewhy_edge.arrays import Maps, Samples, Scores, Targets
from samewhy_edge.continuity import Coherency
from samewhy_edge.errors import InputError
from samewhy_edge.explain import explain, of_targets
from samewhy_edge.faithfulness import FAITHFULNESS, Joint, Measure, adcc, bill, judged, leaves
from samewhy_edge.features import CellsByChannel
from samewhy_edge.fill import Background, Blur
from samewhy_edge.judge import Case, as_they_are, judge, softmax
from samewhy_edge.occlusion import Occlusion
from samewhy_edge.predictor import Predictor
from samewhy_edge.quant import Affine
from samewhy_edge.query import ask
from samewhy_edge.shapley import Permutation
from samewhy_edge.subsets import Infidelity
from tests.worlds import Recording, additive

ENTRY = Affine(1 / 64, 0, "int8")
OCCLUSION = Occlusion((2,), (2,))
TARGETS = np.array([0, 2, 1])
BY_NAME = {measure.name: measure for measure in FAITHFULNESS}
ALL = [pytest.param(measure, id=measure.name) for measure in FAITHFULNESS]


def noise(*shape: int, seed: int = 3) -> Any:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def case(world: Predictor | None = None, spatial: tuple[int, ...] = (6, 8), **changes: Any) -> Case:
    """Three samples, their occlusion maps, and all that any measure needs."""
    world, samples = world or additive(*spatial, 2), noise(3, *spatial, 2)
    again = partial(explain, world, explainer=OCCLUSION, seed=0)
    made = Case(world, samples, TARGETS, again(samples, TARGETS), 0, again, ENTRY)
    return replace(made, **changes)


@dataclass
class Explaining:
    """Maps of sums over channels, and a record of what was explained."""

    samples: list[Samples] = field(default_factory=list)
    targets: list[Targets] = field(default_factory=list)

    def __call__(self, samples: Samples, targets: Targets) -> Maps:
        self.samples.append(samples)
        self.targets.append(targets)
        return np.asarray(samples.sum(axis=-1), np.float32)


@pytest.mark.parametrize("spatial", [(6, 8), (30,)])
def test_all_measures_judge_a_case_within_their_span(spatial: tuple[int, ...]) -> None:
    found = judge(case(spatial=spatial))
    assert list(found) == [measure.name for measure in FAITHFULNESS]
    for name, values in found.items():
        low, high = BY_NAME[name].span
        assert values.shape == (3,)
        assert np.isfinite(values).all()
        assert (low - 1e-9 <= values).all()
        assert (values <= high + 1e-9).all()


@pytest.mark.parametrize("measure", ALL)
def test_a_value_is_that_of_the_sample_alone_with_its_own_target(measure: Measure) -> None:
    every = case()
    together = judge(every, [measure])[measure.name]
    for i in range(3):
        part = slice(i, i + 1)
        alone = replace(every, samples=every.samples[part], targets=TARGETS[part], maps=every.maps[part])
        assert judge(alone, [measure])[measure.name][0] == pytest.approx(together[i], rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("measure", ALL)
def test_nothing_can_be_said_of_a_flat_map(measure: Measure) -> None:
    every = case()
    maps = every.maps.copy()
    maps[1] = 0.25
    whole, part = judge(every, [measure])[measure.name], judge(replace(every, maps=maps), [measure])[measure.name]
    assert math.isnan(part[1])
    assert part[[0, 2]].tolist() == whole[[0, 2]].tolist()


def test_a_map_of_zeros_is_not_without_infidelity_where_nothing_changes() -> None:
    """An int8 output that never moves makes an empty map, and squared differences of zero."""
    how, zeros = Infidelity(10), np.zeros((6, 8), np.float32)
    assert math.isnan(judged(how, zeros, how.plan(zeros, 0), np.ones(11, np.float32)))


@pytest.mark.parametrize("measure", ALL)
def test_the_bill_is_what_is_asked_where_nothing_repeats(measure: Measure) -> None:
    every = case()
    world = Recording(every.predictor)
    again = partial(explain, world, explainer=OCCLUSION, seed=0)
    judge(replace(every, predictor=world, explain=again), [measure])
    asked, told = sum(map(len, world.asked)), 3 * measure.queries((6, 8), 13)
    # a sample under its map has a window that is hidden already
    repeats = measure.name in ("coherency", "adcc", "adcc-published")
    assert 0.5 * told < asked < told if repeats else asked == told


def test_the_whole_bill_counts_shared_parts_once() -> None:
    drop, coherency, joint = (BY_NAME[name] for name in ("average-drop", "coherency", "adcc"))
    assert joint.queries((6, 8), 13) == 2 + 13
    assert bill([drop, coherency, joint, BY_NAME["adcc-published"]], (6, 8), 13) == 15
    assert bill([BY_NAME["max-sensitivity"]], (6, 8), 4000) == 40000
    assert bill(FAITHFULNESS, (28, 28), 256) == 33 + 33 + 601 + 4 * 201 + 33 + 3 * 2 + 256 + 10 * 256


def test_shared_parts_are_asked_once() -> None:
    every = case()
    world = Recording(every.predictor)
    counted = replace(every, predictor=world)
    judge(counted, [BY_NAME[name] for name in ("adcc", "adcc-published", "average-drop")])
    assert sum(map(len, world.asked)) == 3 * 2


def test_progress_is_told_every_query() -> None:
    told: list[int] = []
    judge(case(), [BY_NAME["deletion"], BY_NAME["infidelity"]], told.append)
    assert sum(told) == 3 * bill([BY_NAME["deletion"], BY_NAME["infidelity"]], (6, 8), 0)


def test_a_flat_map_is_asked_for_once() -> None:
    every = case()
    world = Recording(every.predictor)
    judge(replace(every, predictor=world, maps=np.zeros_like(every.maps)), [BY_NAME["deletion"]])
    assert sum(map(len, world.asked)) == 3


@pytest.mark.parametrize("name", ["deletion", "sensitivity-n", "mu-fidelity", "infidelity", "average-drop"])
def test_a_stored_log_is_judged_as_the_predictor_was(name: str) -> None:
    every, measure = case(), BY_NAME[name]
    how: Any = measure.how
    live = judge(every, [measure])[name]
    for i, one in enumerate(every.maps):
        plan = how.plan(one, every.seed)
        log = ask(every.predictor, every.samples[i : i + 1], plan, how.fill)
        scores = of_targets(softmax(log) if measure.scale == "probability" else log, TARGETS[i : i + 1])
        assert judged(how, one, plan, scores[0]) == live[i]


@pytest.mark.parametrize("measure", ALL)
def test_equal_seeds_give_equal_bytes_and_threads_change_nothing(measure: Measure) -> None:
    every = case()
    first = judge(every, [measure])[measure.name].tobytes()
    assert judge(case(), [measure])[measure.name].tobytes() == first
    assert judge(replace(every, others=(every.predictor,)), [measure])[measure.name].tobytes() == first


def test_the_seed_draws_the_sets() -> None:
    names = [BY_NAME[name] for name in ("sensitivity-n", "mu-fidelity", "infidelity")]
    first, other = judge(case(), names), judge(case(seed=1), names)
    assert all((first[name] != other[name]).any() for name in ("mu-fidelity", "infidelity"))


def test_probabilities_are_read_where_a_measure_reads_them() -> None:
    every, measure = case(), BY_NAME["deletion"]
    logits = judge(every, [replace(measure, scale="score")])["deletion"]
    probable = judge(every, [measure])["deletion"]
    assert (probable >= 0).all()
    assert (probable <= 1).all()
    assert np.abs(logits - probable).max() > 0.1
    given = replace(every, predictor=lambda samples: softmax(every.predictor(samples)), probability=as_they_are)
    assert judge(given, [measure])["deletion"] == pytest.approx(probable, abs=1e-6)


def test_logits_are_no_probabilities() -> None:
    with pytest.raises(InputError, match="expected probabilities: take a softmax"):
        judge(case(probability=as_they_are), [BY_NAME["average-drop"]])


def test_softmax_is_one_over_all_and_stands_large_logits() -> None:
    logits = np.array([[1000, 1000, -1000], [0, 0, np.log(2)]], np.float32)
    assert softmax(logits) == pytest.approx(np.array([[0.5, 0.5, 0], [0.25, 0.25, 0.5]]), abs=1e-7)
    assert softmax(np.zeros((2, 5, 4), np.float32)).shape == (2, 5, 4)


def test_a_background_of_each_samples_own_is_used(tmp_path: Path) -> None:
    world, samples, backgrounds = additive(6, 8, 1), noise(3, 6, 8, 1), noise(3, 6, 8, 1, seed=8)
    np.save(tmp_path / "backgrounds.npy", backgrounds)
    how = Infidelity(20, fill=Background(str(tmp_path / "backgrounds.npy")))
    measure = replace(BY_NAME["infidelity"], how=how)
    shares = (world.weights[TARGETS] * (samples - backgrounds)).sum(axis=-1)
    assert judge(Case(world, samples, TARGETS, shares, 0), [measure])["infidelity"] == pytest.approx(0, abs=1e-8)
    wrong = judge(Case(world, np.roll(samples, 1, axis=0), TARGETS, shares, 0), [measure])["infidelity"]
    assert (wrong > 0.1).all()


def test_measures_explain_every_sample_again_in_its_place() -> None:
    """So that an explainer with superpixels of each sample's own knows which is which."""
    again = Explaining()
    every = case(explain=again)
    judge(every, [BY_NAME["max-sensitivity"]])
    assert len(again.samples) == 10
    for samples, targets in zip(again.samples, again.targets, strict=True):
        assert targets.tolist() == TARGETS.tolist()
        assert np.abs(samples - every.samples).max() <= 1 / 64 + 1e-6


def test_a_flat_map_has_its_sample_explained_as_it_is() -> None:
    """Its mask would be undefined, and every predictor refuses NaN."""
    again = Explaining()
    every = case(explain=again)
    every.maps[1] = 0
    judge(every, [BY_NAME["coherency"]])
    assert again.samples[0][1].tobytes() == every.samples[1].tobytes()
    assert (again.samples[0][0] != every.samples[0]).any()


def test_coherency_shows_the_background_of_its_fill() -> None:
    again = Explaining()
    every = case(explain=again)
    judge(every, [replace(BY_NAME["coherency"], how=Coherency(fill=9.0))])
    least = np.unravel_index(every.maps[0].argmin(), (6, 8))
    assert again.samples[0][(0, *least)].tolist() == [9, 9]


def test_the_seed_draws_the_neighbours() -> None:
    first, other = Explaining(), Explaining()
    judge(case(explain=first), [BY_NAME["max-sensitivity"]])
    judge(case(explain=other, seed=1), [BY_NAME["max-sensitivity"]])
    assert (first.samples[0] != other.samples[0]).any()


def test_insertion_begins_with_the_blurred_sample_as_published() -> None:
    assert BY_NAME["insertion"].how.fill == Blur(5.0)  # type: ignore[union-attr]  # it asks
    assert BY_NAME["deletion"].how.fill == 0.0  # type: ignore[union-attr]


def test_max_sensitivity_of_an_explainer_that_sums_is_known() -> None:
    """A map of sums over two channels moves by -2, 0 or 2 steps."""
    samples = ENTRY.decode(np.full((1, 6, 8, 2), 64, np.int8))
    samples[0, 0, 0] = 0
    again = Explaining()
    every = case(samples=samples, targets=TARGETS[:1], maps=again(samples, TARGETS[:1]), explain=again)
    found = judge(every, [BY_NAME["max-sensitivity"]])["max-sensitivity"][0]
    moved = max(np.linalg.norm(one.sum(axis=-1) - every.maps) for one in again.samples[1:])
    assert found == pytest.approx(moved / np.linalg.norm(every.maps))
    assert 0 < found <= 2 / 64 * math.sqrt(48) / np.linalg.norm(every.maps)


@pytest.mark.parametrize(
    ("drop", "coherency", "complexity", "known"),
    [(0, 1, 0, 1), (0.5, 0.5, 0.5, 0.5), (0.25, 0.5, 0.75, 3 / (1 / 0.5 + 1 / 0.25 + 1 / 0.75)), (1, 1, 0, 0)],
)
def test_adcc_of_known_values(drop: float, coherency: float, complexity: float, known: float) -> None:
    assert adcc(drop, coherency, complexity) == pytest.approx(known)


def test_adcc_without_one_of_its_parts_is_undefined() -> None:
    assert math.isnan(adcc(math.nan, 0.5, 0.5))
    assert math.isnan(adcc(0.5, math.nan, 1))


def test_the_corrected_adcc_is_a_share_and_the_published_one_is_not() -> None:
    """Values of 1.08 and 1.48 were published, impossible for a harmonic mean of shares."""
    found = judge(case(), [BY_NAME["adcc"], BY_NAME["adcc-published"], BY_NAME["coherency"], BY_NAME["average-drop"]])
    assert ((found["adcc"] >= 0) & (found["adcc"] <= 1)).all()
    assert adcc(0.1, 0.9, 2.73) == pytest.approx(3 / (1 / 0.9 - 1 / 1.73 + 1 / 0.9))
    assert adcc(0.1, 0.9, 2.73) > 1
    assert (np.abs(found["adcc"] - found["adcc-published"]) > 0.01).all()


def test_adcc_joins_the_values_of_each_sample() -> None:
    """A harmonic mean of means, as a library has it, would not be their mean."""
    parts = [BY_NAME[name] for name in ("average-drop", "coherency", "adcc")]
    every = case()
    found = judge(every, parts)
    low, high = every.maps.min(axis=(1, 2)), every.maps.max(axis=(1, 2))
    shares = [((one - a) / (b - a)).mean() for one, a, b in zip(every.maps, low, high, strict=True)]
    for i, share in enumerate(shares):
        drop, coherency = found["average-drop"][i], found["coherency"][i]
        assert found["adcc"][i] == pytest.approx(3 / (1 / coherency + 1 / (1 - share) + 1 / (1 - drop)), rel=1e-5)


def test_maps_of_channels_are_judged_like_any() -> None:
    world, samples = additive(12, 2), noise(3, 12, 2)
    explainer = Permutation(features=CellsByChannel((6,)))
    again = partial(explain, world, explainer=explainer, seed=0)
    maps = again(samples, TARGETS)
    assert maps.shape == samples.shape
    found = judge(Case(world, samples, TARGETS, maps, 0, again, ENTRY))
    assert found["sensitivity-n"].min() > 0.3
    assert all(np.isfinite(values).all() for values in found.values())


def test_a_measure_may_join_measures_that_join_others() -> None:
    inner = Measure(
        "sum", Joint((BY_NAME["deletion"], BY_NAME["insertion"]), lambda one, a, b: a + b), (0, 2), "x", "x"
    )
    outer = Measure("less", Joint((inner, BY_NAME["deletion"]), lambda one, a, b: a - b), (0, 1), "x", "x")
    found = judge(case(), [outer, BY_NAME["insertion"]])
    assert found["less"] == pytest.approx(found["insertion"])
    assert [one.name for one in leaves([outer, inner])] == ["deletion", "insertion"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"maps": np.ones((3, 6, 7), np.float32)}, r"maps of shape \(3, 6, 7\) .*; expected a map of \(3, 6, 8\) or"),
        ({"targets": np.array([0])}, "and 1 targets for samples of shape"),
        ({"seed": -1}, "seed -1; expected at least 0"),
        ({"explain": None}, r"coherency explains samples again; expected Case\(explain=...\)"),
        ({"entry": None}, "max-sensitivity with entry=None, draws=10; expected the encoding"),
    ],
)
def test_what_cannot_be_judged_is_refused_before_anything_is_asked(changes: dict[str, Any], message: str) -> None:
    every = case(**changes)
    world = Recording(every.predictor)
    with pytest.raises(InputError, match=message):
        judge(replace(every, predictor=world))
    assert not world.asked


def test_two_measures_of_one_name_are_refused() -> None:
    with pytest.raises(InputError, match="two measures named 'deletion'"):
        judge(case(), [BY_NAME["deletion"], replace(BY_NAME["deletion"], scale="score")])


@pytest.mark.parametrize("measure", ALL)
def test_every_measure_says_its_span_direction_convention_and_source(measure: Measure) -> None:
    low, high = measure.span
    assert low < high
    assert measure.source
    assert measure.convention
    lower = {"deletion", "infidelity", "infidelity-scaled", "average-drop", "max-sensitivity"}
    assert measure.better == ("lower" if measure.name in lower else "higher")


class Bright:
    """Class 1 is what is shown of the left half, class 0 is nothing."""

    def __call__(self, samples: Samples, /) -> Scores:
        seen = samples[:, :, :4].reshape(len(samples), -1).mean(axis=1)
        return np.stack([np.zeros_like(seen), 8 * seen - 4], axis=1).astype(np.float32)


def test_each_direction_is_the_one_that_the_truth_takes() -> None:
    """The true map against its complement."""
    samples, targets = np.ones((1, 6, 8, 1), np.float32), np.array([1])
    true = np.zeros((1, 6, 8), np.float32)
    true[:, :, :4] = 8 / 24
    names = [
        "deletion",
        "insertion",
        "sensitivity-n",
        "mu-fidelity",
        "faithfulness-correlation",
        "infidelity",
        "average-drop",
    ]
    measures = [BY_NAME[name] for name in names]
    good = judge(Case(Bright(), samples, targets, true, 0), measures)
    bad = judge(Case(Bright(), samples, targets, true.max() - true, 0), measures)
    for one in measures:
        assert bool(good[one.name][0] < bad[one.name][0]) is (one.better == "lower"), one.name
