import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from distributed import LocalCluster

from samewhy_edge.errors import ExtraError, InputError, WorkerError
from samewhy_edge.explain import Explainer
from samewhy_edge.features import Superpixels
from samewhy_edge.fill import Background
from samewhy_edge.hierarchy import Hierarchy
from samewhy_edge.lime import Lime
from samewhy_edge.predictor import open_predictor
from samewhy_edge.rise import Rise
from samewhy_host import asking, cli, crew, dask_crew, dask_worker
from samewhy_host.asking import Rungs
from samewhy_host.crew import Crew, Job, Located, Piece, Threads, Tools, found
from samewhy_host.dask_crew import Dask, connected
from samewhy_host.data.dataset import Split
from samewhy_host.manifest import Step
from samewhy_host.module_file import save_module
from samewhy_host.run import Run, ask_all, audited
from samewhy_host.show import Show
from samewhy_host.steps import Steps
from samewhy_host.study import read_study
from tests.host import small
from tests.host.end_to_end import samewhy, start
from tests.host.works import Asking, Claiming, Counting, Failing, Needy, Waiting
from tests.worlds import additive, subject

SAMPLES = small.noise(7, 8, 8, 1)
Process = subprocess.Popen[bytes]
ROOT = Path(__file__).parents[2]
PATIENCE = 90  # seconds that a test waits for what must happen

pytestmark = pytest.mark.slow


def cluster_of(workers: int) -> LocalCluster:
    """A scheduler in this process, and workers of one thread each in processes of their own."""
    two = {f"{name}_NUM_THREADS": "2" for name in ("OMP", "MKL", "OPENBLAS")}  # sums must not depend on it
    quiet: dict[str, Any] = {"dashboard_address": ":0", "silence_logs": logging.CRITICAL}
    return LocalCluster(n_workers=workers, threads_per_worker=1, env=two, **quiet)


@pytest.fixture(autouse=True, scope="module")
def as_workers_do() -> Iterator[None]:
    """Torch answers here with the kernels that it has in a worker, which knows nothing of this suite's settings."""
    before = torch.backends.mkldnn.enabled
    torch.backends.mkldnn.enabled = True  # type: ignore[assignment]  # torch types its switch as a property
    yield
    torch.backends.mkldnn.enabled = before


@pytest.fixture(scope="module")
def workers() -> Iterator[LocalCluster]:
    """Two worker processes of one thread each, which stand in another folder than tests do."""
    with cluster_of(2) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def dask(workers: LocalCluster) -> Iterator[Dask]:
    with connected(workers.scheduler_address) as crew:
        yield crew


@pytest.fixture
def rung(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Located:
    """A rung whose address only this process can follow."""
    monkeypatch.chdir(tmp_path)
    Path("a.onnx").write_bytes(small.onnx_bytes(["N", 1, 8, 8], small.noise(64, 3)))
    return Located("onnx", "onnx:a.onnx?threads=1", open_predictor("onnx:a.onnx").spec.rung)


def piece(rung: Located, work: crew.Work, name: str = "a", queries: int = 7) -> Piece:
    return Piece(f"ask-{rung.name}", "a bar", queries, rung, work, {"name": name}, ())


def jobs(*pieces: Piece) -> list[Job]:
    return [Job(one, Path("unused")) for one in pieces]


def tools(folder: Path, who: Crew, show: Show | None = None) -> Tools:
    return Tools(Steps(folder / "steps"), who, show or Show())


@contextmanager
def scheduler(folder: Path, workers: int = 0, modules: Path = ROOT) -> Iterator[tuple[str, list[Process]]]:
    """The address of a scheduler, and its process and those of its workers, which have one thread each."""
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
    quiet["env"] = {**os.environ, "PYTHONPATH": str(modules)}
    command = [sys.executable, "-m", "dask"]
    processes: list[Process] = []
    with ExitStack() as stack:

        def begin(*words: str) -> None:
            process = stack.enter_context(subprocess.Popen([*command, *words, "--no-dashboard"], **quiet))
            stack.callback(process.kill)
            processes.append(process)

        known = folder / "scheduler.json"
        begin("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(known))
        address = json.loads(until(lambda: known.exists() and known.read_text()))["address"]
        for _ in range(workers):
            begin("worker", address, "--nthreads", "1", "--no-nanny")
        yield address, processes


def until(seen: Callable[[], Any]) -> Any:
    """Waits for something, in vain only for so long."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if value := seen():
            return value
        time.sleep(0.02)
    raise AssertionError("waited in vain")


def notes(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def test_pieces_are_done_elsewhere_with_the_same_result(rung: Located, dask: Dask, tmp_path: Path) -> None:
    pieces = [piece(rung, Asking(SAMPLES + np.float32(place)), str(place)) for place in range(12)]
    given = found(pieces, tools(tmp_path, dask))
    for place, one in enumerate(given):
        assert one["scores"].tobytes() == open_predictor(rung.address)(SAMPLES + np.float32(place)).tobytes()
        assert one["process"] != os.getpid()
    assert len({int(one["process"]) for one in given}) == 2


def everything(folder: Path, who: Crew) -> tuple[Any, ...]:
    """Test scores and answers of two rungs: masks of all samples and of each, backgrounds of a file, adaptive ones."""
    folder.mkdir(exist_ok=True)
    recipe = small.ds_cnn()
    save_module(folder / "a.pt", recipe, small.network(recipe))
    (folder / "b.onnx").write_bytes(small.onnx_bytes(["N", 1, 8, 8], small.noise(64, 3)))
    np.save(folder / "dark.npy", small.noise(7, 8, 8, 1, seed=4))
    np.save(folder / "parts.npy", np.arange(7)[:, None, None] % 3 + np.arange(64).reshape(8, 8) // 8)
    own, parts = Background(str(folder / "dark.npy")), Superpixels(str(folder / "parts.npy"))
    explainers: list[Explainer] = [Rise(queries=50, grid=4, fill=own), Lime(queries=40, features=parts), Hierarchy(20)]
    rungs = Rungs(folder, (Step("float", "torch:a.pt"), Step("onnx", "onnx:b.onnx")))
    subjects = [open_predictor(rungs.address(place)) for place in range(2)]
    run = Run(small.study_file(folder), folder, Show(), who)
    scores = asking.test_scores(rungs, subjects, SAMPLES, run.tools)
    split = Split(SAMPLES, np.zeros(7, np.int64), tuple("abcdefg"))
    return scores, *ask_all(run, rungs, subjects, split, explainers, scores[0].argmax(axis=1))


def test_all_questions_of_a_study_are_answered_byte_by_byte_as_by_threads(
    dask: Dask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "QUERIES", 128)  # two or three samples a piece
    monkeypatch.setattr(asking, "TESTED", 4)
    (ours, here, moved, _), (theirs, there, other, _) = (
        everything(tmp_path / name, who) for name, who in (("here", Threads()), ("there", dask))
    )
    assert [one.tobytes() for one in ours] == [one.tobytes() for one in theirs]
    for row, again in zip(here, there, strict=True):
        assert {name: one.answers.tobytes() for name, one in row.items()} == {
            name: one.answers.tobytes() for name, one in again.items()
        }
    assert {name: one[1].answers.tobytes() for name, one in moved.items()} == {
        name: one[1].answers.tobytes() for name, one in other.items()
    }
    names = [sorted(path.name for path in (tmp_path / name / "steps").iterdir()) for name in ("here", "there")]
    assert names[0] == names[1]  # who did a step is no part of it: each crew goes on from the other's
    assert len([name for name in names[0] if name.startswith("ask-onnx")]) > 4


def test_sums_are_not_shared_among_threads_elsewhere(rung: Located, dask: Dask, tmp_path: Path) -> None:
    (given,) = found([piece(rung, Counting())], tools(tmp_path, dask))
    assert set(given["threads"]) == {1}


def test_a_worker_that_is_killed_loses_nothing(rung: Located, dask: Dask, tmp_path: Path) -> None:
    log, go = tmp_path / "notes.txt", tmp_path / "go"
    pieces = [piece(rung, Waiting(str(log), str(go)), "waits"), piece(rung, Asking(SAMPLES), "asks")]
    killed: list[int] = []

    def kill() -> None:
        begun = until(lambda: notes(log))
        killed.append(int(begun[0].split()[1]))
        os.kill(killed[0], signal.SIGKILL)
        until(lambda: len(notes(log)) > 1)
        go.touch()

    helper = threading.Thread(target=kill)
    helper.start()
    waited, asked = found(pieces, tools(tmp_path, dask))
    helper.join()
    assert int(waited["process"]) not in (killed[0], os.getpid())
    assert asked["scores"].tobytes() == open_predictor(rung.address)(SAMPLES).tobytes()


def test_what_nobody_waits_for_is_stopped_and_taken_away(
    rung: Located, dask: Dask, workers: LocalCluster, tmp_path: Path
) -> None:
    log = tmp_path / "notes.txt"
    pieces = piece(rung, Waiting(str(log), str(tmp_path / "never"))), piece(rung, Failing(str(log)))
    with (
        closing(dask.each(jobs(*pieces), lambda *_: None)) as given,
        pytest.raises(InputError, match=r"worker tcp://.*: it broke"),
    ):
        list(given)
    assert until(lambda: "stopped" in notes(log))
    assert found([piece(rung, Asking(SAMPLES), "again")], tools(tmp_path, dask))  # the workers are free again
    left = dask.client.run(lambda dask_worker: [name for name in dask_worker.plugins if "samewhy" in name])
    assert list(left.values()) == [[], []]
    kept = dask.client.run(lambda dask_worker: [str(one) for one in Path(dask_worker.local_directory).glob("samewhy*")])
    assert list(kept.values()) == [[], []]


def test_how_far_a_piece_is_comes_from_its_worker(rung: Located, dask: Dask, tmp_path: Path) -> None:
    heard: list[tuple[int, int]] = []
    go = tmp_path / "go"

    def told(number: int, count: int) -> None:
        heard.append((number, count))
        if len(heard) == 2:
            go.touch()

    given = list(dask.each(jobs(piece(rung, Waiting(str(tmp_path / "notes.txt"), str(go)))), told))
    assert [number for number, _ in given] == [0]
    assert 0 < heard[0][1] < heard[1][1]


def test_what_a_worker_does_not_have_is_named(rung: Located, dask: Dask, tmp_path: Path) -> None:
    with pytest.raises(ExtraError, match=r"worker tcp://.*: needs no_such_package, which is not installed there"):
        found([piece(rung, Needy())], tools(tmp_path, dask))


def test_a_worker_with_another_rung_is_refused(rung: Located, dask: Dask, tmp_path: Path) -> None:
    other = replace(rung, rung=replace(rung.rung, machine="armv7l Raspberry Pi"))
    with pytest.raises(WorkerError, match=r"worker tcp://.*rung onnx is another one .*expected armv7l Raspberry Pi"):
        found([piece(other, Asking(SAMPLES))], tools(tmp_path, dask))
    assert not list(tmp_path.rglob("found.npz"))


def test_a_worker_that_joins_with_another_numpy_is_refused(
    rung: Located, dask: Dask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_crew, "about", lambda: {**dask_worker.about(), "numpy": "0.1"})
    with pytest.raises(WorkerError, match=r"worker tcp://.*: found numpy .*, expected 0\.1\. Answers are equal only"):
        found([piece(rung, Asking(SAMPLES))], tools(tmp_path, dask))


def test_unlike_workers_are_refused_before_any_work(workers: LocalCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_crew, "about", Claiming(dask_worker.about(), os.getpid()))
    with (
        pytest.raises(WorkerError, match=r"^worker tcp://.*: found samewhy 0\.1\.0 .*, expected 9\.9\. Answers are"),
        connected(workers.scheduler_address),
    ):
        pass


def test_an_unlike_scheduler_is_refused_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_crew, "installed", Claiming(dask_worker.installed(), os.getpid()))
    with (
        scheduler(tmp_path) as (address, _),
        pytest.raises(WorkerError, match=r"^scheduler tcp://.*: found samewhy 0\.1\.0 .*, expected 9\.9\. Answers are"),
        connected(address),
    ):
        pass


def test_a_scheduler_without_what_is_installed_here_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_crew, "installed", Claiming({}, 0))  # which lies in a module of these tests
    with (
        scheduler(tmp_path, modules=tmp_path) as (address, _),
        pytest.raises(ExtraError, match=r"^scheduler tcp://.*: needs tests, which is not installed there; install"),
        connected(address),
    ):
        pass


def test_an_artifact_that_changed_since_it_was_opened_is_refused(rung: Located, dask: Dask, tmp_path: Path) -> None:
    Path("a.onnx").write_bytes(small.onnx_bytes(["N", 1, 8, 8], small.noise(64, 3, seed=9)))
    with pytest.raises(WorkerError, match="rung onnx is another one where it should be asked: artifact"):
        found([piece(rung, Asking(SAMPLES))], tools(tmp_path, dask))


def test_a_rung_that_no_file_holds_is_asked_here(
    rung: Located, dask: Dask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = subject(additive(8, 8, 1, seed=1), (8, 8, 1), 3)
    monkeypatch.setattr(crew, "open_predictor", lambda _: world)
    board = Located("board", "board:/dev/ttyACM0", world.spec.rung)
    pieces = [piece(board, Asking(SAMPLES)), piece(rung, Asking(SAMPLES))]
    here, there = found(pieces, tools(tmp_path, dask))
    assert here["process"] == os.getpid() != there["process"]
    assert here["scores"].tobytes() == world(SAMPLES).tobytes()


def test_nothing_is_sent_where_nothing_is_left_to_do(rung: Located, dask: Dask, tmp_path: Path) -> None:
    done = found([piece(rung, Asking(SAMPLES))], tools(tmp_path, Threads()))
    again = found([piece(rung, Asking(SAMPLES))], tools(tmp_path, dask))
    assert again[0]["process"] == done[0]["process"] == os.getpid()


def test_nobody_at_the_address_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_crew, "CONNECT", 0.5)
    known = {
        "tcp://127.0.0.1:1": "Timed out",
        "tcp://127.0.0.1:1x": "invalid literal",
        "nowhere://x:1": "unknown address scheme",
        "10.0.0.1": "Must include protocol",
        "tls://127.0.0.1:1": "no certificates in Dask's configuration",
    }
    for address, why in known.items():
        expected = rf"--scheduler {address}: .*{why}.*such as tcp://host:8786"
        with pytest.raises(WorkerError, match=expected), connected(address):
            pass


def test_a_scheduler_without_workers_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_crew, "PATIENCE", 0.5)
    with (
        cluster_of(0) as cluster,
        pytest.raises(WorkerError, match="has had no workers for 0 s; finished pieces are kept, start workers"),
        connected(cluster.scheduler_address),
    ):
        pass


def test_a_lost_scheduler_is_told_and_what_was_found_is_kept(rung: Located, tmp_path: Path) -> None:
    log = tmp_path / "notes.txt"
    waits, asks = piece(rung, Waiting(str(log), str(tmp_path / "never")), "waits"), piece(rung, Asking(SAMPLES), "asks")
    with (
        cluster_of(2) as cluster,
        connected(cluster.scheduler_address) as who,
    ):

        def stop() -> None:
            until(lambda: notes(log) and list(tmp_path.glob("steps/*/found.npz")))
            cluster.close()

        helper = threading.Thread(target=stop)
        helper.start()
        with pytest.raises(WorkerError, match=r"lost the scheduler tcp://.*finished pieces are kept"):
            found([waits, asks], tools(tmp_path, who))
        helper.join()
        with pytest.raises(WorkerError, match="lost the scheduler"):
            found([waits], tools(tmp_path, who))
        assert found([asks], tools(tmp_path, who))
    (kept,) = found([asks], tools(tmp_path, Threads()))
    assert kept["process"] != os.getpid()


def test_workers_that_all_go_are_waited_for_and_then_told(rung: Located, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(dask_crew, "PATIENCE", 2.0)
    log = tmp_path / "notes.txt"
    with (
        cluster_of(1) as cluster,
        connected(cluster.scheduler_address) as who,
    ):
        helper = threading.Thread(target=lambda: (until(lambda: notes(log)), cluster.scale(0)))
        helper.start()
        with pytest.raises(WorkerError, match="has had no workers for 2 s"):
            found([piece(rung, Waiting(str(log), str(tmp_path / "never")))], tools(tmp_path, who))
        helper.join()


def test_a_missing_extra_is_told_with_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "find_spec", lambda name: None)
    with pytest.raises(ExtraError, match=r"pip install 'samewhy\[dask\]'"), cli.hired("tcp://127.0.0.1:8786"):
        pass


STUDY = f"""
[study]
question = "Do many find what one finds?"

[data]
source = "npz"
path = "noise.npz"
classes = {[str(label) for label in range(10)]}
calibration = 10

[model]
float_tflite = "{ROOT}/models/fashion_ds_cnn/float.tflite"
int8_tflite = "{ROOT}/models/fashion_ds_cnn/int8.tflite"

[[explain]]
method = "rise"
queries = 64

[[explain]]
method = "hierarchy"
queries = 10
fill = "mean"

[faithfulness]
measures = ["deletion"]

[audit]
samples = 5
resamples = 100

[[rung]]
name = "onnx"
address = "onnx:{ROOT}/models/fashion_ds_cnn/model.onnx"
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Noise, shown to real networks."""
    rng = np.random.default_rng(0)
    arrays = {}
    for name, count in (("train", 30), ("test", 20)):
        arrays[f"{name}_samples"] = rng.integers(0, 256, (count, 28, 28, 1), dtype=np.uint8)
        arrays[f"{name}_labels"] = np.arange(count) % 10
    np.savez(tmp_path / "noise.npz", **arrays)  # type: ignore[arg-type]  # numpy types the flag and the arrays alike
    (tmp_path / "study.toml").write_text(STUDY)
    return tmp_path / "study.toml"


def results(folder: Path) -> dict[str, Any]:
    """What must be equal: the audit, and the records without the seconds that they took."""
    found: dict[str, Any] = {path.name: path.read_bytes() for path in (folder / "records").glob("*.npz")}
    for path in (folder / "records").glob("*.json"):
        found[path.name] = {**json.loads(path.read_text()), "seconds": None}
    return {**found, "audit.json": (folder / "audit.json").read_bytes()}


def test_a_study_ends_the_same_though_its_client_and_a_worker_are_killed(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "timings", lambda *_: {})  # differ anyway
    file, here, there = read_study(study), tmp_path / "here", tmp_path / "there"
    audited(Run(file, here, Show()))

    def asked() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in there.glob("steps/ask-*/found.npz")}

    with scheduler(tmp_path, workers=2) as (address, processes):
        with start("audit", study, "--out", there, "--scheduler", address) as client:
            before = until(asked)
            client.kill()
        assert client.returncode == -signal.SIGKILL
        assert not (there / "audit.json").exists()

        def kill() -> None:
            until(lambda: len(asked()) > len(before))
            processes[-1].kill()

        helper = threading.Thread(target=kill)
        helper.start()
        with connected(address) as who:
            audited(Run(file, there, Show(), who))
        helper.join()
        assert processes[-1].wait() == -signal.SIGKILL
    assert before.items() <= asked().items()
    assert results(here) == results(there)


def test_the_same_is_told_on_the_command_line(study: Path, tmp_path: Path) -> None:
    done = samewhy("study", study, "--out", tmp_path / "run", "--scheduler", "tcp://127.0.0.1:1x")
    assert done.returncode == 2
    assert "--scheduler tcp://127.0.0.1:1x: " in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run" / "steps").exists()
