import json
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from samewhy_edge import cli as edge_cli
from samewhy_edge.errors import ExtraError
from samewhy_host import cli
from tests.host.end_to_end import DS_CNN, write_study


def said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str | Path) -> str:
    """What the command line says on its way out with exit code 2: one sentence."""
    monkeypatch.setattr("sys.argv", ["samewhy", *map(str, words)])
    monkeypatch.setattr(edge_cli, "app", type(edge_cli.app)(pretty_exceptions_enable=False))
    edge_cli.app.command("explain")(edge_cli.explain)
    with pytest.raises(SystemExit) as end:
        edge_cli.main()
    assert end.value.code == 2
    captured = capsys.readouterr()
    text = captured.err.strip().splitlines()[-1]
    assert text.startswith("samewhy: ")
    assert "Traceback" not in captured.err
    return text


def changed(folder: Path, old: str, new: str) -> Path:
    """The small study with one line changed."""
    path = write_study(folder)
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    return path


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("[audit]", "[audti]", "did you mean 'audit'"),
        ("resamples = 200", "resample = 200", "did you mean 'resamples'"),
        ('method = "occlusion"', 'method = "oclusion"', "did you mean 'occlusion'"),
        ('architecture = "ds_cnn"', 'architecture = "ds_cn"', "did you mean 'ds_cnn'"),
        ("epochs = 8", 'epochs = "8"', "train.epochs is '8', text; expected a whole number"),
        ("samples = 9", "samples = 9000", "9000 samples asked for, found 90"),
        ('path = "patches.npz"', 'path = "patch.npz"', "patch.npz: no such file"),
        ('source = "npz"', 'source = "folder"', "no such folder"),
        ("width = 8", "breadth = 8", "does not take"),
        ("window = 4", "window = 40", "does not fit spatial axes [16, 16]"),
    ],
)
def test_a_bad_study_is_one_sentence_and_code_2(
    old: str,
    new: str,
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = changed(tmp_path, old, new)
    assert sentence in said(capsys, monkeypatch, "study", path, "--out", tmp_path / "run")


def test_a_missing_study_file_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = said(capsys, monkeypatch, "study", tmp_path / "none.toml", "--out", tmp_path)
    assert "none.toml: no such study file" in text


def test_an_output_that_cannot_be_written_is_told_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    text = said(capsys, monkeypatch, "explain", write_study(tmp_path), "--out", tmp_path / "file" / "run")
    assert "cannot be written" in text


def test_a_truncated_tflite_in_a_study_is_refused_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Path("models/fashion_ds_cnn/int8.tflite").read_bytes()
    (tmp_path / "half.tflite").write_bytes(whole[: len(whole) // 2])
    model = 'float_tflite = "half.tflite"\nint8_tflite = "half.tflite"'
    text = said(capsys, monkeypatch, "study", write_study(tmp_path, model=model), "--out", tmp_path / "run")
    assert "half.tflite" in text or "float.tflite" in text
    assert "truncated" in text


def test_files_for_other_samples_are_refused_by_rung(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Path("models/fashion_ds_cnn").resolve()
    model = f'float_tflite = "{here}/float.tflite"\nint8_tflite = "{here}/int8.tflite"'
    text = said(capsys, monkeypatch, "study", write_study(tmp_path, model=model), "--out", tmp_path / "run")
    assert "rung tflite takes samples (28, 28, 1)" in text


def test_nan_in_the_data_is_named_by_sample(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_study(tmp_path)
    with np.load(tmp_path / "patches.npz") as arrays:
        table = {name: arrays[name] for name in arrays.files}
    table["test_samples"] = table["test_samples"].astype(np.float32)
    table["test_samples"][7, 0, 0, 0] = np.nan
    np.savez(tmp_path / "patches.npz", **table)
    assert "sample test/7 holds NaN" in said(capsys, monkeypatch, "study", path, "--out", tmp_path / "run")


def test_a_report_of_nothing_says_what_to_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "samewhy audit" in said(capsys, monkeypatch, "report", "--out", tmp_path)


def test_a_missing_extra_is_told_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "NEEDED", (*cli.NEEDED, "a_package_that_is_not_there"))
    with pytest.raises(ExtraError, match=r"a_package_that_is_not_there, not installed.*samewhy\[host\]"):
        cli.need_host()


def test_help_lists_the_verbs_of_both_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("study", "build", "audit", "report", "release"):
        edge_cli.app.command(name)(getattr(cli, name))
    text = CliRunner().invoke(edge_cli.app, ["--help"]).output
    for name in ("check", "explain", "bench", "study", "build", "audit", "report", "release"):
        assert f" {name} " in text


def test_the_small_study_itself_is_good(tmp_path: Path) -> None:
    from samewhy_host.study import read_study

    assert read_study(write_study(tmp_path)).study.model.options["width"] == 8
    assert "width = 8" in DS_CNN


def test_sanity_prints_a_verdict_for_each_explainer_and_leaves_a_figure(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(cli.sanity)
    np.save(tmp_path / "samples.npy", np.random.default_rng(0).random((3, 8, 8, 1), np.float32))
    (tmp_path / "methods.toml").write_text('[[explain]]\nmethod = "occlusion"\n')
    words = ["litert:tests/golden/files/image_int8.tflite", "--input", str(tmp_path / "samples.npy")]
    done = CliRunner().invoke(app, [*words, "--out", str(tmp_path), "--methods", str(tmp_path / "methods.toml")])
    assert done.exit_code == 0, done.output
    assert {"sanity.json", "sanity.npz", "sanity.png"} <= {path.name for path in tmp_path.iterdir()}
    (row,) = json.loads((tmp_path / "sanity.json").read_text())["verdicts"]
    assert row["explainer"] == "occlusion"


def test_lines_are_printed_as_they_are_brackets_included(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with cli.shown(tmp_path) as show:
        show.line("lower labels of [quantize]")
    assert "lower labels of [quantize]" in "".join(capsys.readouterr())
