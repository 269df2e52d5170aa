"""What a device found is a rung of the audit, where it was asked what the study asks, and refused where not."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samewhy_edge.bundle import Bundle, unpack
from samewhy_edge.errors import InputError
from samewhy_edge.files import npz_bytes, write_bytes
from samewhy_edge.predictor import open_predictor
from samewhy_edge.verify import plan_of, verify
from samewhy_host.asking import Question
from samewhy_host.audit import Asked
from samewhy_host.devices import device
from samewhy_host.study import Extra
from tests.edge.bundles import write_bundle

NAME = "int8-reference"
PI = Extra("pi", verified="pi", of=NAME)
Found = tuple[Bundle, list[Asked], dict[str, Question]]


@pytest.fixture
def found(tmp_path: Path) -> Found:
    """A bundle that was verified into ``pi``, the ladder's rung, and what the study asks."""
    bundle = unpack(write_bundle(tmp_path / "made.samewhy"), tmp_path / "there")
    verify(bundle, tmp_path / "pi")
    explainers = [(one, bundle.explainer(one)) for one in bundle.index.explainers]
    questions = {
        one.name: Question(plan_of(bundle, one, explainer), explainer.fill, one.plan, one.name)
        for one, explainer in explainers
    }
    rung = open_predictor(f"litert:{bundle.model(bundle.index.rungs[1])}?kernels=reference").spec.rung
    return bundle, [Asked(NAME, rung, bundle.scores(NAME), {})], questions


def test_a_device_is_the_rung_below_the_one_that_it_was_to_be(found: Found, tmp_path: Path) -> None:
    bundle, asked, questions = found
    one, output = device(PI, tmp_path, asked, questions, bundle.samples, bundle.targets)
    assert (one.name, one.above, one.rung) == ("pi", NAME, asked[0].rung)
    np.testing.assert_array_equal(one.scores, asked[0].scores)
    assert output is not None
    assert output.dtype == "int8"
    assert {name: given.answers.shape for name, given in one.given.items()} == {
        name: (2, len(what.plan), 10) for name, what in questions.items()
    }


def with_json(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "pi" / "verify.json"
    table = json.loads(path.read_text())
    change(table)
    path.write_text(json.dumps(table))


def test_another_file_is_another_rung(found: Found, tmp_path: Path) -> None:
    bundle, asked, questions = found
    with_json(tmp_path, lambda table: table["rungs"][1].update(sha256="0" * 64))
    with pytest.raises(InputError, match="a file with SHA-256 000000000000"):
        device(PI, tmp_path, asked, questions, bundle.samples, bundle.targets)


def test_a_rung_that_is_not_there_is_named(found: Found, tmp_path: Path) -> None:
    bundle, asked, questions = found
    known = (tmp_path, asked, questions, bundle.samples, bundle.targets)
    with pytest.raises(InputError, match="of = 'int8-builtin'; the ladder has: int8-reference"):
        device(replace(PI, of="int8-builtin"), *known)
    with pytest.raises(InputError, match=r"other.verify.json: no such file"):
        device(replace(PI, verified="other"), *known)
    with_json(tmp_path, lambda table: table["rungs"].pop())
    with pytest.raises(InputError, match=r"nothing found of int8-reference .verified are: int8-xnnpack"):
        device(PI, *known)


def test_a_rung_that_could_not_be_opened_says_why(found: Found, tmp_path: Path) -> None:
    bundle, asked, questions = found
    with_json(tmp_path, lambda table: table["rungs"][1].update(why_not="crashed the interpreter"))
    with pytest.raises(InputError, match="crashed the interpreter"):
        device(PI, tmp_path, asked, questions, bundle.samples, bundle.targets)


def test_another_version_is_refused(found: Found, tmp_path: Path) -> None:
    bundle, asked, questions = found
    with_json(tmp_path, lambda table: table.update(schema=99))
    with pytest.raises(InputError, match="schema 99, expected 1"):
        device(PI, tmp_path, asked, questions, bundle.samples, bundle.targets)


def test_other_questions_are_refused(found: Found, tmp_path: Path) -> None:
    bundle, asked, questions = found
    first = next(iter(questions))
    others = questions | {first: replace(questions[first], digest="0" * 64)}
    with pytest.raises(InputError, match="asked with other masks than this study asks"):
        device(PI, tmp_path, asked, others, bundle.samples, bundle.targets)
    with pytest.raises(InputError, match="asked with other samples and other targets"):
        device(PI, tmp_path, asked, questions, bundle.samples[::-1].copy(), bundle.targets + 1)


def test_another_test_split_is_refused(found: Found, tmp_path: Path) -> None:
    bundle, asked, questions = found
    write_bytes(tmp_path / "pi" / "scores" / f"{NAME}.npz", npz_bytes(scores=np.zeros((3, 10), np.float32)))
    with pytest.raises(InputError, match=r"scores of shape \(3, 10\), expected \(10, 10\)"):
        device(PI, tmp_path, asked, questions, bundle.samples, bundle.targets)
