import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samewhy_edge import cli, open_predictor
from samewhy_edge.explain import DEFAULTS, explain
from samewhy_edge.methods import read_methods
from samewhy_edge.record import load
from samewhy_edge.testing import random_samples
from tests.golden import FILES, golden

Outcome = tuple[int, str, str]  # exit code, standard output, standard error
INT8 = golden("image_int8")


@pytest.fixture
def samewhy(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Runs the command line in this process, with the verbs of this part alone."""
    points = {group: [one for one in entry_points(group=group) if own(one)] for group in (cli.VERBS, cli.STUDY_VERBS)}
    monkeypatch.setattr(cli, "entry_points", lambda group: points[group])

    def run(*words: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["samewhy", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        code = left.value.code
        return (code if isinstance(code, int) else 0, *capsys.readouterr())

    return run


def own(point: EntryPoint) -> bool:
    """Whether it is of the edge part."""
    return point.value.startswith("samewhy_edge.")


def images(count: int = 3) -> Any:
    return random_samples(open_predictor(INT8), count)


def saved(folder: Path, samples: Any, **arrays: Any) -> Path:
    np.savez(folder / "in.npz", samples=samples, **arrays)
    return folder / "in.npz"


def one_sentence(outcome: Outcome) -> str:
    """The sentence of an outcome that the user can mend."""
    code, _, said = outcome
    assert code == 2
    assert said.startswith("samewhy: ")
    assert said.count("\n") == 1
    return said


@pytest.mark.parametrize("name", ["image_float", "image_int8", "series_int8"])
def test_check_keeps_all_promises_of_a_good_file(samewhy: Callable[..., Outcome], name: str) -> None:
    code, said, _ = samewhy("check", golden(name))
    assert code == 0
    assert said.count("kept") == 7
    assert "BROKEN" not in said


def test_check_says_which_file_and_rung_was_asked(samewhy: Callable[..., Outcome]) -> None:
    spec = open_predictor(golden("image_int8", kernels="reference")).spec
    _, said, _ = samewhy("check", golden("image_int8", kernels="reference"))
    flat = " ".join(said.split())
    assert f"{spec.rung.artifact.bytes:,} bytes" in flat
    assert spec.rung.artifact.sha256[:16] in flat
    low, high = spec.input.span() if spec.input else (0.0, 0.0)
    assert f"input 8x8x1, int8 from {low:.4g} to {high:.4g} in steps of" in flat
    assert "output 3 scores, int8 from" in flat
    assert "reference kernels" in flat


def test_check_of_a_breaker_names_the_promise_and_exits_with_one(samewhy: Callable[..., Outcome]) -> None:
    code, said, _ = samewhy("check", golden("mixes_batch"))
    assert code == 1
    assert [line.split("  ")[0] for line in said.splitlines() if "BROKEN" in line] == ["the batch size changes nothing"]


def test_check_takes_the_samples_of_a_file(samewhy: Callable[..., Outcome], tmp_path: Path) -> None:
    assert samewhy("check", INT8, "--input", saved(tmp_path, images(1)))[0] == 0


def test_explain_leaves_a_record_an_explainer_and_a_picture(samewhy: Callable[..., Outcome], tmp_path: Path) -> None:
    source = saved(tmp_path, images(), targets=np.array([2, 0, 1]))
    code, said, _ = samewhy("explain", INT8, "--input", source, "--out", tmp_path / "out")
    assert code == 0
    assert "3 samples explained for classes 0, 1, 2" in " ".join(said.split())
    made = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.*"))
    assert [Path(name).parent.name for name in made[:1]] == ["journal"]
    assert made[1:] == [
        "maps.png",
        *(f"records/{name}{end}" for name in ("occlusion", "rise-pairs-informed") for end in (".json", ".npz")),
    ]


def test_explain_shows_how_many_queries_are_done(samewhy: Callable[..., Outcome], tmp_path: Path) -> None:
    _, _, said = samewhy("explain", INT8, "--input", saved(tmp_path, images()), "--out", tmp_path)
    assert "30/30" in said  # 3 samples, 3 x 3 windows and the whole sample
    assert "768/768" in said


def test_explain_gives_the_maps_of_the_library(samewhy: Callable[..., Outcome], tmp_path: Path) -> None:
    targets = np.array([2, 0, 1])
    samewhy("explain", INT8, "--input", saved(tmp_path, images(), targets=targets), "--out", tmp_path)
    for explainer in DEFAULTS:
        record, arrays = load(tmp_path / "records" / f"{explainer.name}.json")
        assert record.targets == (2, 0, 1)
        assert np.array_equal(arrays.maps, explain(open_predictor(INT8), images(), targets, explainer, seed=0))


def test_explain_without_targets_explains_the_highest_scores(samewhy: Callable[..., Outcome], tmp_path: Path) -> None:
    np.save(tmp_path / "in.npy", images())
    samewhy("explain", INT8, "--input", tmp_path / "in.npy", "--out", tmp_path)
    record, _ = load(tmp_path / "records" / "occlusion.json")
    assert record.targets == tuple(open_predictor(INT8)(images()).argmax(axis=1))


def test_explain_takes_a_series(samewhy: Callable[..., Outcome], tmp_path: Path) -> None:
    np.save(tmp_path / "in.npy", random_samples(open_predictor(golden("series_int8")), 2))
    assert samewhy("explain", golden("series_int8"), "--input", tmp_path / "in.npy", "--out", tmp_path / "out")[0] == 0
    assert load(tmp_path / "out" / "records" / "occlusion.json")[1].maps.shape == (2, 16)


EVERY = """
seed = 5
classes = "all"

[[explain]]
method = "hierarchy"
queries = 20

[[explain]]
method = "rise"
queries = 40
design = "sobol"
fill = "mean"

[[explain]]
method = "shapley-kernel"
features = "channels"

[[explain]]
method = "shapley-permutation"
features = { method = "superpixels", file = "labels.npy" }

[[explain]]
method = "lime"
features = { method = "cells-by-channel", cells = 4 }
"""


def written(folder: Path, text: str) -> Path:
    (folder / "methods.toml").write_text(text)
    return folder / "methods.toml"


def test_a_methods_file_names_every_method_and_its_digest_is_in_the_records(
    samewhy: Callable[..., Outcome], tmp_path: Path
) -> None:
    series = golden("series_int8")
    opened, samples = open_predictor(series), random_samples(open_predictor(series), 2)
    np.save(tmp_path / "labels.npy", np.arange(16) // 4)
    source, path = saved(tmp_path, samples, targets=np.array([2, 0])), written(tmp_path, EVERY)
    code, said, _ = samewhy("explain", series, "--input", source, "--out", tmp_path / "out", "--methods", path)
    assert code == 0
    how, identity = read_methods(path)
    explainers = how.explainers()
    assert len(explainers) == 5
    for explainer in explainers:
        record, arrays = load(tmp_path / "out" / "records" / f"{explainer.name}.json")
        assert (record.seed, record.methods, record.stopped) == (5, identity, "plan")
        assert np.array_equal(arrays.maps, explain(opened, samples, np.array([2, 0]), explainer, seed=5))
        assert arrays.class_maps is not None
        assert arrays.class_maps.shape == (2, 3, *arrays.maps.shape[1:])
        assert sum(line.startswith(f"{explainer.name}: {record.queries:,} queries") for line in said.splitlines()) == 1


def test_without_a_methods_file_the_seed_is_nought_and_no_digest_is_recorded(
    samewhy: Callable[..., Outcome], tmp_path: Path
) -> None:
    samewhy("explain", INT8, "--input", saved(tmp_path, images()), "--out", tmp_path)
    record, arrays = load(tmp_path / "records" / "rise-pairs-informed.json")
    assert (record.seed, record.methods, record.stopped, arrays.class_maps) == (0, None, "plan", None)


def test_a_budget_of_queries_is_told_and_kept(samewhy: Callable[..., Outcome], tmp_path: Path) -> None:
    path = written(tmp_path, '[budget]\nqueries = 96\nerror = 0.0001\n[[explain]]\nmethod = "rise"\ngrid = 4\n')
    _, said, bar = samewhy("explain", INT8, "--input", saved(tmp_path, images()), "--out", tmp_path, "--methods", path)
    record, _ = load(tmp_path / "records" / "rise-centred.json")
    assert (record.queries, record.stopped) == (96, "queries")
    (line,) = [one for one in said.splitlines() if one.startswith("rise-centred")]
    assert "rise-centred: 96 queries a sample, " in line
    assert " % of a map's span, reliability " in line
    assert "all queries of the budget, 0.01 % would take about " in line
    assert "288/288" in bar


def test_an_error_that_is_met_is_told_without_a_forecast(samewhy: Callable[..., Outcome], tmp_path: Path) -> None:
    path = written(tmp_path, '[budget]\nerror = 0.5\n[[explain]]\nmethod = "rise"\ngrid = 4\n')
    _, said, bar = samewhy("explain", INT8, "--input", saved(tmp_path, images()), "--out", tmp_path, "--methods", path)
    (line,) = [one for one in said.splitlines() if one.startswith("rise-centred")]
    assert line.endswith("error met")
    queries = load(tmp_path / "records" / "rise-centred.json")[0].queries
    assert f"{3 * queries}/{3 * queries}" in bar


def test_a_plan_that_cannot_be_cut_short_says_so(samewhy: Callable[..., Outcome], tmp_path: Path) -> None:
    path = written(tmp_path, '[budget]\nqueries = 96\n[[explain]]\nmethod = "occlusion"\n')
    source = saved(tmp_path, images())
    _, said, _ = samewhy("explain", INT8, "--input", source, "--out", tmp_path, "--methods", path)
    assert "nothing drawn, no error, asked whole, its plan cannot be cut short" in said
    path = written(tmp_path, '[budget]\nqueries = 6\n[[explain]]\nmethod = "occlusion"\n')
    outcome = samewhy("explain", INT8, "--input", source, "--out", tmp_path, "--methods", path)
    assert "occlusion has 10 queries, [budget] queries = 6; its plan cannot be cut short" in one_sentence(outcome)


def test_threads_change_no_answer_and_no_count(
    samewhy: Callable[..., Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, counts = saved(tmp_path, images(5)), []
    for threads in (1, 4):
        monkeypatch.setattr("samewhy_edge.cli.os.cpu_count", lambda threads=threads: threads)
        _, said, _ = samewhy("explain", INT8, "--input", source, "--out", tmp_path / f"{threads}")
        counts.append(said.splitlines()[-1])
    assert counts[0] == counts[1]
    for explainer in DEFAULTS:
        one, other = (
            (tmp_path / f"{threads}" / "records" / f"{explainer.name}.npz").read_bytes() for threads in (1, 4)
        )
        assert one == other


def test_a_bad_methods_file_is_told_before_the_model_is_opened(
    samewhy: Callable[..., Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samewhy_edge.predictor.open_predictor", lambda _: pytest.fail("opened"))
    path = written(tmp_path, "sede = 3")
    outcome = samewhy("explain", INT8, "--input", saved(tmp_path, images()), "--out", tmp_path, "--methods", path)
    assert "did you mean 'seed'?" in one_sentence(outcome)


def test_a_methods_file_beside_a_study_is_refused(samewhy: Callable[..., Outcome], tmp_path: Path) -> None:
    outcome = samewhy("explain", "study.toml", "--out", tmp_path, "--methods", "methods.toml")
    assert "--methods methods.toml beside a study file; its [[explain]] tables hold the methods" in one_sentence(
        outcome
    )


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("litter:m.tflite", "did you mean 'litert'?"),
        ("m.tflite", "expected runtime:path"),
        (golden("no_such_file"), "found no file, expected a model file"),
        (golden("image_int8", kernel="xnnpack"), "did you mean 'kernels'?"),
        (golden("image_int8", kernels="fast"), "known: builtin, reference, xnnpack"),
        (golden("image_int8", threads=0), "expected a whole number of at least 1"),
        (golden("stateful"), "stateful operators"),
        (golden("custom_operator"), "custom operators Betainc"),
        (f"litert:{FILES}", "found a folder, expected a model file"),
        (f"litert:{__file__}", "not a .tflite file"),
    ],
    ids=["runtime", "address", "missing", "option", "kernels", "threads", "stateful", "custom", "folder", "python"],
)
@pytest.mark.parametrize("verb", ["check", "bench"])
def test_a_bad_address_is_one_sentence_and_exit_code_two(
    samewhy: Callable[..., Outcome], verb: str, address: str, sentence: str
) -> None:
    assert sentence in one_sentence(samewhy(verb, address))


def test_a_truncated_file_is_one_sentence_and_exit_code_two(samewhy: Callable[..., Outcome], tmp_path: Path) -> None:
    (tmp_path / "half.tflite").write_bytes((FILES / "image_int8.tflite").read_bytes()[:1200])
    assert "truncated" in one_sentence(samewhy("check", f"litert:{tmp_path}/half.tflite"))


def hurt(value: float) -> Any:
    samples = images()
    samples.flat[0] = value
    return samples


BAD_SAMPLES: dict[str, tuple[Callable[[], Any], str]] = {
    "another shape": (lambda: images()[:, :7], "samples have shape (3, 7, 8, 1), expected (N, 8, 8, 1)"),
    "a single number": (lambda: np.float32(1), "samples have shape (), expected (N, 8, 8, 1)"),
    "integers": (lambda: images().astype(np.uint8), "samples are uint8, expected float32"),
    "NaN": (lambda: hurt(np.nan), "samples hold 1 NaN or infinite values, expected none"),
    "infinite": (lambda: hurt(np.inf), "samples hold 1 NaN or infinite values, expected none"),
    "none": (lambda: images()[:0], "0 samples found"),
}


@pytest.mark.parametrize("kind", BAD_SAMPLES)
@pytest.mark.parametrize("verb", ["check", "bench", "explain"])
def test_bad_samples_are_one_sentence_and_exit_code_two(
    samewhy: Callable[..., Outcome], tmp_path: Path, verb: str, kind: str
) -> None:
    make, sentence = BAD_SAMPLES[kind]
    folder = ("--out", tmp_path / "out") if verb == "explain" else ()
    assert sentence in one_sentence(samewhy(verb, INT8, "--input", saved(tmp_path, make()), *folder))


@pytest.mark.parametrize(
    ("targets", "sentence"),
    [
        ([0, 3, 1], "class index 3 is out of range; this predictor has 3 classes, 0 to 2"),
        ([0, -1, 1], "class index -1 is out of range"),
        ([0, 1], "targets are int64 of shape (2,), expected 3 whole numbers"),
        ([0.5, 1, 1], "targets are float64, expected whole numbers"),
    ],
    ids=["too large", "negative", "too few", "real"],
)
def test_bad_targets_are_one_sentence_and_exit_code_two(
    samewhy: Callable[..., Outcome], tmp_path: Path, targets: Any, sentence: str
) -> None:
    source = saved(tmp_path, images(), targets=np.array(targets))
    assert sentence in one_sentence(samewhy("explain", INT8, "--input", source, "--out", tmp_path / "out"))
    assert not (tmp_path / "out" / "records").exists()


def test_a_missing_input_is_one_sentence_and_exit_code_two(samewhy: Callable[..., Outcome], tmp_path: Path) -> None:
    assert "no --input given; expected a .npy or .npz" in one_sentence(samewhy("explain", INT8, "--out", tmp_path))
    lost = tmp_path / "lost.npy"
    assert "no such file" in one_sentence(samewhy("explain", INT8, "--input", lost, "--out", tmp_path))


def test_an_output_that_cannot_be_written_is_found_before_the_file_is_opened(
    samewhy: Callable[..., Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    source = saved(tmp_path, images())
    monkeypatch.setattr("samewhy_edge.predictor.open_predictor", lambda _: pytest.fail("opened"))
    outcome = samewhy("explain", INT8, "--input", source, "--out", tmp_path / "file" / "out")
    assert "cannot be written (Not a directory); choose another --out" in one_sentence(outcome)


def test_a_study_without_the_host_part_names_the_line_that_installs_it(
    samewhy: Callable[..., Outcome], tmp_path: Path
) -> None:
    said = one_sentence(samewhy("explain", "study.toml", "--out", tmp_path))
    assert "pip install 'samewhy[host]'" in said


def test_brackets_in_a_message_are_not_markup(samewhy: Callable[..., Outcome]) -> None:
    assert "litert:[bold]m.tflite" not in one_sentence(samewhy("check", "[bold]m.tflite"))
    assert "'[bold]m.tflite'" in one_sentence(samewhy("check", "[bold]m.tflite"))


def test_an_interruption_is_exit_code_130(samewhy: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(address: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("samewhy_edge.predictor.open_predictor", interrupted)
    assert samewhy("check", INT8)[0] == 130


def test_an_unknown_verb_and_no_out_folder_are_exit_code_two(samewhy: Callable[..., Outcome], tmp_path: Path) -> None:
    assert samewhy("probe", INT8)[0] == 2
    code, _, said = samewhy("explain", INT8, "--input", saved(tmp_path, images()))
    assert code == 2
    assert "--out" in said


def test_the_program_itself_exits_with_two_and_one_sentence() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "samewhy_edge.cli", "check", "litter:m.tflite"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "did you mean 'litert'?" in one_sentence((done.returncode, done.stdout, done.stderr))
