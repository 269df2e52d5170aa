from pathlib import Path
from typing import Any, final

import numpy as np
import pytest

from samewhy_edge import Subject, litert, open_predictor
from samewhy_edge.errors import AddressError, ArtifactError
from samewhy_edge.quant import Affine
from samewhy_edge.rung import Artifact, artifact
from samewhy_edge.testing import check_predictor, random_samples
from tests.golden import FILES, golden

KERNELS = ("xnnpack", "builtin", "reference")
INTEGERS = ("image_int8", "image_uint8", "image_int16", "fixed_batch_int8", "series_int8")
REALS = ("image_float", "series_float")


def fixed_codes(subject: Subject, count: int) -> Any:
    """Input codes that are the same everywhere: multiples of 37, wrapped into the type."""
    assert subject.spec.input
    places = np.arange(count * int(np.prod(subject.spec.sample)))
    return (places * 37 % 251 - 125).astype(subject.spec.input.dtype).reshape(count, *subject.spec.sample)


def directly(name: str, kernels: str, batch: Any) -> Any:
    """What the interpreter itself answers, one sample at a time."""
    interpreter = litert.load(FILES / f"{name}.tflite", kernels)
    interpreter.allocate_tensors()
    (entry,), (exit_,) = interpreter.get_input_details(), interpreter.get_output_details()
    answers = []
    for one in batch:
        interpreter.set_tensor(entry["index"], one[None])
        interpreter.invoke()
        answers.append(interpreter.get_tensor(exit_["index"])[0])
    return np.stack(answers)


def codes_of(subject: Subject, codes: Any) -> Any:
    """The output codes of a subject for input codes."""
    assert subject.spec.input
    assert subject.spec.output
    return subject.spec.output.encode(subject(subject.spec.input.decode(codes)))


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("name", INTEGERS)
def test_integer_answers_equal_the_interpreters_own_bit_for_bit(name: str, kernels: str) -> None:
    subject = open_predictor(golden(name, kernels=kernels))
    codes = fixed_codes(subject, 9)
    assert np.array_equal(codes_of(subject, codes), directly(name, kernels, codes))


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("name", REALS)
def test_real_answers_equal_the_interpreters_own(name: str, kernels: str) -> None:
    subject = open_predictor(golden(name, kernels=kernels))
    samples = random_samples(subject, 9)
    np.testing.assert_allclose(subject(samples), directly(name, kernels, samples), rtol=1e-5, atol=1e-6)


# What ai-edge-litert 2.1.0 answered on x86-64 to fixed_codes(subject, 3).
CODES = {
    ("image_int8", "reference"): [[-70, 72, 14], [-8, 13, -22], [-82, 47, 26]],
    ("image_int8", "builtin"): [[-70, 72, 14], [-8, 13, -22], [-82, 47, 26]],
    ("series_int8", "reference"): [[62, -82, -44], [67, -74, -42], [78, -85, -41]],
    ("series_int8", "builtin"): [[62, -82, -44], [67, -74, -42], [78, -85, -41]],
}


@pytest.mark.parametrize(("name", "kernels"), CODES, ids=["-".join(key) for key in CODES])
def test_codes_stay_what_they_were(name: str, kernels: str) -> None:
    subject = open_predictor(golden(name, kernels=kernels))
    assert codes_of(subject, fixed_codes(subject, 3)).tolist() == CODES[name, kernels]


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("name", INTEGERS + REALS)
def test_golden_files_keep_all_promises(name: str, kernels: str) -> None:
    checks = check_predictor(open_predictor(golden(name, kernels=kernels)))
    assert [check for check in checks if not check.kept] == []


def test_a_file_that_mixes_its_batch_is_found_by_its_promise() -> None:
    checks = check_predictor(open_predictor(golden("mixes_batch")))
    assert [check.promise for check in checks if not check.kept] == ["the batch size changes nothing"]


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("name", INTEGERS)
def test_codes_do_not_depend_on_the_sizes_of_the_batches_before(name: str, kernels: str) -> None:
    subject = open_predictor(golden(name, kernels=kernels))
    assert subject.coded
    codes = fixed_codes(subject, 12)
    known = directly(name, kernels, codes)
    assert subject.spec.output
    for count in (5, 3, 12, 1, 2, 12, 7):
        assert np.array_equal(subject.coded(codes[-count:]), subject.spec.output.decode(known[-count:]))


def test_batches_of_many_sizes_share_one_interpreter_that_is_resized_and_never_padded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    subject, shapes, loads = open_predictor(golden("image_int8")), [], []
    samples, resize, load = random_samples(subject, 12), litert.LiteRT._resize, litert.load

    def noting(self: litert.LiteRT, shape: tuple[int, ...]) -> None:
        shapes.append(shape)
        resize(self, shape)

    def loading(*given: Any) -> Any:
        loads.append(given)
        return load(*given)

    monkeypatch.setattr(litert.LiteRT, "_resize", noting)
    monkeypatch.setattr(litert, "load", loading)
    for count in (6, 6, 5, 5, 1, 12):
        subject(samples[:count])
    assert [shape[0] for shape in shapes] == [6, 5, 1, 12]
    assert len(loads) == 1


@pytest.mark.parametrize("name", INTEGERS)
def test_both_doors_give_the_same_scores(name: str) -> None:
    subject = open_predictor(golden(name))
    assert subject.coded
    assert subject.spec.input
    samples = random_samples(subject, 9)
    assert subject.coded(subject.spec.input.encode(samples)).tobytes() == subject.ask(samples).tobytes()
    assert subject.coded(subject.spec.input.encode(samples[:0])).shape == (0, 3)


@pytest.mark.parametrize("name", REALS)
def test_a_real_input_has_no_door_for_codes(name: str) -> None:
    assert open_predictor(golden(name)).coded is None


def test_after_an_allocation_that_fails_a_fresh_interpreter_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    subject, loads, load = open_predictor(golden("image_int8")), [], litert.load
    samples = random_samples(subject, 3)
    known = open_predictor(golden("image_int8"))(samples)

    @final
    class Failing:
        """Refuses to hold more than one sample."""

        def __init__(self, inner: Any) -> None:
            self.inner, self.spoiled = inner, False

        def __getattr__(self, name: str) -> Any:
            assert not self.spoiled
            return getattr(self.inner, name)

        def resize_tensor_input(self, index: int, shape: tuple[int, ...]) -> None:
            self.spoiled = shape[0] > 1
            self.inner.resize_tensor_input(index, (1, *shape[1:]))

        def allocate_tensors(self) -> None:
            if self.spoiled:
                raise RuntimeError("failed to prepare")
            self.inner.allocate_tensors()

    def loading(*given: Any) -> Any:
        loads.append(Failing(load(*given)))
        return loads[-1]

    monkeypatch.setattr(litert, "load", loading)
    assert np.array_equal(subject(samples), known)
    assert np.array_equal(subject(samples), known)  # and is asked one by one from then on
    assert [one.spoiled for one in loads] == [True, False]


def test_a_file_that_fixes_its_batch_is_asked_one_by_one_and_answers_the_same() -> None:
    subject = open_predictor(golden("fixed_batch_int8"))
    samples = random_samples(subject, 4)
    alone = np.concatenate([subject(one[None]) for one in samples])
    assert np.array_equal(subject(samples), alone)
    assert len(np.unique(alone, axis=0)) == 4


@pytest.mark.parametrize("name", ["image_int8", "image_float", "fixed_batch_int8"])
def test_no_samples_get_no_scores(name: str) -> None:
    subject = open_predictor(golden(name))
    assert subject(np.zeros((0, *subject.spec.sample), np.float32)).shape == (0, 3)


@pytest.mark.parametrize("kernels", KERNELS)
def test_xnnpack_takes_part_where_it_is_asked_for_and_nowhere_else(kernels: str) -> None:
    interpreter = litert.load(FILES / "image_int8.tflite", kernels)
    interpreter.allocate_tensors()
    operators = [operator["op_name"] for operator in interpreter._get_ops_details()]
    assert ("DELEGATE" in operators) == (kernels == "xnnpack")


def test_inner_tensors_are_kept_where_asked() -> None:
    interpreter = litert.load(FILES / "image_float.tflite", "builtin", tensors=True)
    interpreter.allocate_tensors()
    (entry,) = interpreter.get_input_details()
    interpreter.set_tensor(entry["index"], np.ones((1, 8, 8, 1), np.float32))
    interpreter.invoke()
    first = interpreter._get_ops_details()[0]
    assert first["op_name"] == "CONV_2D"
    assert interpreter.get_tensor(first["outputs"][0]).max() > 0


@pytest.mark.parametrize(("options", "known_threads"), [({}, 1), ({"threads": 2}, 2)], ids=["default", "two"])
def test_threads_reach_the_interpreter_and_do_not_change_codes(
    options: dict[str, int], known_threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples, given = random_samples(open_predictor(golden("image_int8")), 4), []
    known, load = open_predictor(golden("image_int8"))(samples), litert.load

    def noting(path: Path, kernels: str, threads: int = 1, tensors: bool = False) -> Any:
        given.append(threads)
        return load(path, kernels, threads, tensors)

    monkeypatch.setattr(litert, "load", noting)
    assert np.array_equal(open_predictor(golden("image_int8", **options))(samples), known)
    assert set(given) == {known_threads}


@pytest.mark.parametrize(
    ("name", "dtype"), [("image_int8", "int8"), ("image_uint8", "uint8"), ("image_int16", "int16")]
)
def test_the_specification_holds_the_encodings_of_the_file(name: str, dtype: str) -> None:
    spec = open_predictor(golden(name)).spec
    assert (spec.sample, spec.classes) == ((8, 8, 1), 3)
    for end in (spec.input, spec.output):
        assert isinstance(end, Affine)
        assert end.dtype == dtype
    low, high = spec.input.decode(np.array([np.iinfo(dtype).min, np.iinfo(dtype).max]))  # type: ignore[union-attr]
    assert (float(low), float(high)) == pytest.approx((-1, 1), abs=0.01)  # calibrated on noise in [-1, 1]


def test_a_real_file_has_no_encodings() -> None:
    spec = open_predictor(golden("series_float")).spec
    assert (spec.sample, spec.classes, spec.input, spec.output) == ((16, 2), 3, None, None)


def test_the_rung_is_the_file_the_runtime_and_the_kernels() -> None:
    rung = open_predictor(golden("image_int8", kernels="reference")).spec.rung
    assert rung.artifact == artifact(FILES / "image_int8.tflite")
    assert rung.artifact == Artifact(rung.artifact.sha256, (FILES / "image_int8.tflite").stat().st_size)
    assert rung.kernels == "reference"
    assert rung.runtime.split()[0] in ("ai-edge-litert", "tflite-runtime")


def test_xnnpack_is_the_default_and_named() -> None:
    assert open_predictor(golden("image_int8")).spec.rung.kernels == "xnnpack"


REFUSED = {
    "any_size": r"dynamic input shape \(1, -1, -1, 1\); expected fixed sizes",
    "two_inputs": r"2 input tensors \(x, y\); expected one",
    "two_outputs": r"2 output tensors \(.*\); expected one",
    "picture_out": r"output shape \(1, 8, 8, 3\); expected one row of class scores",
    "stateful": "stateful operators ASSIGN_VARIABLE.*; expected the same answer to the same sample at any time",
    "custom_operator": "custom operators Betainc; expected built-in operators only",
    "raw_bytes": "tensor x holds uint8 without a scale; expected real numbers or quantized integers",
}


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_is_no_black_box_is_refused_with_reason_and_expectation(name: str, kernels: str) -> None:
    with pytest.raises(ArtifactError, match=rf"{name}\.tflite: {REFUSED[name]}"):
        open_predictor(golden(name, kernels=kernels))


def spoiled(folder: Path, content: bytes) -> str:
    (folder / "spoiled.tflite").write_bytes(content)
    return f"litert:{folder}/spoiled.tflite"


@pytest.mark.parametrize("left", [100, 1000, 2000])
def test_a_truncated_file_is_refused(tmp_path: Path, left: int) -> None:
    address = spoiled(tmp_path, (FILES / "image_int8.tflite").read_bytes()[:left])
    with pytest.raises(ArtifactError, match=r"spoiled\.tflite: .*truncated .*export it anew"):
        open_predictor(address)


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n" + bytes(40), b"TFL3 at the wrong place"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ArtifactError, match=r"not a \.tflite file .*; expected a TensorFlow Lite flatbuffer"):
        open_predictor(spoiled(tmp_path, content))


@pytest.mark.parametrize("at", [36, 436, 1008, 1364])
def test_a_file_with_wild_offsets_is_refused_and_this_process_lives(tmp_path: Path, at: int) -> None:
    content = bytearray((FILES / "image_int8.tflite").read_bytes())
    content[at : at + 4] = b"\xff\xff\xff\x7f"
    with pytest.raises(ArtifactError, match=r"spoiled\.tflite: "):
        open_predictor(spoiled(tmp_path, bytes(content)))


def test_a_file_that_changes_in_its_place_is_examined_anew(tmp_path: Path) -> None:
    first = open_predictor(spoiled(tmp_path, (FILES / "image_int8.tflite").read_bytes()))
    second = open_predictor(spoiled(tmp_path, (FILES / "series_float.tflite").read_bytes()))
    assert (first.spec.sample, second.spec.sample) == ((8, 8, 1), (16, 2))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"kernel": "xnnpack"}, "unknown option of litert: 'kernel'; did you mean 'kernels'"),
        ({"kernels": "xnn"}, "unknown kernels 'xnn'; did you mean 'xnnpack'"),
        ({"threads": 0}, "threads=0: expected a whole number of at least 1"),
    ],
    ids=["option", "kernels", "threads"],
)
def test_a_wrong_option_is_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(AddressError, match=sentence):
        open_predictor(golden("image_int8", **options))
