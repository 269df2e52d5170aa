from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from samewhy_edge.errors import ExtraError, InputError
from samewhy_edge.features import CellsByChannel, Channels, Superpixels
from samewhy_edge.files import sha256
from samewhy_edge.fill import Background, Blur, Mean, ZeroPoint
from samewhy_edge.hierarchy import Hierarchy
from samewhy_edge.lime import Lime
from samewhy_edge.occlusion import Occlusion
from samewhy_edge.rise import Rise
from samewhy_edge.sensitivity import Hsic, Sobol
from samewhy_edge.shapley import KernelShap, Permutation
from samewhy_host import compress, schemes
from samewhy_host.build import build
from samewhy_host.compress import Magnitude
from samewhy_host.data.sources import Data
from samewhy_host.schemes import SCHEMES, Quantize, Scheme
from samewhy_host.study import Audit, Extra, Head, Model, StudyFile, read_study
from samewhy_host.tensorflow_worker import FOUR_BITS, TENSORFLOW
from samewhy_host.train import Train
from tests.host.test_data_npz import saved

HEAD = '[study]\nquestion = "Why?"\n'
MODEL = '[model]\narchitecture = "ds_cnn"\n'
SHORTEST = HEAD + MODEL
WHOLE = """
[study]
question = "Why?"
seed = 7

[data]
source = "folder"
path = "images"
values = "signed"
classes = ["cat", "dog"]
size = [32, 24]
channels = 3
calibration = 50

[model]
factory = "nets:mine"
weights = "mine.pt"

[model.options]
depth = 3

[train]
epochs = 4
batch = 32
learning_rate = 1
weight_decay = 0.1
label_smoothing = 0.0
flip = false
shift = 2

[[compress]]
method = "magnitude"
amount = 0.3

[compress.train]
epochs = 1

[[compress]]
method = "channels"
amount = 0.4

[[explain]]
method = "occlusion"
window = [3, 5]
stride = 2
fill = 0.5

[[explain]]
method = "rise"
queries = 64
grid = 5
share = 0.4
estimator = "published"

[audit]
samples = 20
resamples = 200
gallery = 4

[[rung]]
name = "my-pi_2"
address = "litert:other.tflite"
"""


def read(folder: Path, text: str) -> StudyFile:
    (folder / "study.toml").write_text(text)
    return read_study(folder / "study.toml")


def test_every_table_is_read(tmp_path: Path) -> None:
    study = read(tmp_path, WHOLE).study
    assert study.study == Head("Why?", 7)
    assert study.data == Data("folder", "images", "signed", ("cat", "dog"), (32, 24), 3, 50)
    assert study.model == Model(factory="nets:mine", weights="mine.pt", options={"depth": 3})
    assert study.train == Train(4, 32, 1.0, 0.1, 0.0, False, 2)
    assert study.audit == Audit(20, 200, 4)
    assert study.rung == (Extra("my-pi_2", "litert:other.tflite"),)
    assert study.explainers() == [Occlusion((3, 5), (2,), 0.5), Rise(64, 5, 0.4, "published")]
    fine = replace(Magnitude().train, epochs=1)  # the rest as the method has it
    assert study.compressions() == [("magnitude", Magnitude(0.3, fine)), ("channels", compress.Channels(0.4))]


def test_a_question_and_a_model_are_enough(tmp_path: Path) -> None:
    study = read(tmp_path, SHORTEST).study
    assert study.data == Data()
    assert study.train == Train()
    assert study.audit == Audit()
    assert study.compressions() == []
    assert [explainer.name for explainer in study.explainers()] == ["occlusion", "rise-pairs-informed"]


def test_the_digest_is_that_of_the_file(tmp_path: Path) -> None:
    file = read(tmp_path, SHORTEST)
    assert file.sha256 == sha256(SHORTEST.encode())
    assert file.sha256 != read(tmp_path, SHORTEST + "# a word\n").sha256


def test_a_path_is_beside_the_study_wherever_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / "study.toml").write_text(SHORTEST)
    monkeypatch.chdir(tmp_path)
    file = read_study(Path("studies/study.toml"))
    assert file.beside("../nets/mine.onnx").resolve() == tmp_path / "nets" / "mine.onnx"
    assert file.beside("/somewhere/mine.onnx") == Path("/somewhere/mine.onnx")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (SHORTEST + "[trains]\n", r"unknown key 'trains'; did you mean 'train'\?"),
        (SHORTEST + "[train]\nepoch = 3\n", r"train\] unknown key 'epoch'; did you mean 'epochs'\?"),
        (SHORTEST + "[data]\ncalibrations = 3\n", r"did you mean 'calibration'\?"),
        (SHORTEST + "[audit]\nsample = 3\n", r"did you mean 'samples'\?"),
        (SHORTEST + '[[explain]]\nmethod = "rise"\nquery = 3\n', r"explain\.rise\] .*did you mean 'queries'\?"),
        (SHORTEST + '[[explain]]\nmethod = "ries"\n', r"unknown method 'ries'; did you mean 'rise'\?"),
        (SHORTEST + '[[compress]]\nmethod = "channel"\n', r"unknown method 'channel'; did you mean 'channels'\?"),
        (SHORTEST + "[[compress]]\namount = 0.3\n", r"compress\].* method.*: channels, low-rank, magnitude"),
        (HEAD + '[model]\narchitecture = "dscnn"\n', r"unknown architecture 'dscnn'; did you mean 'ds_cnn'\?"),
        (HEAD + '[model]\narchitekture = "ds_cnn"\n', r"did you mean 'architecture'\?"),
        (SHORTEST + '[data]\nsource = "fashion"\n', r"data\.source: unknown value 'fashion'.*fashion-mnist"),
        (SHORTEST + '[data]\nvalues = "bytes"\n', r"did you mean 'byte'\?"),
        (SHORTEST + '[[explain]]\nmethod = "rise"\nestimator = "centered"\n', r"did you mean 'centred'\?"),
    ],
)
def test_a_wrong_name_is_refused_with_the_nearest_right_one(text: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=sentence):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (SHORTEST + '[train]\nepochs = "3"\n', r"train\.epochs is '3', text; expected a whole number"),
        (SHORTEST + "[train]\nepochs = 3.5\n", r"train\.epochs is 3\.5, a number; expected a whole number"),
        (SHORTEST + "[train]\nepochs = true\n", r"train\.epochs is True, true or false; expected a whole number"),
        (SHORTEST + "[train]\nflip = 1\n", r"train\.flip is 1, a whole number; expected true or false"),
        ("[study]\nquestion = 3\n" + MODEL, r"study\.question is 3, a whole number; expected text"),
        ('[study]\nquestion = "Why?"\nseed = 1.0\n' + MODEL, r"study\.seed is 1\.0, a number; expected a whole number"),
        (SHORTEST + "[data]\nclasses = [1, 2]\n", r"data\.classes\[0\] is 1"),
        (SHORTEST + '[data]\nsize = [28, "28"]\n', r"data\.size\[1\] is '28'"),
        (HEAD + '[model]\narchitecture = "ds_cnn"\noptions = 3\n', r"model\.options is 3"),
        (HEAD + "model = 3\n", r"study\.model|unknown key 'model'"),
    ],
)
def test_a_value_of_another_type_is_refused(text: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=sentence):
        read(tmp_path, text)


@pytest.mark.parametrize(("text", "missing"), [(MODEL, "study"), (HEAD, "model"), ("[study]\n" + MODEL, "question")])
def test_what_has_no_default_must_be_there(text: str, missing: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=missing):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ("", "nothing"),
        ('architecture = "ds_cnn"\nfactory = "nets:mine"', "architecture and factory"),
        ('architecture = "ds_cnn"\nonnx = "a.onnx"', "architecture and onnx"),
        (
            'onnx = "a.onnx"\nfloat_tflite = "a.tflite"\nint8_tflite = "b.tflite"',
            "onnx and float_tflite and int8_tflite",
        ),
        ('float_tflite = "a.tflite"', "float_tflite"),
        ('int8_tflite = "b.tflite"', "int8_tflite"),
        ('onnx = ""', "nothing"),
    ],
)
def test_a_model_is_named_once(lines: str, found: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"\[model\] names {found}; expected one of architecture, factory, onnx, or"):
        read(tmp_path, f"{HEAD}[model]\n{lines}\n")


@pytest.mark.parametrize(
    "lines",
    ['factory = "nets:mine"', 'onnx = "a.onnx"', 'float_tflite = "a.tflite"\nint8_tflite = "b.tflite"'],
)
def test_a_network_of_ones_own_needs_no_architecture(lines: str, tmp_path: Path) -> None:
    assert read(tmp_path, f"{HEAD}[model]\n{lines}\n").study.model.architecture is None


@pytest.mark.parametrize("lines", ['onnx = "a.onnx"\nweights = "w.pt"', 'onnx = "a.onnx"\n[model.options]\nwidth = 8'])
def test_a_file_made_elsewhere_takes_no_weights_and_no_options(lines: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a file made elsewhere that takes none"):
        read(tmp_path, f"{HEAD}[model]\n{lines}\n")


@pytest.mark.parametrize("seed", [-1, 2**31])
def test_a_seed_that_torch_and_numpy_do_not_share_is_refused(seed: int, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"study.seed = {seed}; expected a whole number from 0"):
        read(tmp_path, f'[study]\nquestion = "Why?"\nseed = {seed}\n{MODEL}')


@pytest.mark.parametrize("lines", ['onnx = "a.onnx"', 'float_tflite = "a.tflite"\nint8_tflite = "b.tflite"'])
def test_a_file_made_elsewhere_cannot_be_compressed(lines: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\[\[compress\]\] needs a torch network; .*remove one of the two"):
        read(tmp_path, f'{HEAD}[model]\n{lines}\n[[compress]]\nmethod = "magnitude"\n')


@pytest.mark.parametrize("method", ["occlusion", "rise"])
def test_an_explainer_stands_once(method: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"\[\[explain\]\] {method}.* stands twice"):
        read(tmp_path, SHORTEST + f'[[explain]]\nmethod = "{method}"\n' * 2)


def test_two_estimators_of_one_method_are_two_explainers(tmp_path: Path) -> None:
    tables = [f'[[explain]]\nmethod = "rise"\nestimator = "{name}"\n' for name in ("published", "centred")]
    found = read(tmp_path, SHORTEST + "".join(tables)).study.explainers()
    assert [one.name for one in found] == ["rise-published", "rise-centred"]


def test_all_methods_fills_and_features_are_read_and_files_lie_beside_the_study(tmp_path: Path) -> None:
    tables = [
        'method = "hierarchy"\nqueries = 99\nfill = "zero-point"',
        'method = "rise"\ndesign = "sobol"\nfill = { method = "blur", sigma = 2 }',
        'method = "shapley-kernel"\nfeatures = "channels"\nfill = "mean"',
        'method = "shapley-permutation"\nfeatures = { method = "cells-by-channel", cells = [4, 2] }',
        'method = "lime"\nfeatures = { method = "superpixels", file = "l.npy" }\n'
        'fill = { method = "background", file = "b.npy" }',
        'method = "sobol"\nfeatures = [3, 5]',
        'method = "hsic"',
    ]
    text = SHORTEST + "".join(f"[[explain]]\n{one}\n" for one in tables)
    assert read(tmp_path, text).study.explainers() == [
        Hierarchy(99, fill=ZeroPoint()),
        Rise(design="sobol", fill=Blur(2.0)),
        KernelShap(Channels(), fill=Mean()),
        Permutation(CellsByChannel((4, 2))),
        Lime(Superpixels(str(tmp_path / "l.npy")), fill=Background(str(tmp_path / "b.npy"))),
        Sobol((3, 5)),
        Hsic(),
    ]


FITS = 'method = "lime"\nfeatures = { method = "superpixels", file = "l.npy" }\n'


@pytest.mark.parametrize(
    ("table", "shape", "sentence"),
    [
        (FITS, (9, 8), r"l\.npy: .* shape \(9, 8\); expected whole numbers of shape \(8, 8\)"),
        (FITS, (4, 8, 8), "features of 4 samples, expected one set for each of the 3 samples"),
        (FITS, None, r"l\.npy: not readable as \.npy"),
        ('method = "sobol"\nfeatures = 9', (8, 8), r"features \[9\] does not fit spatial axes \[8, 8\]"),
        ('method = "rise"\nfill = { method = "background", file = "l.npy" }', (8, 7, 1), r"a background each"),
        ('method = "rise"\nfill = { method = "blur", sigma = 0 }', (8, 8), "blur with sigma=0"),
        ('method = "occlusion"\nwindow = 9', (8, 8), r"window \[9\] does not fit"),
    ],
)
def test_features_and_fills_that_do_not_fit_are_told_before_any_step(
    table: str, shape: tuple[int, ...] | None, sentence: str, tmp_path: Path
) -> None:
    saved(tmp_path)
    if shape:
        np.save(tmp_path / "l.npy", np.arange(np.prod(shape)).reshape(shape))
    data = '[data]\nsource = "npz"\npath = "made.npz"\ncalibration = 6\n[audit]\nsamples = 3\n'
    file = read(tmp_path, f"{SHORTEST}{data}[[explain]]\n{table}\n")
    with pytest.raises(InputError, match=sentence):
        build(file, tmp_path / "run", pytest.fail)
    assert not (tmp_path / "run" / "steps").exists()


def test_at_least_one_explainer_is_expected(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\[\[explain\]\] is empty"):
        read(tmp_path, "explain = []\n" + SHORTEST)


@pytest.mark.parametrize("key", ["data.calibration", "audit.samples", "audit.resamples", "audit.gallery"])
@pytest.mark.parametrize("count", [0, -3])
def test_counts_below_one_are_refused(key: str, count: int, tmp_path: Path) -> None:
    table, _, name = key.partition(".")
    with pytest.raises(InputError, match=f"{key} = {count}; expected at least 1"):
        read(tmp_path, f"{SHORTEST}[{table}]\n{name} = {count}\n")


@pytest.mark.parametrize(
    ("line", "found"),
    [("epochs = 0", "epochs=0"), ("batch = 1", "batch=1"), ("learning_rate = -1", "learning_rate=-1")],
)
def test_training_settings_that_mean_nothing_are_refused(line: str, found: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=found):
        read(tmp_path, f"{SHORTEST}[train]\n{line}\n")


def test_fine_tuning_settings_are_checked_too(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="epochs=0"):
        read(tmp_path, f'{SHORTEST}[[compress]]\nmethod = "magnitude"\n[compress.train]\nepochs = 0\n')


def test_a_share_of_compression_is_checked_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"magnitude amount = 1\.5"):
        read(tmp_path, f'{SHORTEST}[[compress]]\nmethod = "magnitude"\namount = 1.5\n')


@pytest.mark.parametrize("name", ["a b", "a/b", "", "a.b", "--"])
def test_a_rung_is_named_so_that_a_file_can_be_named_by_it(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\[\[rung\]\] name .*expected letters, digits, - and _"):
        read(tmp_path, f'{SHORTEST}[[rung]]\nname = "{name}"\naddress = "onnx:a.onnx"\n')


@pytest.mark.parametrize("content", [b"[study\n", b"question = \n", b"\xff\xfe", SHORTEST.encode() + HEAD.encode()])
def test_what_is_no_toml_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_bytes(content)
    with pytest.raises(InputError, match=r"study\.toml: not readable as TOML"):
        read_study(tmp_path / "study.toml")


def test_a_missing_study_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.toml: no such study file"):
        read_study(tmp_path / "none.toml")


def test_a_scheme_is_read_with_its_calibration_and_its_bounds(tmp_path: Path) -> None:
    table = '[quantize]\nscheme = "int16x8"\nmasked = 0.5\nlabels = 0.8\nsqnr = 3\n'
    assert read(tmp_path, SHORTEST + table).study.quantize == Quantize("int16x8", 0.5, 0.8, 3.0)
    assert read(tmp_path, SHORTEST).study.quantize == Quantize("int8")


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ('scheme = "int9"', "quantize.scheme: unknown value 'int9'; did you mean 'int8'"),
        ("masked = 1.5", r"\[quantize\] masked = 1\.5, labels = 0\.9; expected shares"),
        ("labels = -1", r"expected shares between 0 and 1"),
        ('scheme = "float16"\nmasked = 0.5', 'masked = 0.5: scheme "float16" is not calibrated'),
        ("bits = 4", "unknown key 'bits'"),
    ],
)
def test_a_scheme_that_makes_no_sense_is_refused(table: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=sentence):
        read(tmp_path, f"{SHORTEST}[quantize]\n{table}\n")


def test_a_file_made_elsewhere_takes_no_scheme(tmp_path: Path) -> None:
    model = '[study]\nquestion = "Why?"\n[model]\nfloat_tflite = "a.tflite"\nint8_tflite = "b.tflite"\n'
    with pytest.raises(InputError, match=r"\[quantize\] says how a file is made; \[model\] names one made elsewhere"):
        read(tmp_path, model + '[quantize]\nscheme = "float16"\n')


def test_every_scheme_that_a_study_can_name_is_known() -> None:
    assert set(get_args(Scheme)) == set(SCHEMES) == set(TENSORFLOW) | set(FOUR_BITS)


def test_four_bits_without_their_converter_are_told_with_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(schemes, "find_spec", lambda _: None)
    schemes.makeable("int8")
    with pytest.raises(ExtraError, match=r'"int8x4" is made by ai-edge-quantizer, .*samewhy\[host\]'):
        schemes.makeable("int8x4")


# What maps are put to, and the network that was trained apart


def test_faithfulness_is_judged_by_the_measures_and_the_fill_of_the_study(tmp_path: Path) -> None:
    np.save(tmp_path / "quiet.npy", np.zeros((8, 8, 1), np.float32))
    more = '[faithfulness]\nmeasures = ["deletion", "adcc"]\nfill = { method = "background", file = "quiet.npy" }\n'
    found = read(tmp_path, SHORTEST + more).study.faithfulness
    assert found.measures == ("deletion", "adcc")
    assert found.fill == Background(str(tmp_path / "quiet.npy"))
    assert read(tmp_path, SHORTEST + "[faithfulness]\nmeasures = []\n").study.faithfulness.measures == ()
    assert read(tmp_path, SHORTEST).study.faithfulness.fill is None


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ('[faithfulness]\nmeasures = ["deletoin"]\n', r"measure of faithfulness 'deletoin'.*deletion"),
        ('[audit]\ntwin = "other.pt"\n', 'audit.twin = "other.pt"; expected "train", or an address'),
    ],
)
def test_measures_and_twins_that_there_are_not_are_refused(tmp_path: Path, more: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(tmp_path, SHORTEST + more)


def test_a_network_that_is_not_trained_here_has_no_trained_twin(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="names one that is not trained here"):
        read(tmp_path, HEAD + '[model]\nonnx = "made.onnx"\n[audit]\ntwin = "train"\n')
    assert read(tmp_path, SHORTEST + '[audit]\ntwin = "train"\n').study.audit.twin == "train"
