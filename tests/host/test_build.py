"""Of the builder what needs no conversion: which steps are done, and what is refused before any."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from samewhy_edge.errors import ArtifactError, InputError
from samewhy_edge.rung import artifact
from samewhy_host import build as building
from samewhy_host.build import (
    Builder,
    adopted,
    build,
    compressed,
    convert,
    exported,
    given,
    kernels_of,
    network,
    teacher_of,
    tflite_rungs,
    trained,
    twin_of,
)
from samewhy_host.compress import Magnitude
from samewhy_host.compress.tuning import Tuning
from samewhy_host.data.sources import Data
from samewhy_host.manifest import Step
from samewhy_host.module_file import load_module, save_module
from samewhy_host.steps import Steps
from samewhy_host.study import Audit, Extra, Head, Model, Study
from samewhy_host.train import prunable
from tests.host import small
from tests.host.test_data_npz import saved

OPTIONS = {"width": 8, "stem": [3, 3]}
STUDY = Study(Head("Why?", seed=5), Model(architecture="ds_cnn", options=OPTIONS), train=small.QUICK)
PAIR = Model(float_tflite="float.tflite", int8_tflite="int8.tflite")


def builder(folder: Path, study: Study = STUDY, lines: list[str] | None = None) -> Builder:
    told = (lines if lines is not None else []).append
    return Builder(small.study_file(folder, study), folder, told, small.dataset(), Steps(folder / "steps"))


def pair_study(folder: Path, *rungs: Extra) -> Study:
    """Of two files that are not opened by a build, so that anything may be in them."""
    saved(folder)
    for name in ("float", "int8"):
        (folder / f"{name}.tflite").write_text(f"the {name} file")
    data = Data("npz", "made.npz", calibration=6)
    return Study(Head("Why?", seed=5), PAIR, data, audit=Audit(samples=3), rung=rungs)


def test_a_zoo_network_gets_classes_and_channels_from_the_data(tmp_path: Path) -> None:
    recipe = network(builder(tmp_path))
    assert recipe.factory == "samewhy_host.zoo.ds_cnn:ds_cnn"
    assert recipe.options == {"classes": 3, "channels": 1, **OPTIONS}
    assert recipe.sample == (8, 8, 1)


def test_the_users_own_factory_gets_the_options_of_the_study_alone(tmp_path: Path) -> None:
    study = replace(STUDY, model=Model(factory="nets:mine", options={"depth": 3}))
    recipe = network(builder(tmp_path, study))
    assert (recipe.factory, recipe.options) == ("nets:mine", {"depth": 3})


def test_the_same_study_trains_once(tmp_path: Path) -> None:
    lines: list[str] = []
    first = trained(builder(tmp_path, lines=lines))
    assert [line.partition(",")[0] for line in lines] == [f"train: epoch {i} of 3" for i in (1, 2, 3)]
    assert trained(builder(tmp_path, lines=lines)) == first
    assert len(lines) == 3


def test_the_same_study_trains_the_same_weights_elsewhere(tmp_path: Path) -> None:
    one, two = (trained(builder(tmp_path / name)) / "module.pt" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize(
    "changed",
    [
        replace(STUDY, study=Head("Why?", seed=6)),
        replace(STUDY, train=replace(small.QUICK, epochs=2)),
        replace(STUDY, model=Model(architecture="ds_cnn", options={**OPTIONS, "width": 4})),
    ],
    ids=["seed", "epochs", "width"],
)
def test_what_decides_the_weights_makes_it_another_step(changed: Study, tmp_path: Path) -> None:
    assert trained(builder(tmp_path)) != trained(builder(tmp_path, changed))


def test_what_does_not_decide_the_weights_does_not(tmp_path: Path) -> None:
    other = replace(STUDY, study=Head("Another question", seed=5), audit=Audit(samples=7))
    assert trained(builder(tmp_path)) == trained(builder(tmp_path, other))


def test_another_test_split_or_other_masks_train_nothing_anew(tmp_path: Path) -> None:
    lines: list[str] = []
    first = trained(builder(tmp_path, lines=lines))
    one = builder(tmp_path, lines=lines)
    other = small.split(12, seed=9)
    masked = replace(one.data.train, masks=np.ones((60, 8, 8), bool))
    one.data = replace(one.data, name="other", test=other, train=masked, made={"variant": "distractor"})
    assert trained(one) == first
    parent = first / "module.pt"
    done = compressed(one, parent, "magnitude", Magnitude(0.5, small.QUICK))
    assert compressed(builder(tmp_path), parent, "magnitude", Magnitude(0.5, small.QUICK)) == done


@pytest.mark.parametrize("changed", ["samples", "labels"])
def test_another_training_split_is_trained_anew(changed: str, tmp_path: Path) -> None:
    one = builder(tmp_path)
    known = getattr(one.data.train, changed)
    one.data = replace(one.data, train=replace(one.data.train, **{changed: np.roll(known, 1, axis=0)}))
    assert trained(one) != trained(builder(tmp_path))


def test_kernels_that_do_not_run_the_file_are_left_out_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    found = (["xnnpack"], {"reference": "no such operator"})
    monkeypatch.setattr(building.quantize, "runnable", lambda _: found)
    kernels = kernels_of(builder(tmp_path, lines=lines), tmp_path / "int16x8.tflite")
    assert [step.name for step in tflite_rungs("int16x8", kernels)] == ["tflite", "int16x8-xnnpack"]
    assert lines == [
        "quantize: int16x8-reference is left out, the kernels do not run the file: no such operator",
    ]


def test_given_weights_are_adopted_untrained(tmp_path: Path) -> None:
    recipe = network(builder(tmp_path))
    torch.manual_seed(8)
    known = recipe.build()
    torch.save(known.state_dict(), tmp_path / "mine.pt")
    lines: list[str] = []
    study = replace(STUDY, model=replace(STUDY.model, weights="mine.pt"))
    done = trained(builder(tmp_path, study, lines))
    found, module = load_module(done / "module.pt")
    assert found == recipe
    assert small.state_bytes(module) == small.state_bytes(known)
    assert not lines


def test_given_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    torch.save(small.network(small.ds_cnn(width=12)).state_dict(), tmp_path / "mine.pt")
    one = builder(tmp_path)
    with pytest.raises(ArtifactError, match="weights do not fit the network"):
        adopted(one, network(one), tmp_path / "mine.pt")


def test_a_compression_starts_from_its_parent_and_is_fine_tuned(tmp_path: Path) -> None:
    one = builder(tmp_path)
    parent = trained(one) / "module.pt"
    before = parent.read_bytes()
    done = compressed(one, parent, "magnitude", Magnitude(0.5, small.QUICK))
    was, now = load_module(parent)[1], load_module(done / "module.pt")[1]
    weights = torch.cat([weight.flatten() for weight in prunable(now)])
    assert float((weights == 0).float().mean()) == pytest.approx(0.5, abs=0.01)
    assert not torch.equal(was.get_parameter("classifier.bias"), now.get_parameter("classifier.bias"))
    assert parent.read_bytes() == before


def test_an_export_has_its_gate_and_its_parent_on_the_list(tmp_path: Path) -> None:
    one = builder(tmp_path)
    path = one.add("float", "float.pt", trained(one) / "module.pt", None)
    onnx = exported(one, path, one.data.train.samples[:8])
    made = one.made[-1]
    assert (made.name, made.file) == ("onnx", "artifacts/model.onnx")
    assert made.parent == artifact(path).sha256
    assert made.sha256 == artifact(onnx).sha256
    assert made.gate["max_difference"] <= 1e-4


def test_an_artifact_that_has_changed_is_put_anew(tmp_path: Path) -> None:
    (tmp_path / "source").write_text("one")
    place = builder(tmp_path).add("onnx", "model.onnx", tmp_path / "source", None)
    place.write_text("damaged")
    builder(tmp_path).add("onnx", "model.onnx", tmp_path / "source", None)
    assert place.read_text() == "one"


def test_a_file_that_the_study_names_is_beside_it_or_told(tmp_path: Path) -> None:
    (tmp_path / "here.onnx").write_text("one")
    assert given(builder(tmp_path), "here.onnx") == tmp_path / "here.onnx"
    with pytest.raises(ArtifactError, match=r"none\.onnx: no such file; \[model\] of study\.toml names it"):
        given(builder(tmp_path), "none.onnx")


def test_a_file_that_does_not_take_the_samples_is_refused_before_it_is_converted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("converted")

    monkeypatch.setattr(building.quantize, "to_tflite", fail)
    (tmp_path / "model.onnx").write_bytes(small.onnx_bytes(["N", 1, 9, 8], small.noise(72, 3)))
    one = builder(tmp_path)
    with pytest.raises(InputError, match=r"shape \(1, 8, 8, 1\), expected \(N, 9, 8, 1\)"):
        convert(one, tmp_path / "model.onnx", one.data.train.samples)


def test_two_tflite_files_are_taken_as_they_are(tmp_path: Path) -> None:
    study = pair_study(tmp_path, Extra("mine", "litert:mine.tflite"))
    manifest, _ = build(small.study_file(tmp_path, study), tmp_path / "run", lambda _: None)
    assert [step.name for step in manifest.rungs] == [
        "tflite",
        "int8-xnnpack",
        "int8-builtin",
        "int8-reference",
        "mine",
    ]
    assert manifest.rungs[-1] == Step("mine", "litert:mine.tflite")
    assert (tmp_path / "run" / manifest.artifacts[1].file).read_text() == "the int8 file"
    assert [made.parent for made in manifest.artifacts] == [None, None]


def test_calibration_is_drawn_from_training_and_audit_from_test_samples_with_even_classes(tmp_path: Path) -> None:
    manifest, data = build(small.study_file(tmp_path, pair_study(tmp_path)), tmp_path / "run", lambda _: None)
    calibration = data.train.labels[data.train.places(manifest.calibration)]
    audited = data.test.labels[data.test.places(manifest.audit)]
    assert np.bincount(calibration).tolist() == [2, 2, 2]
    assert np.bincount(audited).tolist() == [1, 1, 1]


def test_an_added_rung_may_not_have_a_name_of_the_ladder(tmp_path: Path) -> None:
    study = pair_study(tmp_path, Extra("int8-xnnpack", "litert:mine.tflite"))
    with pytest.raises(InputError, match=r"\[\[rung\]\] name 'int8-xnnpack' is taken; the ladder has: int8-builtin"):
        build(small.study_file(tmp_path, study), tmp_path / "run", lambda _: None)


def test_two_added_rungs_may_not_have_one_name(tmp_path: Path) -> None:
    study = pair_study(tmp_path, Extra("mine", "litert:a.tflite"), Extra("mine", "litert:b.tflite"))
    with pytest.raises(InputError, match=r"\[\[rung\]\] name 'mine' is taken"):
        build(small.study_file(tmp_path, study), tmp_path / "run", lambda _: None)


def test_more_calibration_samples_than_there_are_is_refused_before_any_work(tmp_path: Path) -> None:
    study = pair_study(tmp_path)
    study = replace(study, data=replace(study.data, calibration=13))
    with pytest.raises(InputError, match="13 samples asked for, found 12"):
        build(small.study_file(tmp_path, study), tmp_path / "run", lambda _: None)


# A network that was trained apart


def test_a_twin_is_trained_from_the_same_recipe_and_another_seed(tmp_path: Path) -> None:
    made = builder(tmp_path, replace(STUDY, audit=Audit(twin="train")))
    step = twin_of(made)
    assert step == Step("twin", "torch:artifacts/twin.pt")
    recipe, twin = load_module(tmp_path / "artifacts" / "twin.pt")
    own, module = load_module(trained(made) / "module.pt")
    assert recipe == own
    apart = [not torch.equal(a, b) for a, b in zip(twin.parameters(), module.parameters(), strict=True)]
    assert any(apart)
    assert [one.name for one in made.made] == ["twin"]


def test_a_twin_may_be_any_address_and_none_is_the_default(tmp_path: Path) -> None:
    step = twin_of(builder(tmp_path, replace(STUDY, audit=Audit(twin="litert:other.tflite"))))
    assert step == Step("twin", "litert:other.tflite")
    assert twin_of(builder(tmp_path)) is None


def test_a_rung_may_not_take_the_twins_name(tmp_path: Path) -> None:
    study = pair_study(tmp_path, Extra("twin", "litert:other.tflite"))
    taken = replace(study, audit=replace(study.audit, twin="litert:third.tflite"))
    with pytest.raises(InputError, match="name 'twin' is taken"):
        build(small.study_file(tmp_path, taken), tmp_path / "run", lambda _: None)


# What teaches a compressed network


def test_a_compression_is_taught_by_the_network_before_it(tmp_path: Path) -> None:
    """Other objectives make another network, and no objective the one that there always was."""
    one = builder(tmp_path)
    parent = trained(one) / "module.pt"
    how = Tuning(keep=({"method": "distil"},))
    known = (one, parent, "magnitude", Magnitude(0.5, small.QUICK))
    plain, kept = compressed(*known), compressed(*known, how)
    weights = [small.state_bytes(load_module(done / "module.pt")[1]) for done in (plain, kept)]
    assert weights[0] != weights[1]
    assert compressed(*known, how) == kept
    assert teacher_of(one, how, parent, tmp_path / "float.pt") == parent
    assert teacher_of(one, replace(how, teacher="reference"), parent, tmp_path / "float.pt") == tmp_path / "float.pt"


def test_another_teacher_teaches_anew(tmp_path: Path) -> None:
    one = builder(tmp_path)
    parent = trained(one) / "module.pt"
    other = tmp_path / "other.pt"
    save_module(other, small.ds_cnn(), small.network(small.ds_cnn(), seed=9))
    known = (one, parent, "magnitude", Magnitude(0.5, small.QUICK), Tuning(keep=({"method": "distil"},)))
    assert compressed(*known) != compressed(*known, other)


def test_a_teacher_that_is_not_there_is_told(tmp_path: Path) -> None:
    how = Tuning(keep=({"method": "distil"},), teacher="none.pt")
    with pytest.raises(ArtifactError, match=r"none\.pt: no such file; teacher of \[\[compress\]\] in study\.toml"):
        teacher_of(builder(tmp_path), how, tmp_path, tmp_path)


def test_a_deployed_file_can_teach_by_its_scores(tmp_path: Path) -> None:
    """Through its address the network before teaches what it teaches as a module."""
    one = builder(tmp_path)
    parent = trained(one) / "module.pt"
    how = Tuning(keep=({"method": "distil", "alpha": 1.0},), teacher=f"torch:{parent}")
    address = teacher_of(one, how, tmp_path, tmp_path)
    assert address == f"torch:{parent}"
    known = (one, parent, "magnitude", Magnitude(0.5, replace(small.QUICK, epochs=1)))
    by_address, as_module = compressed(*known, how, address), compressed(*known, replace(how, teacher="input"))
    weights = [
        load_module(done / "module.pt")[1].get_parameter("classifier.weight") for done in (by_address, as_module)
    ]
    assert torch.allclose(*weights, atol=1e-5)


def test_kept_answers_teach_where_there_is_no_teacher(tmp_path: Path) -> None:
    one = builder(tmp_path)
    parent = trained(one) / "module.pt"
    how = Tuning(keep=({"method": "distil"},), remember=True)
    known = (one, parent, "magnitude", Magnitude(0.5, small.QUICK))
    kept = compressed(*known, how)
    answers = tmp_path / "teacher.npz"
    answers.write_bytes((kept / "teacher.npz").read_bytes())
    alone = replace(how, teacher="teacher.npz", remember=False)
    assert teacher_of(one, alone, parent, parent) == answers
    weights = [
        small.state_bytes(load_module(done / "module.pt")[1]) for done in (kept, compressed(*known, alone, answers))
    ]
    assert weights[0] == weights[1]
    longer = Magnitude(0.5, replace(small.QUICK, epochs=4))
    anew = replace(alone, keep=({"method": "distil", "alpha": 0.5},))
    with pytest.raises(InputError, match="answers serve the study they were kept in"):
        compressed(one, parent, "magnitude", longer, anew, answers)


def test_a_black_box_has_nothing_to_look_into(tmp_path: Path) -> None:
    one = builder(tmp_path)
    parent = trained(one) / "module.pt"
    how = Tuning(keep=({"method": "swa"},), teacher=f"torch:{parent}")
    with pytest.raises(InputError, match="no global pooling in the network"):
        compressed(one, parent, "magnitude", Magnitude(0.5, small.QUICK), how, f"torch:{parent}")
