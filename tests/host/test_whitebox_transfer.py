"""White-box maps of a study's torch rungs, beside its explainers: rows, files, tables and the page."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from samewhy_edge.arrays import Maps
from samewhy_edge.errors import InputError
from samewhy_edge.predictor import open_predictor
from samewhy_host import run, transfer
from samewhy_host.asking import Rungs
from samewhy_host.manifest import Step
from samewhy_host.module_file import load_module, save_module
from samewhy_host.report.page import draw, render
from samewhy_host.report.reading import read
from samewhy_host.stats import Sampling
from samewhy_host.steps import Steps
from samewhy_host.study import read_study
from samewhy_host.tables import tables_of
from samewhy_host.transfer import Network, Seen
from samewhy_host.whitebox import white_box_maps
from samewhy_host.whitebox.grad_cam import GradCam
from samewhy_host.whitebox.gradient_input import GradientInput
from tests.host import finished, small

SAMPLING = Sampling(200, 0)
UP, DOWN, FLAT = ([[0.0, 1], [2, 3]], [[3.0, 2], [1, 0]], [[1.0, 1], [1, 1]])
STUDY = '[study]\nquestion = "Why?"\n[model]\narchitecture = "ds_cnn"\n'


def maps(*each: Sequence[Sequence[float]]) -> Maps:
    return np.array(each, np.float32)


def seen(reference: Maps, rung: Maps, twin: Maps | None = None) -> Seen:
    return Seen(GradCam(), {"float": reference, "pruned": rung}, twin)


def explained(reference: Maps, rung: Maps) -> Any:
    return SimpleNamespace(name="occlusion", maps={"float": reference, "pruned": rung})


def row_of(rows: Sequence[dict[str, Any]], measure: str = "spearman") -> dict[str, Any]:
    (found,) = (row for row in rows if row["measure"] == measure)
    return found


def test_agreements_are_means_over_defined_samples_between_floor_and_twin() -> None:
    reference = maps(UP, UP, DOWN, UP)
    one = seen(reference, maps(UP, DOWN, DOWN, FLAT), twin=maps(UP, UP, UP, UP))
    row = row_of(transfer.agreement_rows(["float", "pruned"], [one], SAMPLING))
    assert (row["rung"], row["reference"], row["method"]) == ("pruned", "float", "grad-cam")
    assert row["value"] == pytest.approx((1 - 1 + 1) / 3, abs=1e-6)
    assert (row["samples"], row["undefined"]) == (3, 1)
    assert row["twin"] == 0.5
    assert row["floor"] == 0.0  # whoever gets the one that differs, and whoever it gets


def test_the_floor_gives_every_sample_the_map_of_another() -> None:
    own = np.arange(7, dtype=np.float32).reshape(7, 1, 1)
    moved = transfer.dealt(own, seed=3)
    assert moved is not None
    assert sorted(moved.ravel()) == list(range(7))
    assert not (moved == own).any()
    assert transfer.dealt(own[:1], seed=3) is None


def test_black_and_white_are_compared_sample_by_sample() -> None:
    black = explained(maps(UP, UP, UP, UP), maps(UP, DOWN, UP, FLAT))
    white = seen(maps(UP, UP, UP, UP), maps(UP, DOWN, DOWN, UP))
    (row,) = transfer.transfer_rows(["float", "pruned"], [white], [black], SAMPLING)
    assert (row["black"], row["white"]) == (pytest.approx(1 / 3, abs=1e-6), pytest.approx(-1 / 3, abs=1e-6))
    assert row["apart"] == pytest.approx(2 / 3, abs=1e-6)  # maps from inside find less kept
    assert (row["samples"], row["undefined"]) == (3, 1)
    assert row["together"] == pytest.approx(0.5)  # (1, -1, 1) beside (1, -1, -1)
    assert row["together_low"] <= row["together"] <= row["together_high"]


def test_agreements_that_are_all_the_same_go_with_nothing() -> None:
    values = np.array([0.1, 0.5, 0.9])
    assert set(transfer.together(values, np.ones(3), SAMPLING).values()) == {None}
    assert transfer.together(values, values**3, SAMPLING)["together"] == 1.0
    assert transfer.together(values, -values, SAMPLING)["together"] == -1.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two networks as torch rungs, a reference and another one."""
    (tmp_path / "artifacts").mkdir()
    for seed, name in enumerate(("float", "pruned")):
        recipe = small.resnet8(width=4)
        save_module(tmp_path / "artifacts" / f"{name}.pt", recipe, small.network(recipe, seed))
    return tmp_path


STEPS = (Step("float", "torch:artifacts/float.pt"), Step("pruned", "torch:artifacts/pruned.pt"))


def test_torch_rungs_are_looked_into_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rungs, samples, targets = Rungs(folder, STEPS), small.split(6).samples, np.array([0, 1, 2, 0, 1, 2])
    found = transfer.opened(rungs)
    assert [one.name for one in found] == ["float", "pruned"]
    steps, methods = Steps(folder / "steps"), [GradientInput(), GradCam()]
    first = transfer.looked_into(methods, found, found[1:], samples, targets, steps)
    expected = white_box_maps(GradientInput(), load_module(folder / "artifacts" / "pruned.pt")[1], samples, targets)
    np.testing.assert_array_equal(first[0].maps["pruned"], expected)
    np.testing.assert_array_equal(first[0].twin, expected)  # type: ignore[arg-type]  # it was given one
    monkeypatch.setattr(transfer, "white_box_maps", None)  # what was done is not done again
    again = transfer.looked_into(methods, found, [], samples, targets, steps)
    np.testing.assert_array_equal(again[1].maps["float"], first[1].maps["float"])
    assert again[1].twin is None


def test_other_runtimes_are_left_out(folder: Path) -> None:
    subject = open_predictor(Rungs(folder, STEPS).address(0))
    black = replace(subject, ask=lambda samples: np.zeros((len(samples), 3), np.float32))
    assert [one.name for one in transfer.networks(Rungs(folder, STEPS), [subject, black])] == ["float"]


def test_a_study_without_the_table_gets_nothing_and_one_with_it_all(folder: Path) -> None:
    interview = interview_of(folder)
    wanted = study(folder, STUDY)
    assert run.white_boxes(wanted, interview, SAMPLING) == {}
    assert not (folder / "whitebox").exists()
    wanted = study(folder, STUDY + '[[whitebox]]\nmethod = "gradient-input"\n[[whitebox]]\nmethod = "rap"\n')
    (key, told), *rest = run.white_boxes(wanted, interview, SAMPLING).items()
    assert (key, rest, told["rungs"]) == ("whitebox", [], ["float", "pruned"])
    assert told["methods"] == [{"name": "gradient-input"}, {"name": "rap", "first": "box"}]
    assert len(told["agreements"]) == 2 * 5
    assert {(row["method"], row["explainer"]) for row in told["transfer"]} == {
        ("gradient-input", "occlusion"),
        ("rap", "occlusion"),
    }
    names = sorted(path.name for path in (folder / "whitebox").iterdir())
    assert names == [f"{rung}--{one}.npz" for rung in ("float", "pruned") for one in ("gradient-input", "rap")]


def study(folder: Path, text: str) -> Any:
    (folder / "study.toml").write_text(text)
    show = SimpleNamespace(line=lambda said: None)
    return SimpleNamespace(file=read_study(folder / "study.toml"), folder=folder, show=show, steps=Steps(folder / "s"))


def interview_of(folder: Path) -> Any:
    split = small.split(6)
    rungs = Rungs(folder, STEPS)
    return SimpleNamespace(
        manifest=SimpleNamespace(rungs=STEPS, twin=None),
        audited=SimpleNamespace(samples=split.samples, masks=None),
        targets=np.array([0, 1, 2, 0, 1, 2]),
        subjects=[open_predictor(rungs.address(place)) for place in (0, 1)],
        explained=[explained(*(np.asarray(small.noise(6, 8, 8, seed=seed)) for seed in (1, 2)))],
    )


@pytest.mark.parametrize("model", ['onnx = "a.onnx"', 'float_tflite = "a.tflite"\nint8_tflite = "b.tflite"'])
def test_files_made_elsewhere_cannot_be_looked_into(model: str, tmp_path: Path) -> None:
    text = f'[study]\nquestion = "Why?"\n[model]\n{model}\n[[whitebox]]\nmethod = "lrp"\n'
    with pytest.raises(InputError, match=r"\[\[whitebox\]\] looks into a torch network"):
        study(tmp_path, text)


def told(rungs: Sequence[str] = ("float", "int8-xnnpack")) -> dict[str, Any]:
    """A table of the audit, made up."""
    low = {"low": 0.2101, "high": 0.8102, "samples": 5, "undefined": 2, "floor": 0.1234, "twin": None}
    pair = {"rung": rungs[-1], "method": "rap"}
    apart = {"apart": 0.345, "apart_low": 0.1, "apart_high": 0.5}
    together = {"together": 0.678, "together_low": 0.234, "together_high": 0.912}
    return {
        "methods": [{"name": "rap", "first": "box"}],
        "rungs": list(rungs),
        "agreements": [{**pair, "reference": "float", "measure": "spearman", "value": 0.4567, **low}],
        "transfer": [{**pair, "explainer": one, **apart, **together} for one in finished.EXPLAINERS],
        "localisation": [],
    }


def test_the_page_shows_what_the_audit_says_and_nothing_where_it_says_nothing(tmp_path: Path) -> None:
    folder = finished.run_folder(tmp_path)
    pictures = draw(read(folder))

    def page_with(**more: Any) -> str:
        return render(read(finished.edit(folder, lambda table: table.update(more))), pictures)

    without = page_with()
    assert 'id="whitebox"' not in without
    assert page_with(whitebox=told(rungs=("float",))) == without  # no torch rung below the reference
    page = page_with(whitebox=told())
    section = page[page.index('id="whitebox"') :].partition("</section>")[0]
    for said in ("0.457", "0.123", "undefined: 2", "<b>0.345</b>", "0.678", "[0.234, 0.912]", "[0.210, 0.810]"):
        assert said in section, said


def test_tables_hold_the_rows() -> None:
    audit = {"whitebox": told(), "rungs": [], "study": {"explainers": []}, "samples": []}
    found = tables_of(audit, Path())
    assert found["whitebox-agreements"][0]["method"] == "rap"
    assert len(found["whitebox-transfer"]) == len(finished.EXPLAINERS)


def test_networks_are_told_apart_by_their_bytes(folder: Path) -> None:
    """A step of one network is not taken for another's of the same name."""
    samples, targets, steps = small.split(3).samples, np.array([0, 1, 2]), Steps(folder / "steps")
    first, second = transfer.opened(Rungs(folder, STEPS))
    renamed = Network(first.name, first.address, second.subject, second.module)
    one, other = (transfer.seen(GradientInput(), each, samples, targets, steps) for each in (first, renamed))
    assert not np.array_equal(one, other)
