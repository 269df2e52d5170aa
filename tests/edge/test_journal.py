import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samewhy_edge import Subject, open_predictor
from samewhy_edge.arrays import Codes, Samples, Scores
from samewhy_edge.errors import ContractError, InputError, OutputError
from samewhy_edge.explain import DEFAULTS
from samewhy_edge.grids import RandomGrids
from samewhy_edge.journal import Memory, Remembering, header_of, name_of, remembered
from samewhy_edge.plan import Windows
from samewhy_edge.predictor import Predictor, Spec
from samewhy_edge.quant import Affine
from samewhy_edge.query import ask
from samewhy_edge.rung import Artifact, Rung
from samewhy_edge.testing import random_samples
from tests.golden import golden
from tests.worlds import RUNG, Constant, Recording, additive

SAMPLES = np.random.default_rng(1).normal(size=(6, 4, 3, 1)).astype(np.float32)
WORLD = additive(4, 3, 1)
SPEC = Spec((4, 3, 1), 3, RUNG)
HEADER = len(header_of(SPEC))
ENTRY = 16 + 3 * 4 + 4
OTHERS = {
    "artifact": replace(RUNG, artifact=Artifact("f" * 64, 1234)),
    "runtime": replace(RUNG, runtime="made-up 1.1"),
    "kernels": replace(RUNG, kernels="reference"),
    "machine": replace(RUNG, machine="elsewhere"),
}


def remembering(inner: Predictor, spec: Spec = SPEC) -> Remembering:
    """A world with a memory of its own and no journal."""
    return Remembering(Subject(spec, inner), Memory(spec))


def resumed(
    path: Path, spec: Spec = SPEC, sync: bool = False, inner: Predictor = WORLD
) -> tuple[Remembering, Recording]:
    """A world that goes on from a journal, and what it is asked from then on."""
    world = Recording(inner)
    return Remembering(Subject(spec, world), Memory.resumed(spec, path, sync)), world


@cache
def journal() -> bytes:
    """A journal of the first four samples, in two batches."""
    with TemporaryDirectory() as folder:
        memory, _ = resumed(Path(folder) / "one.log")
        memory(SAMPLES[:3])
        memory(SAMPLES[3:4])
        return (Path(folder) / "one.log").read_bytes()


def after(content: bytes) -> tuple[int, bool]:
    """How many of the four samples are asked again after `content`, with all answers right, then and the time after."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "one.log"
        path.write_bytes(content)
        memory, _ = resumed(path)
        right = memory(SAMPLES[:4]).tobytes() == WORLD(SAMPLES[:4]).tobytes()
        later, _ = resumed(path)
        right &= later(SAMPLES[:4]).tobytes() == WORLD(SAMPLES[:4]).tobytes() and not later.memory.asked
        return memory.memory.asked, right and path.read_bytes() == journal()


def test_nothing_is_asked_twice() -> None:
    world = Recording(WORLD)
    memory = remembering(world)
    for places in ([0, 1, 2], [2, 1, 3], [0, 3], [4]):
        assert np.array_equal(memory(SAMPLES[places]), WORLD(SAMPLES[places]))
    assert [len(batch) for batch in world.asked] == [3, 1, 1]
    assert np.array_equal(np.concatenate(world.asked), SAMPLES[:5])
    assert (memory.memory.asked, memory.memory.repeated) == (5, 4)


def test_duplicates_in_a_batch_are_asked_once_together_and_in_order() -> None:
    world, places = Recording(WORLD), [4, 1, 4, 0, 1, 4, 2]
    memory = remembering(world)
    assert np.array_equal(memory(SAMPLES[places]), WORLD(SAMPLES[places]))
    (asked,) = world.asked
    assert np.array_equal(asked, SAMPLES[[4, 1, 0, 2]])
    assert (memory.memory.asked, memory.memory.repeated) == (4, 3)


@given(st.lists(st.lists(st.integers(0, 5), max_size=8), max_size=6))
def test_any_sequence_of_batches_gets_the_answers_of_the_world(batches: list[list[int]]) -> None:
    world = Recording(WORLD)
    memory = remembering(world)
    for places in batches:
        assert memory(SAMPLES[places]).tobytes() == WORLD(SAMPLES[places]).tobytes()
    assert memory.memory.asked == sum(map(len, world.asked)) == len({place for places in batches for place in places})
    assert memory.memory.asked + memory.memory.repeated == sum(map(len, batches))


def test_no_samples_get_no_scores_and_ask_nothing() -> None:
    world = Recording(WORLD)
    assert remembering(world)(SAMPLES[:0]).shape == (0, 3)
    assert world.asked == []


@pytest.mark.parametrize("kernels", ["xnnpack", "builtin", "reference"])
@pytest.mark.parametrize("name", ["image_int8", "image_uint8", "image_int16", "fixed_batch_int8", "series_int8"])
def test_a_plan_gets_equal_answers_with_and_without_memory(name: str, kernels: str, tmp_path: Path) -> None:
    subject = open_predictor(golden(name, kernels=kernels))
    samples, axes = random_samples(subject, 2), len(subject.spec.sample) - 1
    plan = Windows(subject.spec.sample[:-1], (3,) * axes, (1,) * axes, (0,) * axes)
    known = ask(subject, samples, plan)
    for _ in range(2):
        memory = Memory.resumed(subject.spec, tmp_path / "one.log")
        assert ask(remembered(subject, memory), samples, plan).tobytes() == known.tobytes()
    assert memory.asked == 0


def test_samples_with_the_same_codes_are_one_question() -> None:
    world = Recording(WORLD)
    memory = remembering(world, replace(SPEC, input=Affine(0.5, 3, "int8")))
    near = np.stack([np.full((4, 3, 1), value, np.float32) for value in (1.0, 1.2, 0.76, 1.3)])  # codes 5, 5, 5, 6
    assert np.array_equal(memory(near), WORLD(near[[0, 0, 0, 3]]))
    assert np.array_equal(np.concatenate(world.asked), near[[0, 3]])


def test_one_other_code_is_another_question() -> None:
    world = Recording(WORLD)
    memory = remembering(world, replace(SPEC, input=Affine(0.5, 3, "int8")))
    samples = np.zeros((13, 4, 3, 1), np.float32)
    samples[range(1, 13), *np.unravel_index(range(12), (4, 3, 1))] = 0.5
    memory(samples)
    assert memory.memory.asked == 13


def test_without_an_encoding_the_smallest_difference_is_another_question() -> None:
    memory = remembering(WORLD)
    memory(np.stack([SAMPLES[0], np.nextafter(SAMPLES[0], np.float32(9))]))
    assert memory.memory.asked == 2


def test_writing_to_an_answer_does_not_change_what_is_remembered() -> None:
    memory = remembering(WORLD)
    memory(SAMPLES)[:] = 7
    assert np.array_equal(memory(SAMPLES), WORLD(SAMPLES))


@pytest.mark.parametrize(
    "scores",
    [np.zeros((2, 3), np.float32), np.zeros((6, 4), np.float32), np.zeros((6, 3))],
    ids=["too few", "another K", "float64"],
)
def test_scores_that_break_the_promises_are_neither_remembered_nor_written(scores: Any, tmp_path: Path) -> None:
    memory, _ = resumed(tmp_path / "one.log", inner=lambda _: scores)
    with pytest.raises(ContractError, match=r"expected float32 of shape \(6, 3\)"):
        memory(SAMPLES)
    assert memory.memory.known == {}
    assert (tmp_path / "one.log").stat().st_size == HEADER


def test_a_journal_goes_on_where_it_stopped(tmp_path: Path) -> None:
    first, _ = resumed(tmp_path / "deep" / "one.log")
    first(SAMPLES[:4])
    second, world = resumed(tmp_path / "deep" / "one.log")
    assert np.array_equal(second(SAMPLES), WORLD(SAMPLES))
    assert np.array_equal(np.concatenate(world.asked), SAMPLES[4:])
    assert (second.memory.asked, second.memory.repeated) == (2, 4)
    third, world = resumed(tmp_path / "deep" / "one.log")
    assert third(SAMPLES).tobytes() == WORLD(SAMPLES).tobytes()
    assert world.asked == []


def test_scores_come_back_bit_for_bit(tmp_path: Path) -> None:
    odd = np.array([0x7FC00123, 0x80000000, 0x00000001], np.uint32).view(np.float32)  # a marked NaN, -0, the smallest
    for _ in range(2):
        memory, _ = resumed(tmp_path / "one.log", inner=lambda batch: np.tile(odd, (len(batch), 1)))
        assert memory(SAMPLES[:1]).tobytes() == odd.tobytes()
    assert memory.memory.asked == 0


def test_a_batch_is_on_disk_before_it_is_answered_and_outlives_a_failure_of_the_next(tmp_path: Path) -> None:
    answers = iter([WORLD(SAMPLES[:3])])
    memory, _ = resumed(tmp_path / "one.log", inner=lambda _: next(answers))
    memory(SAMPLES[:3])
    assert (tmp_path / "one.log").stat().st_size == HEADER + 3 * ENTRY
    with pytest.raises(StopIteration):
        memory(SAMPLES)
    assert (tmp_path / "one.log").read_bytes() == journal()[: HEADER + 3 * ENTRY]


def test_a_file_cut_off_at_any_byte_loses_what_was_cut_and_nothing_else() -> None:
    for left in range(len(journal()) + 1):
        whole = max(0, left - HEADER) // ENTRY
        assert after(journal()[:left]) == (4 - whole, True)


@given(st.integers(HEADER, len(journal()) - 1), st.integers(1, 255))
def test_a_damaged_entry_ends_the_journal_there(at: int, flip: int) -> None:
    spoiled = bytearray(journal())
    spoiled[at] ^= flip
    assert after(bytes(spoiled)) == (4 - (at - HEADER) // ENTRY, True)


@given(st.integers(0, HEADER - 1), st.integers(1, 255))
def test_a_damaged_header_is_refused(at: int, flip: int) -> None:
    spoiled = bytearray(journal())
    spoiled[at] ^= flip
    with pytest.raises(InputError, match=r"one\.log: .*, expected a journal of version 1 of .*; move it away"):
        after(bytes(spoiled))


@pytest.mark.parametrize("lost", [ENTRY, 100 * ENTRY, 4096], ids=["an entry", "many", "a page"])
def test_zeros_that_a_power_cut_leaves_are_no_entries(lost: int) -> None:
    assert after(journal() + bytes(lost)) == (0, True)


def test_entries_of_another_rung_are_not_taken_for_ones_of_this(tmp_path: Path) -> None:
    spec = replace(SPEC, rung=OTHERS["kernels"])
    memory, _ = resumed(tmp_path / "other.log", spec, inner=Constant((1, 2, 3)))
    memory(SAMPLES[:4])
    foreign = (tmp_path / "other.log").read_bytes()[len(header_of(spec)) :]
    assert after(journal()[:HEADER] + foreign) == (4, True)


@pytest.mark.parametrize("field", OTHERS)
def test_a_journal_of_another_rung_is_refused_and_left_as_it_is(field: str, tmp_path: Path) -> None:
    (tmp_path / "one.log").write_bytes(journal())
    with pytest.raises(InputError) as refused:
        resumed(tmp_path / "one.log", replace(SPEC, rung=OTHERS[field]))
    found, expected = str(refused.value).split(", expected ")
    for rung, sentence in ((RUNG, found), (OTHERS[field], expected)):
        assert all(name in sentence for name in (rung.artifact.sha256, rung.runtime, rung.kernels, rung.machine))
    assert "move it away or choose another folder" in expected
    assert (tmp_path / "one.log").read_bytes() == journal()


def test_a_journal_with_another_number_of_scores_is_refused(tmp_path: Path) -> None:
    (tmp_path / "one.log").write_bytes(journal())
    with pytest.raises(InputError, match=r'"scores": 3\}, expected .* "scores": 4\}'):
        resumed(tmp_path / "one.log", replace(SPEC, classes=4))


def test_a_journal_of_another_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one.log").write_bytes(journal())
    monkeypatch.setattr("samewhy_edge.journal.VERSION", 2)
    with pytest.raises(InputError, match="a journal of version 1, expected a journal of version 2 of"):
        resumed(tmp_path / "one.log")


@pytest.mark.parametrize("content", [b"x", b"\x89PNG\r\n\x1a\n" + bytes(400)], ids=["short", "picture"])
def test_a_file_of_another_kind_is_refused_and_left_as_it_is(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "one.log").write_bytes(content)
    with pytest.raises(InputError, match=r"one\.log: no journal, expected a journal of version 1"):
        resumed(tmp_path / "one.log")
    assert (tmp_path / "one.log").read_bytes() == content


def test_each_rung_and_number_of_scores_has_its_own_file_name() -> None:
    others = [replace(SPEC, rung=rung) for rung in OTHERS.values()] + [replace(SPEC, classes=4)]
    assert len({name_of(spec) for spec in (SPEC, *others)}) == 6
    assert name_of(SPEC) == name_of(Spec((4, 3, 1), 3, Rung(RUNG.artifact, "made-up 1.0", "none", "nowhere")))


@pytest.mark.parametrize(("sync", "waits"), [(False, 0), (True, 2)], ids=["by default not", "where asked"])
def test_each_batch_waits_for_the_disk(sync: bool, waits: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory, _ = resumed(tmp_path / "one.log", sync=sync)
    sizes: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda file: sizes.append(os.fstat(file).st_size))
    memory(SAMPLES[:3])
    memory(SAMPLES[:4])
    assert sizes == [HEADER + 3 * ENTRY, HEADER + 4 * ENTRY][:waits]


CODING = Affine(0.5, 3, "int8")
INTEGER = replace(SPEC, input=CODING)


def of_codes(codes: Any) -> Scores:
    """The world behind its encoding."""
    return WORLD(CODING.decode(codes))


def test_both_doors_share_one_key_for_an_input(tmp_path: Path) -> None:
    samples = Recording(WORLD)
    codes: Any = Recording(of_codes)
    exact = CODING.decode(CODING.encode(4 * SAMPLES))
    memory = Memory.resumed(INTEGER, tmp_path / "one.log")
    both = remembered(Subject(INTEGER, samples, codes), memory)
    assert both.coded
    assert np.array_equal(both.ask(exact[:3]), WORLD(exact[:3]))
    assert np.array_equal(both.coded(CODING.encode(exact[:4])), WORLD(exact[:4]))
    assert np.array_equal(both.ask(exact[:5]), WORLD(exact[:5]))
    assert samples.asked == []  # what is encoded for its key is not encoded again to be asked
    assert [len(batch) for batch in codes.asked] == [3, 1, 1]
    assert (memory.asked, memory.repeated) == (5, 7)
    alone = Memory.resumed(INTEGER, tmp_path / "one.log")  # what one door wrote, a subject with the other knows
    only = remembered(Subject(INTEGER, samples), alone)
    assert only.coded is None
    assert np.array_equal(only.ask(exact[:5]), WORLD(exact[:5]))
    assert (alone.asked, alone.repeated) == (0, 5)


def test_masked_samples_are_encoded_once_and_only_by_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[int] = []
    encode = Affine.encode

    def noting(self: Affine, values: Samples) -> Codes:
        encoded.append(len(values))
        return encode(self, values)

    subject = remembered(Subject(INTEGER, WORLD, of_codes), Memory(INTEGER))
    plan = RandomGrids((4, 3), 40, 2, 0.5, (0, 0))
    known = ask(Subject(INTEGER, WORLD, of_codes), SAMPLES, plan)
    monkeypatch.setattr("samewhy_edge.blend.PAYS", 2**60)  # by numpy, whatever was done before
    monkeypatch.setattr(Affine, "encode", noting)
    assert np.array_equal(ask(subject, SAMPLES, plan), known)
    # each sample and each background once, and every masked sample once on its way to codes
    assert sum(encoded) == 2 * len(SAMPLES) + 40 * len(SAMPLES)


def test_a_subject_without_codes_refuses_them() -> None:
    with pytest.raises(InputError, match=r"made-up 1\.0 takes samples, not codes; ask it by samples"):
        remembering(WORLD, INTEGER).coded(CODING.encode(SAMPLES))


@final
@dataclass
class Slow:
    """A world that takes a while, and fails as often as it is told to."""

    failures: int = 0
    given: list[bytes] = field(default_factory=list)
    turn: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, samples: Samples, /) -> Scores:
        time.sleep(0.002)
        with self.turn:
            if self.failures:
                self.failures -= 1
                raise RuntimeError("it broke")
            self.given += [one.tobytes() for one in samples]
        return WORLD(samples)


def in_threads(count: int, work: Callable[[int], object]) -> list[BaseException | None]:
    """Run work at the same time; what each raised. None may hang."""
    with ThreadPoolExecutor(count) as pool:
        futures = [pool.submit(work, number) for number in range(count)]
        return [future.exception(timeout=60) for future in futures]


def test_threads_ask_nothing_twice_and_count_exactly(tmp_path: Path) -> None:
    worlds, path = [Slow() for _ in range(6)], tmp_path / "one.log"
    many = np.random.default_rng(2).normal(size=(40, 4, 3, 1)).astype(np.float32)
    memory = Memory.resumed(SPEC, path)

    def work(number: int) -> None:
        drawn = np.random.default_rng(number)
        mine = remembered(Subject(SPEC, worlds[number]), memory)
        for _ in range(20):
            places = drawn.integers(0, 40, 8)
            assert mine.ask(many[places]).tobytes() == WORLD(many[places]).tobytes()

    assert in_threads(6, work) == [None] * 6
    given = [key for world in worlds for key in world.given]
    assert len(given) == len(set(given)) == memory.asked
    assert memory.asked + memory.repeated == 6 * 20 * 8
    assert path.stat().st_size == HEADER + len(given) * ENTRY
    assert Memory.resumed(SPEC, path).known == memory.known


def test_a_waiter_takes_over_what_a_failing_thread_had_asked() -> None:
    world, memory, begun = Slow(failures=3), Memory(SPEC), threading.Barrier(5)

    def work(_: int) -> None:
        begun.wait(20)
        assert np.array_equal(remembered(Subject(SPEC, world), memory).ask(SAMPLES), WORLD(SAMPLES))

    raised = in_threads(5, work)
    assert sorted(map(repr, raised)) == ["None"] * 2 + ["RuntimeError('it broke')"] * 3
    assert len(world.given) == len(SAMPLES)
    assert (memory.asked, memory.repeated) == (6, 6)


def test_an_answer_on_its_way_is_awaited_and_the_rest_is_asked_meanwhile() -> None:
    memory, entered, leave = Memory(SPEC), threading.Event(), threading.Event()
    second = Recording(WORLD)

    def held(samples: Samples) -> Scores:
        entered.set()
        assert leave.wait(20)
        return WORLD(samples)

    def letting(samples: Samples) -> Scores:
        leave.set()
        return second(samples)

    def work(number: int) -> None:
        if number == 0:
            remembered(Subject(SPEC, held), memory).ask(SAMPLES[:3])
            return
        assert entered.wait(20)
        given = remembered(Subject(SPEC, letting), memory).ask(SAMPLES[1:5])
        assert np.array_equal(given, WORLD(SAMPLES[1:5]))

    assert in_threads(2, work) == [None] * 2
    (batch,) = second.asked
    assert np.array_equal(batch, SAMPLES[3:5])
    assert (memory.asked, memory.repeated) == (5, 2)


def test_a_folder_that_cannot_be_made_is_found_before_anything_is_asked(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"one\.log: cannot be written \(Not a directory\); choose another --out"):
        resumed(tmp_path / "file" / "one.log")


def test_a_folder_in_the_place_of_the_journal_is_found(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot be written \(Is a directory\)"):
        resumed(tmp_path)


def test_a_journal_that_can_no_longer_be_written_gives_no_answer_that_would_be_lost(tmp_path: Path) -> None:
    memory, _ = resumed(tmp_path / "one.log")
    (tmp_path / "one.log").unlink()
    (tmp_path / "one.log").mkdir()
    with pytest.raises(OutputError, match=r"one\.log: cannot be written \(Is a directory\); choose another --out"):
        memory(SAMPLES)
    assert memory.memory.known == {}


# The command line in a process of its own, which notes the size of each batch that the interpreter is asked.
NOTING = """
import sys, time
from samewhy_edge import cli, litert
notes, pause, sys.argv[1:] = sys.argv[1], float(sys.argv[2]), sys.argv[3:]
answer = litert.LiteRT.coded  # both doors lead here
def noting(self, codes):
    with open(notes, "a") as file:
        file.write(f"{len(codes)}\\n")
    time.sleep(pause)
    return answer(self, codes)
litert.LiteRT.coded = noting
cli.main()
"""
REFERENCE = golden("image_int8", kernels="reference")


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., list[str]]:
    """The words of a noted `samewhy explain` of 12 samples into a folder."""
    np.save(tmp_path / "in.npy", random_samples(open_predictor(REFERENCE), 12))

    def words(out: str, pause: float = 0) -> list[str]:
        noting = [sys.executable, "-c", NOTING, str(tmp_path / f"{out}.txt"), str(pause)]
        return [*noting, "explain", REFERENCE, "--input", str(tmp_path / "in.npy"), "--out", str(tmp_path / out)]

    return words


def finished(command: list[str]) -> tuple[int, int]:
    """The numbers of the closing line: asked now, remembered or repeated."""
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    numbers = re.fullmatch(r"([\d,]+) queries asked now, ([\d,]+) remembered or repeated", done.stdout.splitlines()[-1])
    assert numbers
    return int(numbers[1].replace(",", "")), int(numbers[2].replace(",", ""))


def killed(command: list[str], log: Path, size: int) -> None:
    """Start a command and kill it once its journal has grown to `size`."""
    until = time.monotonic() + 60
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while (not log.exists() or log.stat().st_size < size) and process.poll() is None and time.monotonic() < until:
            time.sleep(0.002)
        process.kill()
    assert process.returncode == -signal.SIGKILL


def noted(path: Path) -> list[int]:
    return [int(line) for line in path.read_text().split()]


def maps(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("records/*.npz")}


def test_a_killed_explanation_goes_on_and_ends_like_one_that_was_not(
    command: Callable[..., list[str]], tmp_path: Path
) -> None:
    every, _ = finished(command("whole"))
    log = tmp_path / "killed" / "journal" / name_of(open_predictor(REFERENCE).spec)
    for size in (1_000, every // 2 * ENTRY):  # early, and among the masks of a later explainer
        killed(command("killed", pause=0.01), log, size)
    again, known = finished(command("killed"))
    assert 0 < again < every
    assert again + known == 12 * (1 + sum(len(explainer.plan((8, 8, 1), 0)) for explainer in DEFAULTS))
    batches = noted(tmp_path / "killed.txt")
    in_flight = (os.cpu_count() or 1) * max(batches)  # a batch an interpreter, each of the two times it was killed
    assert sum(batches) <= every + 2 * in_flight
    assert maps(tmp_path / "killed") == maps(tmp_path / "whole")
    assert set(maps(tmp_path / "killed")) == {f"{explainer.name}.npz" for explainer in DEFAULTS}


def test_the_same_explanation_again_asks_nothing(command: Callable[..., list[str]], tmp_path: Path) -> None:
    every, repeated = finished(command("out"))
    first, batches = maps(tmp_path / "out"), noted(tmp_path / "out.txt")
    assert sum(batches) == every
    assert finished(command("out")) == (0, every + repeated)
    assert (maps(tmp_path / "out"), noted(tmp_path / "out.txt")) == (first, batches)


def test_a_journal_folder_that_cannot_be_made_is_one_sentence_and_exit_code_two(
    command: Callable[..., list[str]], tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "journal").touch()
    done = subprocess.run(command("out"), capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 2
    (said,) = [line for line in done.stderr.splitlines() if line.startswith("samewhy: ")]
    assert "cannot be written (Not a directory); choose another --out" in said
    assert not (tmp_path / "out.txt").exists()
