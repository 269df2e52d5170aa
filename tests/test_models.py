import hashlib
import re
import runpy
from pathlib import Path

import numpy as np
import pytest

from samewhy_edge.arrays import Samples
from samewhy_edge.inputs import read_inputs
from samewhy_edge.predictor import Subject, open_predictor
from samewhy_edge.testing import check_predictor

ROOT = Path(__file__).parent.parent
MODELS = sorted(card.parent for card in (ROOT / "models").glob("*/card.md"))
FILES = [file for model in MODELS for file in sorted(model.glob("*.tflite"))]
KERNELS = ("xnnpack", "builtin", "reference")
LIMIT = 500_000  # bytes of samples, so that a clone stays small

THIRD_PARTY = ("mlperf_resnet8", "person_detect")
FOREIGN = [file for file in FILES if file.parent.name in THIRD_PARTY]


def opened(file: Path, kernels: str = "xnnpack") -> Subject:
    return open_predictor(f"litert:{file}?kernels={kernels}")


def samples_beside(file: Path, subject: Subject) -> Samples:
    return read_inputs(file.with_name("samples.npz"), subject.spec.sample).samples


def label(file: Path) -> str:
    return f"{file.parent.name}/{file.name}"


def test_the_folder_holds_the_four_networks() -> None:
    assert {model.name for model in MODELS} == {"fashion_ds_cnn", "fashion_resnet8", *THIRD_PARTY}
    assert {label(file) for file in FOREIGN} == {f"{name}/int8.tflite" for name in THIRD_PARTY}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_the_card_lists_every_file_with_its_size_and_digest(model: Path) -> None:
    rows = re.findall(r"^\| `([^`]+)` \| ([\d,]+) \| `([0-9a-f]{64})` \|$", (model / "card.md").read_text(), re.M)
    listed = {name: (int(size.replace(",", "")), digest) for name, size, digest in rows}
    contents = {file.name: file.read_bytes() for file in model.iterdir() if file.suffix in (".tflite", ".onnx")}
    assert listed == {name: (len(data), hashlib.sha256(data).hexdigest()) for name, data in contents.items()}


@pytest.mark.parametrize("file", FILES, ids=label)
@pytest.mark.parametrize("kernels", KERNELS)
def test_every_file_keeps_its_promises_on_its_samples(file: Path, kernels: str) -> None:
    subject = opened(file, kernels)
    checks = list(check_predictor(subject, samples_beside(file, subject)))
    assert [(check.promise, check.seen) for check in checks if not check.kept] == []
    assert len(checks) == 7


@pytest.mark.parametrize("file", FILES, ids=label)
def test_labels_vary_over_the_samples(file: Path) -> None:
    subject = opened(file)
    labels = subject(samples_beside(file, subject)).argmax(axis=1)
    counts = np.bincount(labels, minlength=subject.spec.classes)
    assert (counts > 0).sum() >= min(5, subject.spec.classes)
    assert counts.max() <= 0.8 * len(labels)  # not one label with an exception


@pytest.mark.parametrize("file", FOREIGN, ids=label)
def test_third_party_samples_are_whole_pixels_and_many(file: Path) -> None:
    samples = samples_beside(file, opened(file))
    assert len(samples) >= 24
    assert samples.tobytes() == np.round(samples).tobytes()
    assert samples.min() == 0
    assert samples.max() > 250  # raw pixels; units of [0, 1] would be all black to these files
    assert file.with_name("samples.npz").stat().st_size < LIMIT


@pytest.mark.parametrize("file", FOREIGN, ids=label)
def test_third_party_networks_answer_in_steps_of_a_256th(file: Path) -> None:
    subject = opened(file)
    codes = subject(samples_beside(file, subject)) * 256
    assert codes.tobytes() == np.round(codes).tobytes()
    assert np.abs(codes.sum(axis=1) - 256).max() <= subject.spec.classes  # probabilities, up to rounding


def test_resnet8_takes_and_gives_the_codes_that_its_card_names() -> None:
    spec = opened(ROOT / "models" / "mlperf_resnet8" / "int8.tflite").spec
    assert spec.input is not None
    assert spec.output is not None
    assert (spec.sample, spec.classes) == ((32, 32, 3), 10)
    assert (spec.input.scale, spec.input.zero_point, spec.input.dtype) == (1.0, -128, "int8")
    assert (spec.output.scale, spec.output.zero_point, spec.output.dtype) == (1 / 256, -128, "int8")


def test_resnet8_knows_a_cat_when_it_sees_one() -> None:
    file = ROOT / "models" / "mlperf_resnet8" / "int8.tflite"
    subject = opened(file)
    cat, rest = 3, subject(samples_beside(file, subject))
    assert (rest[8:12].argmax(axis=1) == cat).all()  # the four crops of chelsea; channels or units mixed up lose it


def test_person_detect_tells_the_portrait_from_the_sky() -> None:
    file = ROOT / "models" / "person_detect" / "int8.tflite"
    subject = opened(file)
    person = subject(samples_beside(file, subject))[:, 0]
    assert person[0] > 0.8  # the whole astronaut
    assert person[[6, 9]].max() < 0.2  # the whole cat, the whole coffee


@pytest.mark.parametrize(("name", "size", "count", "step"), [("mlperf_resnet8", 32, 4, 1), ("person_detect", 96, 3, 2)])
def test_photo_samples_are_what_their_maker_makes(name: str, size: int, count: int, step: int) -> None:
    pytest.importorskip("skimage")
    made = runpy.run_path(str(ROOT / "tests" / "golden" / "make_photo_samples.py"))["samples"](size, count, step)
    with np.load(ROOT / "models" / name / "samples.npz") as arrays:
        stored = arrays["samples"]
    assert made.shape == stored.shape
    # another scikit-image may round a pixel otherwise
    assert np.abs(made - stored).max() <= step
    assert (made == stored).mean() > 0.99


def test_a_copy_without_softmax_gives_what_softmax_takes(tmp_path: Path) -> None:
    subjects = pytest.importorskip("benchmarks.subjects")
    file = ROOT / "models" / "mlperf_resnet8" / "int8.tflite"
    whole = opened(file)
    samples = samples_beside(file, whole)
    copy = tmp_path / "logits.tflite"
    copy.write_bytes(subjects.without_softmax(file.read_bytes()))
    logits = opened(copy)(samples)
    assert np.abs(subjects.softmax(logits) - whole(samples)).max() <= 2 / 256
    assert logits.min() < 0  # no probabilities
    with pytest.raises(ValueError, match="no softmax"):
        subjects.without_softmax(copy.read_bytes())
