import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, final

import numpy as np
import pytest
from numpy.typing import NDArray

from samewhy_edge.agreement import spearman
from samewhy_edge.arrays import Maps, Samples, Targets
from samewhy_edge.errors import InputError
from samewhy_edge.explain import Estimating, adapted, estimated, explain, explainer_from, of_targets, shuffled
from samewhy_edge.occlusion import Occlusion
from samewhy_edge.plan import Plan, Windows
from samewhy_edge.predictor import open_predictor
from samewhy_host.emptiness import emptiness, ratio
from samewhy_host.flatbuffer import layers_of, values_of
from samewhy_host.sanity import (
    Original,
    Row,
    absolute,
    absolute_shown,
    dealt,
    edges,
    enough,
    permuted,
    sanity,
    signed,
    steps_of,
    suspect,
    verdict,
    verdict_row,
)
from tests.worlds import additive

MODELS = Path(__file__).resolve().parents[2] / "models"
FASHION, MLPERF = MODELS / "fashion_ds_cnn" / "int8.tflite", MODELS / "mlperf_resnet8" / "int8.tflite"
ADDRESSES = {FASHION: f"litert:{FASHION}?kernels=reference", MLPERF: f"litert:{MLPERF}"}
COARSE = Occlusion(window=(8,), stride=(8,))
ALL = np.ones((4, 4), np.bool_)


@final
@dataclass(frozen=True)
class Told:
    """Maps that are given, whatever the scores."""

    maps: Maps

    def estimate(self, plan: Plan, scores: NDArray[np.float32]) -> Maps:
        return self.maps

    def errors(self, plan: Plan, scores: NDArray[np.float32]) -> Maps:
        return np.zeros_like(self.maps)

    def halves(self, plan: Plan, scores: NDArray[np.float32]) -> None:
        return None


@final
@dataclass(frozen=True)
class Blind:
    """An explainer that asks and does not listen: its map is the sample, its edges, or nothing at all."""

    name: str

    @property
    def fill(self) -> float:
        return 0.0

    def plan(self, sample: tuple[int, ...], seed: int, draw: int = 0) -> Windows:
        return Windows(sample[:-1], (14, 14), (14, 14), (0, 0))

    def knowing(self, contrast: NDArray[np.float32]) -> Estimating:
        drawn = {"ink": contrast, "edges": edges(contrast[..., None])[..., 0], "nothing": np.zeros_like(contrast)}
        return Told(drawn[self.name])

    def estimate(self, plan: Plan, scores: NDArray[np.float32]) -> Maps:
        raise AssertionError("told of the samples first")

    errors = halves = estimate


def few(path: Path, count: int) -> tuple[Samples, Targets]:
    with np.load(path.parent / "samples.npz") as arrays:
        samples = arrays["samples"][:count]
    return samples, open_predictor(ADDRESSES[path])(samples).argmax(axis=1)


@cache
def table_of(path: Path, folder: Path, count: int = 3, seed: int = 0) -> Row:
    samples, targets = few(path, count)
    return sanity(ADDRESSES[path], samples, targets, [COARSE], seed, folder, resamples=50)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Path]:
    """A folder for each file."""
    return {path: tmp_path_factory.mktemp(path.parent.name) for path in (FASHION, MLPERF)}


@pytest.fixture(scope="module")
def blind(tmp_path_factory: pytest.TempPathFactory) -> Row:
    samples, targets = few(FASHION, 10)
    explainers: Sequence[Any] = [Blind("ink"), Blind("edges"), Blind("nothing"), COARSE]
    folder = tmp_path_factory.mktemp("blind")
    return sanity(f"litert:{FASHION}", samples, targets, explainers, 0, folder, resamples=50)


# permutations


def test_a_permutation_keeps_the_values_and_their_shape() -> None:
    values = np.random.default_rng(0).integers(-127, 128, (4, 3, 3, 5)).astype(np.int8)
    found = dealt(values, 0, 7)
    assert Counter(found.ravel().tolist()) == Counter(values.ravel().tolist())
    assert (found.shape, found.dtype) == (values.shape, values.dtype)
    assert (found != values).mean() > 0.9


def test_a_permutation_is_its_seed_and_its_buffer() -> None:
    values = np.arange(100)
    assert np.array_equal(dealt(values, 3, 7), dealt(values, 3, 7))
    assert (dealt(values, 3, 7) != dealt(values, 4, 7)).any()
    assert (dealt(values, 3, 7) != dealt(values, 3, 8)).any()


def test_every_order_is_about_as_likely() -> None:
    found = Counter(tuple(dealt(np.arange(3), seed, 0).tolist()) for seed in range(600))
    assert len(found) == 6
    assert min(found.values()) > 60  # 100 expected, with a standard deviation of 9


@pytest.mark.parametrize("path", [FASHION, MLPERF], ids=["fashion", "mlperf"])
def test_weights_and_bias_of_the_layers_named_are_permuted_and_no_others(path: Path) -> None:
    content = path.read_bytes()
    layers = layers_of(content)
    changed = permuted(content, layers[3:5], seed=0)
    for place, layer in enumerate(layers):
        for constant in layer.constants:
            before, after = values_of(content, constant).ravel(), values_of(changed, constant).ravel()
            assert np.array_equal(np.sort(before), np.sort(after))
            assert np.array_equal(before, after) == (place not in (3, 4))
    assert changed == permuted(content, layers[3:5], seed=0) != permuted(content, layers[3:5], seed=1)


def test_the_cascade_goes_from_the_output_to_the_input_and_then_every_layer_stands_alone() -> None:
    layers = layers_of(FASHION.read_bytes())
    steps = steps_of(layers)
    cascade, independent = steps[:10], steps[10:]
    assert [step.layer.operator for step in cascade] == [11, 9, 8, 7, 6, 5, 4, 3, 2, 1]
    assert [len(step.changed) for step in cascade] == list(range(1, 11))
    assert all(set(a.changed) < set(b.changed) for a, b in pairwise(cascade))
    assert [step.changed for step in independent] == [(layer,) for layer in reversed(layers)]
    assert [step.variant for step in steps] == ["cascade"] * 10 + ["independent"] * 10


# end to end


@pytest.mark.parametrize("path", [FASHION, MLPERF], ids=["fashion", "mlperf"])
def test_a_deployed_file_is_checked_layer_by_layer(path: Path, made: dict[Path, Path]) -> None:
    table, folder = table_of(path, made[path]), made[path]
    count = len(layers_of(path.read_bytes()))
    assert [(step["variant"], step["step"]) for step in table["steps"]] == [
        (variant, place) for variant in ("cascade", "independent") for place in range(1, count + 1)
    ]
    assert len(table["agreement"]) == 3 * 2 * count
    assert all(row["samples"] + row["undefined"] == 3 for row in table["agreement"])
    assert all(row["low"] <= row["value"] <= row["high"] for row in table["agreement"] if row["value"] is not None)
    assert json.loads((folder / "sanity.json").read_text()) == json.loads(json.dumps(table))
    assert (folder / "sanity.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(one.name for one in folder.iterdir()) == ["sanity.json", "sanity.npz", "sanity.png"]
    assert table["rung"]["kernels"] == ("reference" if path == FASHION else "xnnpack")
    assert table["steps"][-1]["artifact"] != table["rung"]["artifact"]["sha256"]


@pytest.mark.parametrize("path", [FASHION, MLPERF], ids=["fashion", "mlperf"])
def test_every_value_is_what_the_changed_file_says_when_it_is_opened_anew(
    path: Path, made: dict[Path, Path], tmp_path: Path
) -> None:
    table, (samples, targets) = table_of(path, made[path]), few(path, 3)
    with np.load(made[path] / "sanity.npz") as arrays:
        values = arrays["0-occlusion"]
    plain = explain(open_predictor(ADDRESSES[path]), samples, targets, COARSE, 0)
    layers = layers_of(path.read_bytes())
    for place in (0, 3, len(layers) - 1, len(layers) + 2):
        changed = layers[::-1][: place + 1] if place < len(layers) else (layers[::-1][place - len(layers)],)
        file = tmp_path / f"{place}.tflite"
        file.write_bytes(permuted(path.read_bytes(), changed, 0))
        subject = open_predictor(ADDRESSES[path].replace(str(path), str(file)))
        maps = explain(subject, samples, targets, COARSE, 0)
        assert np.array_equal(
            values[0, place], [spearman(a, b) for a, b in zip(plain, maps, strict=True)], equal_nan=True
        )
        step = table["steps"][place]
        assert step["artifact"] == subject.spec.rung.artifact.sha256
        assert step["flips"] == (subject(samples).argmax(1) != targets).sum()
        assert step["dead"] == [sum(len(np.unique(one)) == 1 for one in maps)]


def test_undefined_values_are_nan_and_counted(made: dict[Path, Path]) -> None:
    table = table_of(MLPERF, made[MLPERF])
    with np.load(made[MLPERF] / "sanity.npz") as arrays:
        undefined = np.isnan(arrays["0-occlusion"]).sum(axis=2)
    rows = [row for row in table["agreement"] if row["measure"] == "spearman"]
    assert [row["undefined"] for row in rows] == undefined[0].tolist() == [step["dead"][0] for step in table["steps"]]
    assert undefined.max() == 3  # a softmax that stands at its end says nothing
    assert [row["value"] is None for row in rows] == [row["undefined"] == 3 for row in rows]


def test_equal_seeds_give_equal_bytes_and_another_seed_other_permutations(
    made: dict[Path, Path], tmp_path: Path
) -> None:
    table_of(FASHION, made[FASHION])
    again, other = table_of(FASHION, tmp_path / "again"), table_of(FASHION, tmp_path / "other", seed=1)
    for name in ("sanity.json", "sanity.npz", "sanity.png"):
        assert (tmp_path / "again" / name).read_bytes() == (made[FASHION] / name).read_bytes()
    assert other["steps"][0]["artifact"] != again["steps"][0]["artifact"]


def test_ceiling_and_floor_are_those_of_the_file_as_it_is(made: dict[Path, Path]) -> None:
    (row,) = table_of(FASHION, made[FASHION])["verdicts"]
    (samples, targets), subject = few(FASHION, 3), open_predictor(ADDRESSES[FASHION])
    maps = explain(subject, samples, targets, COARSE, 0)
    plan, answers = adapted(subject, samples, targets, COARSE, 0)
    random = estimated(COARSE.estimate, plan, shuffled(plan, of_targets(answers, targets), 0))
    other, moved = adapted(subject, samples, targets, COARSE, 0, draw=1)
    under_others = estimated(COARSE.estimate, other, of_targets(moved, targets))
    for end, compared in (("floor", random), ("ceiling", under_others)):
        assert row[end] == pytest.approx(
            np.mean([spearman(a, b) for a, b in zip(maps, compared, strict=True)]), abs=1e-6
        )
    assert row["threshold"] == pytest.approx((row["floor"] + row["ceiling"]) / 2, abs=1e-6)


# verdicts and controls


def test_an_explanation_that_ignores_the_weights_is_insensitive_and_occlusion_is_not(blind: Row) -> None:
    found = {row["explainer"]: row for row in blind["verdicts"]}
    assert [found[name]["verdict"] for name in ("ink", "edges", "occlusion")] == [
        "insensitive",
        "insensitive",
        "sensitive",
    ]
    assert (found["ink"]["value"], found["ink"]["step"], found["ink"]["samples"]) == (1, 10, 10)
    assert max(step["flips"] for step in blind["steps"]) > 0  # the weights did change


def test_maps_of_nothing_are_undecided_and_undefined(blind: Row) -> None:
    (row,) = (row for row in blind["verdicts"] if row["explainer"] == "nothing")
    assert (row["verdict"], row["value"], row["threshold"], row["undefined"]) == ("undecided", None, None, 10)
    assert {step["dead"][2] for step in blind["steps"]} == {10}


def test_an_edge_detector_is_suspect_and_agrees_with_itself(blind: Row) -> None:
    controls = {(row["explainer"], row["measure"]): row for row in blind["controls"]}
    row = controls["edges", "spearman-absolute"]
    assert row["original"]["value"] == row["changed"]["value"] == row["itself"]["value"] == 1
    assert controls["ink", "spearman-absolute"]["original"]["value"] < 1
    assert controls["nothing", "spearman-absolute"]["suspect"] is None


def of(value: float | None, low: float = 0.0) -> Row:
    return {"value": value, "low": low}


@pytest.mark.parametrize(
    ("original", "random", "itself", "expected"),
    [
        (of(0.6, 0.5), of(0.1), of(0.6), True),
        (of(0.6, 0.5), of(0.1), of(0.7), False),  # itself agrees better than the edges do
        (of(0.6, 0.5), of(0.55), of(0.2), False),  # random maps of the method agree with the edges as well
        (of(None), of(0.1), of(0.2), None),
    ],
)
def test_suspect_is_what_agrees_with_edges_as_with_itself(
    original: Row, random: Row, itself: Row, expected: bool | None
) -> None:
    assert suspect(original, random, itself) is expected


@pytest.mark.parametrize(
    ("low", "high", "threshold", "expected"),
    [
        (-0.2, 0.39, 0.4, "sensitive"),
        (-0.2, 0.4, 0.4, "undecided"),
        (0.4, 0.9, 0.4, "insensitive"),
        (0.39, 0.9, 0.4, "undecided"),
        (-0.2, 0.3, None, "undecided"),
    ],
)
def test_the_verdict_is_where_the_interval_lies(
    low: float, high: float, threshold: float | None, expected: str
) -> None:
    assert verdict({"low": low, "high": high, "samples": 5, "undefined": 0}, threshold) == expected


@pytest.mark.parametrize(
    ("samples", "undefined", "expected"), [(2, 0, False), (3, 3, True), (3, 4, False), (8, 8, True)]
)
def test_a_verdict_needs_three_samples_and_half_of_all(samples: int, undefined: int, expected: bool) -> None:
    mean = {"low": -0.1, "high": 0.1, "samples": samples, "undefined": undefined}
    assert enough(mean) == expected
    assert verdict(mean, 0.5) == ("sensitive" if expected else "undecided")


NAN = math.nan


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([[0.0] * 4, [0.9] * 4], ("insensitive", 2)),
        ([[0.0] * 4, [NAN] * 4], ("sensitive", 1)),  # the last step says nothing, the one before it decides
        ([[0.9] * 4, [NAN] * 4], ("undecided", 1)),  # the weights that are left may have made the map
        ([[NAN, NAN, 0.0, 0.0], [0.0, NAN, NAN, NAN]], ("undecided", 2)),
    ],
)
def test_the_last_step_with_enough_maps_decides(rows: list[list[float]], expected: tuple[str, int]) -> None:
    maps = np.random.default_rng(0).normal(size=(4, 6, 6)).astype(np.float32)
    random = np.random.default_rng(1).normal(size=(4, 6, 6)).astype(np.float32)
    known = Original(COARSE, COARSE.plan((8, 8, 1), 0), maps, maps, random, np.ones((4, 6, 6), np.bool_))
    row = verdict_row(known, np.array(rows), 50, 0)
    assert (row["verdict"], row["step"]) == expected
    assert row["ceiling"] == 1
    assert row["threshold"] == pytest.approx((1 + row["floor"]) / 2, abs=1e-6)


def test_maps_that_tell_channels_apart_are_held_against_the_edges_of_each(tmp_path: Path) -> None:
    explainer: Any = explainer_from({"method": "shapley-permutation", "features": {"method": "channels"}})
    samples, targets = few(MLPERF, 3)
    table = sanity(ADDRESSES[MLPERF], samples, targets, [explainer], 0, tmp_path, resamples=50)
    (row, _) = table["controls"]
    maps = explain(open_predictor(ADDRESSES[MLPERF]), samples, targets, explainer, 0)
    assert maps.shape == samples.shape
    expected = [spearman(np.abs(a), b) for a, b in zip(maps, edges(samples), strict=True)]
    assert row["original"]["value"] == pytest.approx(np.mean(expected), abs=1e-6)


# measures


def test_measures_by_hand() -> None:
    a = np.array([[3, -2], [1, 0]], np.float32)
    b = np.array([[-3, 2], [-1, 0]], np.float32)
    shown = np.array([[True, True], [True, False]])
    assert signed(a, b, shown) == spearman(a, b) < 0
    assert absolute(a, b, shown) == pytest.approx(1)
    hidden = np.array([[3, 2], [1, 9]], np.float32)  # the last position, which the sample does not show, apart
    assert absolute(a, hidden, shown) < 1
    assert absolute_shown(a, hidden, shown) == pytest.approx(1)


def test_measures_of_what_ranks_nothing_are_nan() -> None:
    a = np.arange(16, dtype=np.float32).reshape(4, 4)
    holed = a.copy()
    holed[0, 0] = np.nan
    none, one = ~ALL, ~ALL
    one[1, 1] = True
    found = [
        signed(a, np.ones_like(a), ALL),
        signed(a, holed, ALL),
        absolute_shown(a, a, none),
        absolute_shown(a, a, one),
    ]
    assert all(math.isnan(value) for value in found)


# edges


def test_edges_of_a_step_are_four_times_its_height_on_both_sides() -> None:
    sample = np.zeros((1, 5, 6, 1), np.float32)
    sample[:, :, 3:] = 0.5
    expected = np.zeros((5, 6))
    expected[:, 2:4] = 2.0
    assert np.allclose(edges(sample)[0, ..., 0], expected)
    assert np.allclose(edges(sample.transpose(0, 2, 1, 3))[0, ..., 0], expected.T)


def test_edges_of_one_point_by_hand() -> None:
    sample = np.zeros((1, 5, 5, 1), np.float32)
    sample[0, 2, 2] = 1
    corner, side = math.sqrt(2), 2.0
    expected = np.zeros((5, 5))
    expected[1:4, 1:4] = [[corner, side, corner], [side, 0, side], [corner, side, corner]]
    assert np.allclose(edges(sample)[0, ..., 0], expected)


def test_edges_of_a_series_are_central_differences_and_channels_keep_apart() -> None:
    series = np.array([[[0, 1], [0, 1], [3, 1], [3, 0]]], np.float32)
    assert np.allclose(edges(series)[0].T, [[0, 3, 3, 0], [0, 0, 1, 1]])


def test_edges_of_an_even_sample_are_none_at_the_border_too() -> None:
    assert not edges(np.full((2, 4, 4, 3), 0.7, np.float32)).any()


# samples without an object


def test_the_ratio_of_an_additive_world_is_that_of_its_shares() -> None:
    world = additive(4, 5, 1, classes=2, seed=1)
    explainer = Occlusion(window=(1,), stride=(1,))
    real, empty = (
        np.random.default_rng(i).uniform(0, top, (6, 4, 5, 1)).astype(np.float32) for i, top in ((0, 1), (1, 0.1))
    )
    (row,) = emptiness(world, real, empty, [explainer], 0, resamples=200)
    sizes = {}
    for name, samples in (("real", real), ("empty", empty)):
        labels = world(samples).argmax(axis=1)
        sizes[name] = np.array([np.abs(world.shares(one, label)) for one, label in zip(samples, labels, strict=True)])
    mass = sizes["empty"].mean() / sizes["real"].mean()
    peak = sizes["empty"].max(axis=(1, 2)).mean() / sizes["real"].max(axis=(1, 2)).mean()
    assert row["mass"]["value"] == pytest.approx(mass, rel=1e-3)
    assert row["peak"]["value"] == pytest.approx(peak, rel=1e-3)
    assert row["mass"]["low"] < mass < row["mass"]["high"] < 0.2
    assert (row["samples"], row["empty"], row["silent"]) == (6, 6, 0)


def test_samples_that_are_their_fill_are_silent() -> None:
    world, real = additive(4, 5, 1), np.random.default_rng(0).uniform(0, 1, (3, 4, 5, 1)).astype(np.float32)
    (row,) = emptiness(world, real, np.zeros((2, 4, 5, 1), np.float32), [Occlusion(window=(2,))], 0, resamples=50)
    assert (row["mass"]["value"], row["peak"]["high"], row["silent"]) == (0, 0, 2)


def test_a_ratio_to_nothing_is_undefined() -> None:
    assert ratio(np.ones(3), np.zeros(3), 50, 0) == {"value": None, "low": None, "high": None}
    assert ratio(np.array([1.0, np.nan]), np.ones(3), 50, 0)["value"] is None
    low, high = (ratio(np.arange(1.0, 9), np.arange(1.0, 9), 50, 0)[end] or 0.0 for end in ("low", "high"))
    assert low < 1 < high  # the groups are drawn apart
    assert ratio(np.array([3.0, 3.0]), np.array([2.0, 2.0]), 50, 0) == {"value": 1.5, "low": 1.5, "high": 1.5}


# refusals


def test_another_runtime_is_refused(tmp_path: Path) -> None:
    samples, targets = few(FASHION, 3)
    with pytest.raises(InputError, match=r"weights are changed in \.tflite files alone; expected litert:"):
        sanity(f"onnx:{FASHION.parent / 'model.onnx'}", samples, targets, [COARSE], 0, tmp_path)


def test_nothing_to_check_is_refused(tmp_path: Path) -> None:
    samples, targets = few(FASHION, 3)
    with pytest.raises(InputError, match="3 samples and 0 explainers; expected at least one of each"):
        sanity(f"litert:{FASHION}", samples, targets, [], 0, tmp_path)
    with pytest.raises(InputError, match="0 samples and 1 explainers"):
        sanity(f"litert:{FASHION}", samples[:0], targets[:0], [COARSE], 0, tmp_path)
    with pytest.raises(InputError, match="is out of range; this predictor has 10 classes"):
        sanity(f"litert:{FASHION}", samples, targets + 10, [COARSE], 0, tmp_path)
    with pytest.raises(InputError, match="0 without an object"):
        emptiness(
            additive(4, 5, 1), np.zeros((2, 4, 5, 1), np.float32), np.zeros((0, 4, 5, 1), np.float32), [COARSE], 0
        )


def test_the_table_says_what_maps_say_of_samples_without_an_object(tmp_path: Path) -> None:
    samples, targets = few(FASHION, 2)
    empty = np.zeros_like(samples[:2])  # what is hidden is there already
    table = sanity(f"litert:{FASHION}", samples, targets, [COARSE], 0, tmp_path, resamples=50, empty=empty)
    (row,) = table["empty"]
    assert (row["explainer"], row["empty"], row["silent"], row["mass"]["value"]) == (COARSE.name, 2, 2, 0)
    with pytest.raises(InputError, match=r"samples have shape \(2, 28, 28\)"):
        sanity(f"litert:{FASHION}", samples, targets, [COARSE], 0, tmp_path, empty=empty[..., 0])
