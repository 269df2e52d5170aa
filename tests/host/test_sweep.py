import tomllib
from pathlib import Path
from typing import Any

import pytest

from samewhy_edge.errors import InputError
from samewhy_edge.files import sha256
from samewhy_host.study import read_study
from samewhy_host.sweep import Sweep, fit, read_sweep

STUDY = """
[study]
question = "Where does it break?"

[model]
architecture = "ds_cnn"

[[compress]]
method = "magnitude"
amount = 0.25

[[compress]]
method = "channels"
amount = 0.5

"""


def swept(folder: Path, text: str, study: str = STUDY) -> Sweep:
    (folder / "study.toml").write_text(f"{study}[sweep]\n{text}")
    return read_sweep(folder / "study.toml")


def settings(sweep: Sweep) -> list[dict[str, Any]]:
    return [dict(point.settings) for point in sweep.points]


def test_axes_are_crossed_the_first_one_slowest(tmp_path: Path) -> None:
    found = swept(tmp_path, "study.seed = [1, 2]\ndata.calibration = [50, 100]\n")
    assert settings(found) == [
        {"study.seed": 1, "data.calibration": 50},
        {"study.seed": 1, "data.calibration": 100},
        {"study.seed": 2, "data.calibration": 50},
        {"study.seed": 2, "data.calibration": 100},
    ]
    assert [point.name for point in found.points][:2] == ["seed-1--calibration-50", "seed-1--calibration-100"]
    studies = [point.file.study for point in found.points]
    assert [(one.study.seed, one.data.calibration) for one in studies] == [(1, 50), (1, 100), (2, 50), (2, 100)]


def test_zipped_keys_move_together_and_are_crossed_with_the_others(tmp_path: Path) -> None:
    text = 'study.seed = [1, 2]\n[[sweep.zip]]\nquantize.scheme = ["int8", "float16"]\nquantize.masked = [0.5, 0.0]\n'
    found = settings(swept(tmp_path, text))
    assert [(one["study.seed"], one["quantize.scheme"], one["quantize.masked"]) for one in found] == [
        (1, "int8", 0.5),
        (1, "float16", 0.0),
        (2, "int8", 0.5),
        (2, "float16", 0.0),
    ]


def test_a_key_is_the_same_in_quotes(tmp_path: Path) -> None:
    plain, quoted = (swept(tmp_path, f"{key} = [1, 2]\n") for key in ("study.seed", '"study.seed"'))
    assert [point.file.content for point in plain.points] == [point.file.content for point in quoted.points]


@pytest.mark.parametrize(
    ("key", "amounts"),
    [("compress.amount", (0.9, 0.9)), ("compress.0.amount", (0.9, 0.5)), ("compress.1.amount", (0.25, 0.9))],
)
def test_a_key_of_a_list_of_tables_is_set_in_all_or_in_one(
    key: str, amounts: tuple[float, float], tmp_path: Path
) -> None:
    (point,) = swept(tmp_path, f'"{key}" = [0.9]\n').points
    assert tuple(how.amount for _, how in point.file.study.compressions()) == amounts


def test_a_table_that_the_study_leaves_out_is_made(tmp_path: Path) -> None:
    points = swept(tmp_path, 'quantize.scheme = ["int16x8", "float16"]\n').points
    assert [point.file.study.quantize.scheme for point in points] == ["int16x8", "float16"]


def test_each_point_is_a_study_file_of_its_own(tmp_path: Path) -> None:
    found = swept(tmp_path, "study.seed = [7]\n")
    (point,) = found.points
    assert point.file.sha256 == sha256(point.file.content) != found.sha256
    assert "sweep" not in tomllib.loads(point.file.content.decode())
    (tmp_path / "alone.toml").write_bytes(point.file.content)
    alone = read_study(tmp_path / "alone.toml")
    assert (alone.study, alone.sha256) == (point.file.study, point.file.sha256)


def test_a_point_does_not_change_with_its_neighbours(tmp_path: Path) -> None:
    few, many = (swept(tmp_path, f"study.seed = {seeds}\n") for seeds in ("[1]", "[3, 1, 2]"))
    assert few.points[0].file.content == many.points[1].file.content


@pytest.mark.parametrize(
    ("text", "x"),
    [
        ("study.seed = [1]\ndata.calibration = [50]\naudit.samples = [9]\n", "data.calibration"),
        ('x = "audit.samples"\nstudy.seed = [1]\ndata.calibration = [50]\naudit.samples = [9]\n', "audit.samples"),
        ("study.seed = [1, 2]\n", "study.seed"),
    ],
)
def test_the_figure_runs_along_the_first_axis_that_is_not_the_seed(text: str, x: str, tmp_path: Path) -> None:
    assert swept(tmp_path, text).reading.x == x


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "has no axis; expected each key once"),
        ("study.seed = 1\n", "study.seed is 1; expected a list of values"),
        ("study.seed = []\n", r"study.seed is \[\]; expected a list of values"),
        ("study.seed = [1, 1]\n", "study.seed = 1 stands twice"),
        ("seed = [1]\n", "unknown key 'seed'.*axes are dotted"),
        ("ru = [1]\n", "did you mean 'rung'"),
        ("study.sead = [1]\n", r"at study.sead = 1: \[study.toml.study\] unknown key 'sead'; did you mean 'seed'"),
        ("compress.2.amount = [0.5]\n", "the study has 2 such entries, numbered from 0"),
        ("study.seed.more = [1]\n", "study.seed.more"),
        ("study.question.more = [1]\n", "'more' is below no table"),
        ("compress.amount = [0.5, 1.5]\n", "at compress.amount = 1.5: magnitude amount = 1.5"),
        ('x = "study.sead"\nstudy.seed = [1]\n', "unknown x 'study.sead'; did you mean 'study.seed'"),
        ("accuracy_drop = 1.0\nstudy.seed = [1]\n", "accuracy_drop = 1.0; expected a share"),
        ("zip = 3\n", r"write \[\[sweep.zip\]\]"),
        (
            "[[sweep.zip]]\nstudy.seed = [1, 2]\ndata.calibration = [9]\n",
            r"found \[1, 2\] values; expected as many each",
        ),
        ("study.seed = [1]\n[[sweep.zip]]\nstudy.seed = [2]\n", "study.seed stands twice"),
        (
            'quantize.masked = [0.5]\nquantize.scheme = ["int8", "float16"]\n',
            'at quantize.masked = 0.5, quantize.scheme = float16: .*"float16" is not calibrated',
        ),
    ],
)
def test_a_sweep_that_makes_no_sense_is_refused_before_any_work(text: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=sentence):
        swept(tmp_path, text)


def test_a_study_is_no_sweep_and_a_sweep_no_study(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text(STUDY)
    with pytest.raises(InputError, match=r"study.toml: has no \[sweep\] table; .* samewhy study study.toml --out DIR"):
        read_sweep(path)
    path.write_text(STUDY + "[sweep]\nstudy.seed = [1]\n")
    with pytest.raises(InputError, match=r"study.toml: has a \[sweep\]; run samewhy sweep study.toml --out DIR"):
        read_study(path)


def test_names_are_fit_for_folders_and_differ(tmp_path: Path) -> None:
    assert fit([28, "a/b c"]) == "28-a-b-c"
    assert fit("") == "none"
    text = 'study.question = ["Why?", "Why!"]\n'
    assert [point.name for point in swept(tmp_path, text).points] == ["question-Why--1", "question-Why--2"]
    text = "train.epochs = [1]\ncompress.train.epochs = [2]\n"
    assert swept(tmp_path, text).points[0].name == "train.epochs-1--compress.train.epochs-2"


@pytest.mark.parametrize(
    "name", sorted(path.name for path in Path("studies").glob("*.toml") if "[sweep]" in path.read_text())
)
def test_the_sweeps_of_this_repository_are_good(name: str) -> None:
    assert len(read_sweep(Path("studies") / name).points) > 1
