from pathlib import Path

import numpy as np
import pytest

from samewhy_edge.budget import Budget
from samewhy_edge.errors import InputError
from samewhy_edge.explain import DEFAULTS, EXPLAINERS
from samewhy_edge.features import CellsByChannel, Superpixels
from samewhy_edge.files import sha256
from samewhy_edge.fill import Background, Mean
from samewhy_edge.lime import Lime
from samewhy_edge.methods import Methods, explainers_from, read_methods
from samewhy_edge.rise import Rise
from samewhy_edge.shapley import KernelShap, Permutation

WHOLE = """
seed = 7
classes = "all"

[budget]
queries = 2000
seconds = 600
error = 0.05

[[explain]]
method = "rise"
queries = 64
fill = "mean"

[[explain]]
method = "shapley-permutation"
features = { method = "superpixels", file = "labels.npy" }
fill = { method = "background", file = "quiet.npy" }

[[explain]]
method = "lime"
features = { method = "cells-by-channel", cells = 4 }
"""


def read(folder: Path, text: str) -> Methods:
    (folder / "methods.toml").write_text(text)
    return read_methods(folder / "methods.toml")[0]


def test_every_table_is_read_and_files_are_beside_it(tmp_path: Path) -> None:
    found = read(tmp_path, WHOLE)
    assert (found.seed, found.classes) == (7, "all")
    assert found.budget == Budget(2000, 600.0, 0.05)
    assert found.explainers() == [
        Rise(64, fill=Mean()),
        Permutation(Superpixels(str(tmp_path / "labels.npy")), fill=Background(str(tmp_path / "quiet.npy"))),
        Lime(CellsByChannel((4,))),
    ]


def test_an_empty_file_says_what_no_file_does(tmp_path: Path) -> None:
    assert read(tmp_path, "") == Methods()
    assert tuple(Methods().explainers()) == DEFAULTS
    assert (Methods().seed, Methods().classes, Methods().budget) == (0, "target", Budget())


def test_the_digest_is_that_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "methods.toml").write_text(WHOLE)
    assert read_methods(tmp_path / "methods.toml")[1] == sha256(WHOLE.encode())


@pytest.mark.parametrize("method", EXPLAINERS)
def test_every_method_can_be_named(method: str, tmp_path: Path) -> None:
    (one,) = read(tmp_path, f'[[explain]]\nmethod = "{method}"\n').explainers()
    assert one == EXPLAINERS[method]()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("sed = 3", r"methods\.toml\] unknown key 'sed'; did you mean 'seed'\?"),
        ("[budgets]", r"unknown key 'budgets'; did you mean 'budget'\?"),
        ("[budget]\nquery = 3", r"budget\] unknown key 'query'; did you mean 'queries'\?"),
        ('classes = "target "', r"methods\.toml\.classes: unknown value .*did you mean 'target'\?"),
        ('[[explain]]\nmethod = "ries"', r"unknown method 'ries'; did you mean 'rise'\?"),
        ('[[explain]]\nmethod = "rise"\nquery = 3', r"explain\.rise\] .*did you mean 'queries'\?"),
        (
            '[[explain]]\nmethod = "rise"\nfill = "zeropoint"',
            r"unknown method 'zeropoint'.*did you mean 'zero-point'\?",
        ),
    ],
)
def test_a_wrong_name_is_refused_with_the_nearest_right_one(text: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=sentence):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("seed = -1", r"methods\.toml: seed = -1; expected a whole number from 0"),
        ("seed = 2147483648", "seed = 2147483648; expected"),
        ("seed = 1.0", r"seed is 1\.0, a number; expected a whole number"),
        ("[budget]\nqueries = 0", r"\[budget\] queries = 0; expected a number above 0"),
        ("[budget]\nseconds = -3", r"\[budget\] seconds = -3\.0; expected"),
        ("[budget]\nerror = nan", r"\[budget\] error = nan; expected"),
        ("[budget]\nqueries = 2.5", r"budget\.queries is 2\.5, a number; expected a whole number"),
        ("explain = []", r"\[\[explain\]\] is empty"),
        ("explain = 3", r"explain\[0\] is 3"),
        ("[[explain]]\nqueries = 3", "names no method"),
        ('[[explain]]\nmethod = "lime"\n' * 2, "lime stands twice; expected each method once"),
        ("seed = ", "not readable as TOML"),
    ],
)
def test_a_value_that_means_nothing_is_refused(text: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=sentence):
        read(tmp_path, text)


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.toml: no such methods file"):
        read_methods(tmp_path / "none.toml")
    np.save(tmp_path / "a.npy", np.zeros(3))
    with pytest.raises(InputError, match="not readable as TOML"):
        read_methods(tmp_path / "a.npy")


def test_explainers_of_one_kind_and_different_names_stand_together() -> None:
    tables = [{"method": "shapley-kernel"}, {"method": "shapley-kernel", "sampler": "paired"}]
    assert explainers_from(tables) == [KernelShap(), KernelShap(sampler="paired")]
