import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, final

import numpy as np
import pytest

from samewhy_edge.arrays import Samples, Scores
from samewhy_edge.errors import ArtifactError, InputError
from samewhy_edge.explain import Explainer
from samewhy_edge.features import CellsByChannel
from samewhy_edge.fill import Background, Mean
from samewhy_edge.occlusion import Occlusion
from samewhy_edge.predictor import Predictor, Subject, open_predictor
from samewhy_edge.query import ask
from samewhy_edge.rise import Rise
from samewhy_edge.shapley import KernelShap
from samewhy_host import asking, crew
from samewhy_host.asking import Rungs, answers, question, same_ends, timings
from samewhy_host.crew import Threads, Tools
from samewhy_host.data.dataset import Split
from samewhy_host.manifest import Step
from samewhy_host.run import Run, ask_all
from samewhy_host.show import Show
from samewhy_host.steps import Steps
from tests.host import small
from tests.worlds import additive, subject

SAMPLES = small.noise(4, 6, 5, 2)
WORLDS = {"first": additive(6, 5, 2, seed=1), "second": additive(6, 5, 2, seed=2)}


@final
@dataclass
class Counting:
    """A world, and the number of samples that it was asked."""

    inner: Predictor
    log: list[int]

    def __call__(self, samples: Samples, /) -> Scores:
        self.log.append(len(samples))
        return self.inner(samples)


@final
@dataclass
class Told:
    """What bars were opened, and how far each came."""

    bars: dict[str, list[int]] = field(default_factory=dict)

    def show(self) -> Show:
        return Show(bar=self.bar)

    def bar(self, name: str, total: int) -> Callable[[int], object]:
        self.bars[name] = [total, 0]

        def advance(count: int) -> None:
            self.bars[name][1] += count

        return advance


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[int]]:
    """Addresses open worlds; how many samples each was asked, batch by batch."""
    logs: dict[str, list[int]] = {name: [] for name in WORLDS}

    def opened(address: str) -> Subject:
        name, _, kernels = address.partition(":")[2].partition("?kernels=")
        found = subject(Counting(WORLDS[name], logs[name]), (6, 5, 2), 3)
        rung = replace(found.spec.rung, kernels=kernels or found.spec.rung.kernels)
        return Subject(replace(found.spec, rung=rung), found.ask)

    monkeypatch.setattr(asking, "open_predictor", opened)
    monkeypatch.setattr(crew, "open_predictor", opened)
    return logs


@pytest.fixture
def rungs(tmp_path: Path, asked: dict[str, list[int]]) -> Rungs:
    return Rungs(tmp_path, (Step("float", "world:first"), Step("int8", "world:second")))


def opened(rungs: Rungs) -> list[Subject]:
    return [asking.open_predictor(rungs.address(place)) for place in range(len(rungs.steps))]


def tools(folder: Path, show: Show | None = None) -> Tools:
    return Tools(Steps(folder / "steps"), Threads(), show or Show())


def asked_all(rungs: Rungs, explainers: list[Explainer]) -> tuple:
    run = Run(small.study_file(rungs.folder), rungs.folder, Show())
    audited = Split(SAMPLES, np.zeros(4, np.int64), ("a", "b", "c", "d"))
    return ask_all(run, rungs, opened(rungs), audited, explainers, np.zeros(4, np.int64))


def test_test_scores_are_those_of_every_rung_in_its_order(rungs: Rungs, tmp_path: Path) -> None:
    samples = small.noise(570, 6, 5, 2, seed=3)  # more than two batches, the last one smaller
    told = Told()
    scores = asking.test_scores(rungs, opened(rungs), samples, tools(tmp_path, told.show()))
    for found, world in zip(scores, WORLDS.values(), strict=True):
        np.testing.assert_allclose(found, world(samples), rtol=0, atol=1e-4)
    assert told.bars == {"test float": [570, 570], "test int8": [570, 570]}


def test_test_samples_are_asked_in_batches(rungs: Rungs, tmp_path: Path, asked: dict[str, list[int]]) -> None:
    samples = small.noise(570, 6, 5, 2, seed=3)
    asking.test_scores(rungs, opened(rungs), samples, tools(tmp_path))
    assert asked == {"first": [250, 250, 70], "second": [250, 250, 70]}


def test_nothing_is_asked_twice(rungs: Rungs, tmp_path: Path, asked: dict[str, list[int]]) -> None:
    means, what = tools(tmp_path), question(Occlusion((2,), (2,)), (6, 5, 2), 0)
    for _ in range(2):
        asking.test_scores(rungs, opened(rungs), SAMPLES, means)
        found = answers(rungs, opened(rungs), [(0, what)], SAMPLES, means)
    assert sum(asked["first"]) == 4 + 4 * len(what.plan)
    expected = ask(WORLDS["first"], SAMPLES, what.plan, what.fill)
    np.testing.assert_allclose(found[0].answers, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("changed", ["samples", "seed", "fill", "rung"])
def test_what_decides_an_answer_makes_it_another_question(
    changed: str, rungs: Rungs, tmp_path: Path, asked: dict[str, list[int]]
) -> None:
    means, subjects = tools(tmp_path), opened(rungs)
    explainer = Rise(queries=8, grid=5)
    answers(rungs, subjects, [(0, question(explainer, (6, 5, 2), 0))], SAMPLES, means)
    before = sum(asked["first"])
    if changed == "rung":
        rungs = Rungs(tmp_path, (Step("float", "world:first?kernels=others"), rungs.steps[1]))
        subjects = opened(rungs)
    what = question(replace(explainer, fill=float(changed == "fill")), (6, 5, 2), int(changed == "seed"))
    samples = SAMPLES + np.float32(changed == "samples")
    (found,) = answers(rungs, subjects, [(0, what)], samples, means)
    assert sum(asked["first"]) == 2 * before
    expected = ask(WORLDS["first"], samples, what.plan, what.fill)
    np.testing.assert_allclose(found.answers, expected, rtol=0, atol=1e-4)


def test_answers_come_in_the_order_of_the_questions(rungs: Rungs, tmp_path: Path) -> None:
    asked = [(place, question(Rise(queries=8, grid=5), (6, 5, 2), seed)) for seed in (0, 1) for place in (1, 0)]
    found = answers(rungs, opened(rungs), asked, SAMPLES, tools(tmp_path))
    worlds = list(WORLDS.values())
    for given, (place, what) in zip(found, asked, strict=True):
        expected = ask(worlds[place], SAMPLES, what.plan, what.fill)
        np.testing.assert_allclose(given.answers, expected, rtol=0, atol=1e-4)
        assert given.seconds > 0


def test_the_bar_of_a_question_counts_its_queries(rungs: Rungs, tmp_path: Path) -> None:
    told, what = Told(), question(Occlusion((2,), (2,)), (6, 5, 2), 0, draw=1)
    answers(rungs, opened(rungs), [(1, what)], SAMPLES, tools(tmp_path, told.show()))
    assert told.bars == {"occlusion (ceiling) int8": [4 * len(what.plan), 4 * len(what.plan)]}


def test_two_estimators_of_one_plan_share_their_answers(rungs: Rungs, asked: dict[str, list[int]]) -> None:
    explainers: list[Explainer] = [
        Rise(queries=10, grid=5, estimator="published"),
        Rise(queries=10, grid=5, estimator="centred"),
    ]
    found, others, _ = asked_all(rungs, explainers)
    # 10 masks and 10 of the ceiling for the reference, 10 masks for the other rung; 4 samples
    assert (sum(asked["first"]), sum(asked["second"])) == (80, 40)
    for row in found:
        assert np.array_equal(row["rise-published"].answers, row["rise-centred"].answers)
    assert not np.array_equal(others["rise-centred"][1].answers, found[0]["rise-centred"].answers)


def test_estimators_of_one_plan_under_other_fills_are_asked_apart(rungs: Rungs, asked: dict[str, list[int]]) -> None:
    asked_all(rungs, [Rise(queries=10, grid=5), Rise(queries=10, grid=5, estimator="published", fill=0.5)])
    assert (sum(asked["first"]), sum(asked["second"])) == (160, 80)


def test_every_explainer_gets_the_answers_to_its_own_masks(rungs: Rungs) -> None:
    explainers: list[Explainer] = [Occlusion((2,), (2,), fill=0.5), Rise(queries=10, grid=5)]
    found, others, shared = asked_all(rungs, explainers)
    for row, world in zip(found, WORLDS.values(), strict=True):
        for one in explainers:
            expected = ask(world, SAMPLES, one.plan((6, 5, 2), seed=5), one.fill)
            np.testing.assert_allclose(row[one.name].answers, expected, rtol=0, atol=1e-4)
            assert shared[one.name].digest == asking.digest(one.plan((6, 5, 2), seed=5))
    for one in explainers:
        plan, given = others[one.name]
        assert asking.digest(plan) == asking.digest(one.plan((6, 5, 2), seed=5, draw=1))
        np.testing.assert_allclose(given.answers, ask(WORLDS["first"], SAMPLES, plan, one.fill), rtol=0, atol=1e-4)


@pytest.mark.parametrize("changed", ["content", "method", "features"])
def test_fills_and_features_are_known_by_what_they_are(
    changed: str, rungs: Rungs, tmp_path: Path, asked: dict[str, list[int]]
) -> None:
    means, subjects, file = tools(tmp_path), opened(rungs), str(tmp_path / "b.npy")

    def given(explainer: Explainer) -> None:
        what = question(explainer, (6, 5, 2), 0)
        (found,) = answers(rungs, subjects, [(0, what)], SAMPLES, means)
        expected = ask(WORLDS["first"], SAMPLES, what.plan, what.fill)
        np.testing.assert_allclose(found.answers, expected, rtol=0, atol=1e-4)

    np.save(tmp_path / "b.npy", np.full((6, 5, 2), 0.5))
    first = KernelShap(features=(2,), fill=Background(file))
    given(first)
    before = sum(asked["first"])
    given(first)
    assert sum(asked["first"]) == before
    if changed == "content":
        np.save(tmp_path / "b.npy", np.full((6, 5, 2), 0.25))
    others: dict[str, dict[str, Any]] = {
        "content": {},
        "method": {"fill": Mean()},
        "features": {"features": CellsByChannel((1, 2))},
    }
    given(replace(first, **others[changed]))
    assert sum(asked["first"]) > before


# A study's questions in a process of its own, which notes the size of each batch that the world is asked.
NOTING = """
import sys, time
from pathlib import Path
import numpy as np
from samewhy_host import asking, crew
from samewhy_host.crew import Threads, Tools
from samewhy_host.manifest import Step
from samewhy_host.show import Show
from samewhy_host.steps import Steps
from samewhy_edge.rise import Rise
from samewhy_edge.shapley import KernelShap
from tests.worlds import additive, subject
folder, notes, pause = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
world = additive(6, 5, 2, seed=1)
def noting(samples):
    with open(notes, "a") as file:
        file.write(f"{len(samples)}\\n")
    time.sleep(pause)
    return world(samples)
known = subject(noting, (6, 5, 2), 3)
crew.open_predictor = lambda address: known
rungs = asking.Rungs(folder, (Step("float", "world:first"),))
samples = np.random.default_rng(0).normal(size=(5, 6, 5, 2)).astype(np.float32)
what = asking.question(Rise(queries=512, grid=5), (6, 5, 2), 0)
tools = Tools(Steps(folder / "steps"), Threads(), Show())
asking.test_scores(rungs, [known], samples, tools)
asking.answers(rungs, [known], [(0, what)], samples, tools)
"""


def noting(folder: Path, pause: float) -> list[str]:
    return [sys.executable, "-c", NOTING, str(folder), str(folder.with_suffix(".txt")), str(pause)]


def killed_at(folder: Path, size: int) -> None:
    """Ask, and kill the process once the journal of the answers has grown to `size`."""
    until = time.monotonic() + 60
    with subprocess.Popen(noting(folder, 0.02)) as process:
        while process.poll() is None and time.monotonic() < until:
            if any(log.stat().st_size >= size for log in folder.glob("steps/ask-*.partial/journal.log")):
                process.kill()
            time.sleep(0.002)
    assert process.returncode == -signal.SIGKILL


def test_a_killed_step_goes_on_where_it_stopped_and_ends_with_the_same_answers(tmp_path: Path) -> None:
    subprocess.run(noting(tmp_path / "whole", 0), check=True, timeout=120)
    for size in (1_000, 40_000):  # of some 82,000 bytes
        killed_at(tmp_path / "killed", size)
    subprocess.run(noting(tmp_path / "killed", 0), check=True, timeout=120)
    every, killed = (
        [int(line) for line in (tmp_path / f"{name}.txt").read_text().split()] for name in ("whole", "killed")
    )
    assert sum(every) == 5 + 5 * 512
    assert sum(every) <= sum(killed) <= sum(every) + 2 * max(every)  # a batch was in flight each time it was killed
    found = [list((tmp_path / name).glob("steps/ask-*/found.npz")) for name in ("whole", "killed")]
    (whole,), (again,) = ([np.load(path)["answers"] for path in paths] for paths in found)
    assert whole.tobytes() == again.tobytes()
    assert not list(tmp_path.rglob("journal.log"))


def test_all_rungs_take_the_samples_and_give_the_classes_of_the_study(rungs: Rungs) -> None:
    assert len(same_ends(rungs, (6, 5, 2), 3)) == 2


@pytest.mark.parametrize(("sample", "classes"), [((6, 5, 1), 3), ((6, 5, 2), 4)])
def test_a_rung_with_other_ends_is_named(sample: tuple[int, ...], classes: int, rungs: Rungs) -> None:
    with pytest.raises(InputError, match=rf"rung float takes samples \(6, 5, 2\) and gives 3 .*{classes} classes"):
        same_ends(rungs, sample, classes)


def test_the_rung_that_is_named_is_the_one_that_differs(tmp_path: Path) -> None:
    for name, shape in (("a", 8), ("b", 9)):
        (tmp_path / f"{name}.onnx").write_bytes(small.onnx_bytes(["N", 1, shape, 8], small.noise(shape * 8, 3)))
    ladder = Rungs(tmp_path, (Step("float", "onnx:a.onnx"), Step("odd", "onnx:b.onnx?threads=1")))
    with pytest.raises(InputError, match=r"rung odd takes samples \(9, 8, 1\)"):
        same_ends(ladder, (8, 8, 1), 3)


def test_a_file_of_the_run_is_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "a.onnx").write_bytes(small.onnx_bytes(["N", 1, 8, 8], small.noise(64, 3)))
    (tmp_path / "else.onnx").write_bytes(small.onnx_bytes(["N", 1, 9, 8], small.noise(72, 3)))
    monkeypatch.chdir(tmp_path)
    ladder = Rungs(tmp_path / "run", (Step("in", "onnx:a.onnx"), Step("out", "onnx:else.onnx"), Step("no", "onnx:b")))
    assert open_predictor(ladder.address(0)).spec.sample == (8, 8, 1)
    assert open_predictor(ladder.address(1)).spec.sample == (9, 8, 1)
    with pytest.raises(ArtifactError, match="found no file"):
        open_predictor(ladder.address(2))


def test_timings_are_kept_by_rung(rungs: Rungs, tmp_path: Path, asked: dict[str, list[int]]) -> None:
    steps = Steps(tmp_path / "steps")
    table = timings(rungs, opened(rungs), SAMPLES, steps)
    count = sum(asked["first"])
    assert list(table) == ["float", "int8"]
    assert all(0 < row["single_p50"] <= row["single_p90"] for row in table.values())
    assert timings(rungs, opened(rungs), SAMPLES, steps) == table
    assert sum(asked["first"]) == count
