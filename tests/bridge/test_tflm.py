import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("tflite_micro")

from samewhy_bridge import tflm
from samewhy_bridge.tflm_arena import STEP, allocations, because, fitting, parsed, smallest
from samewhy_bridge.tflm_examination import look
from samewhy_bridge.tflm_runtime import apart, load
from samewhy_edge import litert, open_predictor
from samewhy_edge.errors import AddressError, ArtifactError, ExtraError
from samewhy_edge.rung import artifact, changed
from samewhy_edge.testing import check_predictor, random_samples
from tests.bridge.single_ops import Coding, File, options, single
from tests.golden import FILES, golden

TAKEN = ("image_int8", "image_float", "series_int8")
REPORT = """[RecordingMicroAllocator] Arena allocation total 33328 bytes
[RecordingMicroAllocator] Arena allocation head 25088 bytes
[RecordingMicroAllocator] Arena allocation tail 8240 bytes
[RecordingMicroAllocator] 'Persistent buffer data' used 5640 bytes with alignment overhead (requested 5596 bytes for 34 allocations)
"""  # noqa: E501


def micro(name: str, **options: Any) -> str:
    return golden(name, **options).replace("litert:", "tflm:")


@pytest.mark.parametrize("name", TAKEN)
def test_every_promise_of_a_predictor_is_kept(name: str) -> None:
    assert all(check.kept for check in check_predictor(open_predictor(micro(name))))


def test_answers_are_the_interpreters_own() -> None:
    subject = open_predictor(micro("image_int8"))
    assert subject.spec.input
    assert subject.spec.output
    codes = subject.spec.input.encode(random_samples(subject, 7))
    interpreter, known = load((FILES / "image_int8.tflite").read_bytes(), 50_000), []
    for one in codes:
        interpreter.set_input(one[None], 0)
        interpreter.invoke()
        known.append(interpreter.get_output(0)[0])
    np.testing.assert_array_equal(subject.spec.output.encode(subject(subject.spec.input.decode(codes))), known)
    assert subject(random_samples(subject, 0)).shape == (0, 3)


def test_the_rung_names_file_runtime_kernels_and_machine() -> None:
    rung = open_predictor(micro("series_int8")).spec.rung
    assert rung.artifact == artifact(FILES / "series_int8.tflite")
    assert rung.runtime.startswith("tflite-micro 0.")
    assert rung.kernels == "reference"
    assert rung.machine.startswith("x86_64")


def test_an_arena_that_is_enough_changes_nothing_and_one_that_is_not_is_refused() -> None:
    path = FILES / "image_int8.tflite"
    need = tflm.examine(path, artifact(path).sha256).arena
    roomy, exact = (open_predictor(micro("image_int8", arena=size)) for size in (100_000, need))
    samples = random_samples(roomy, 5)
    assert roomy(samples).tobytes() == exact(samples).tobytes()
    with pytest.raises(AddressError, match=rf"arena={need - 1}: too small; .* needs {need} bytes"):
        open_predictor(micro("image_int8", arena=need - 1))
    with pytest.raises(AddressError, match="unknown option of tflm: 'kernels'"):
        open_predictor(micro("image_int8", kernels="reference"))


def test_the_arena_is_the_smallest_one() -> None:
    for content in ((FILES / "fixed_batch_int8.tflite").read_bytes(), single("CONV_2D", 1)):
        fits = fitting(content)
        need = smallest(fits)
        assert need is not None
        assert not fits(need - STEP)
        report = allocations(content, need)
        assert report.head + report.tail == report.total <= need


@given(st.integers(1, 2**20), st.sampled_from([16, 1024]))
def test_bisection_finds_the_smallest_multiple(need: int, first: int) -> None:
    asked: list[int] = []

    def fits(size: int) -> bool:
        asked.append(size)
        return size >= need

    assert smallest(fits, first, 2**21) == max(-(-need // STEP) * STEP, STEP)
    assert len(asked) < 45


def test_a_file_that_no_arena_is_enough_for_is_found_out() -> None:
    assert smallest(lambda size: False, 1024, 4096) is None


def test_the_report_of_allocations_is_read() -> None:
    found = parsed(REPORT)
    assert (found.total, found.head, found.tail) == (33328, 25088, 8240)
    (part,) = found.parts
    assert (part.name, part.used, part.requested, part.count) == ("Persistent buffer data", 5640, 5596, 34)
    with pytest.raises(ValueError, match="allocations with total; expected total, head and tail"):
        parsed(REPORT.splitlines()[0])


def test_a_refusal_names_the_file() -> None:
    with pytest.raises(ArtifactError, match=r"two_inputs\.tflite: 2 input tensors"):
        open_predictor(micro("two_inputs"))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("any_size", "dynamic input shape"),
        ("custom_operator", "custom operators Betainc"),
        ("stateful", "stateful operators ASSIGN_VARIABLE"),
        ("two_inputs", r"2 input tensors \(x, y\)"),
        ("two_outputs", "2 output tensors"),
        ("picture_out", "expected one row of class scores"),
        ("raw_bytes", "Node CAST .* failed to invoke"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_the_reason(name: str, sentence: str) -> None:
    with pytest.raises(ArtifactError, match=sentence):
        look((FILES / f"{name}.tflite").read_bytes())


def test_an_operator_that_it_does_not_have_is_named() -> None:
    file = File()
    entry = file.tensor((1, 4, 1), Coding((0.1,), (0,)))
    made = file.tensor((1, 4), Coding((0.1,), (0,)))
    file.operator("GELU", [entry], made, options("GeluOptions"))
    with pytest.raises(ArtifactError, match="operator GELU, which tflite-micro does not have"):
        look(file.bytes(made))


def test_a_file_that_crashes_it_is_an_error(tmp_path: Path) -> None:
    """A missing bias as -1 makes its depthwise kernel read at no address."""
    file, one = File(), Coding((0.1,), (0,))
    entry, weights = file.tensor((1, 1, 4), one), file.tensor((1, 1, 1, 4), one, "int8", np.ones((1, 1, 1, 4)))
    shaped, made = file.tensor((1, 1, 1, 4), one), file.tensor((1, 1, 1, 4), one)
    file.operator("RESHAPE", [entry, file.whole([1, 1, 1, 4])], shaped)
    settings = options("DepthwiseConv2DOptions", strideH=1, strideW=1, depthMultiplier=1)
    file.operator("DEPTHWISE_CONV_2D", [shaped, weights, None], made, settings, 3)
    (tmp_path / "m.tflite").write_bytes(file.bytes(made))
    with pytest.raises(ArtifactError, match=r"m\.tflite: crashed the interpreter"):
        open_predictor(f"tflm:{tmp_path / 'm.tflite'}")


@pytest.mark.parametrize("share", [0.3, 0.95])
def test_a_truncated_file_is_an_error(share: float, tmp_path: Path) -> None:
    content = (FILES / "image_int8.tflite").read_bytes()
    (tmp_path / "m.tflite").write_bytes(content[: int(share * len(content))])
    with pytest.raises(ArtifactError, match=r"m\.tflite: "):
        open_predictor(f"tflm:{tmp_path / 'm.tflite'}")


def test_another_file_format_is_told() -> None:
    with pytest.raises(ArtifactError, match="no TFL3 mark"):
        look(b"PK\3\4" * 9)


@pytest.mark.parametrize(
    ("processor", "sentence"),
    [
        ("aarch64", r"wheels for Linux on x86_64 alone; this is Linux on aarch64\. Let a machine .* samewhy serve"),
        ("x86_64", r"tflm needs tflite_micro, which is not installed; .* pip install 'samewhy\[bridge\]'"),
    ],
)
def test_a_machine_without_it_says_what_to_do(processor: str, sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tflm, "MISSING", "tflite_micro")
    monkeypatch.setattr("platform.machine", lambda: processor)
    with pytest.raises(ExtraError, match=sentence):
        open_predictor(micro("image_int8"))


def test_layers_are_all_operators_and_the_last_is_the_answer() -> None:
    subject = open_predictor(micro("image_int8"))
    assert subject.spec.output
    assert subject.layers
    samples = random_samples(subject, 3)
    found = subject.layers(samples)
    assert [one.operator for one in found] == ["CONV_2D", "CONV_2D", "MEAN", "FULLY_CONNECTED"]
    np.testing.assert_array_equal(found[-1].values[:, 0], subject.spec.output.encode(subject(samples)))
    theirs = litert.layers(FILES / "image_int8.tflite", "reference", samples)
    assert [(one.place, one.operator, one.tensor) for one in found] == [
        (one.place, one.operator, one.tensor) for one in theirs
    ]
    for one, other in zip(found[:3], theirs, strict=False):  # its reference kernels differ in FULLY_CONNECTED alone
        np.testing.assert_array_equal(one.values, other.values)


def test_work_apart_may_crash_print_and_fail() -> None:
    assert apart(lambda: os.kill(os.getpid(), signal.SIGSEGV)).code == -signal.SIGSEGV
    assert apart(lambda: os.write(2, b"heard")).said == "heard"
    assert apart(lambda: load(b"", 0)).code == 2
    failed = apart(lambda: load((FILES / "image_int8.tflite").read_bytes(), 512))
    assert failed.code == 1
    assert "missing: " in failed.said


def test_reasons_are_what_was_printed() -> None:
    assert "operator ERF, which" in because("Didn't find op for builtin opcode 'ERF'\nFailed to get registration")
    assert "(one.; two)" not in because("one.\ntwo\n")
    assert "(one; two)" in because("one.\ntwo\n\none.\n")
    assert "(no message)" in because("\n")


def test_a_ladder_of_a_study_takes_it_as_a_rung_that_differs_in_its_runtime(tmp_path: Path) -> None:
    asking = pytest.importorskip("samewhy_host.asking", reason="the host extra is not installed")
    from samewhy_host.manifest import Step

    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts/int8.tflite").write_bytes((FILES / "image_int8.tflite").read_bytes())
    steps = (
        Step("int8-reference", "litert:artifacts/int8.tflite?kernels=reference"),
        Step("tflm", "tflm:artifacts/int8.tflite"),
    )
    above, below = asking.same_ends(asking.Rungs(tmp_path, steps), (8, 8, 1), 3)
    assert changed(above.spec.rung, below.spec.rung) == ("runtime",)
