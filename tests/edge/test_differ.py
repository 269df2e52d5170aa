import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer import Typer
from typer.testing import CliRunner

from samewhy_edge.cli_layers import layers as verb
from samewhy_edge.cli_layers import steps_of
from samewhy_edge.differ import differ
from samewhy_edge.errors import InputError
from samewhy_edge.layers import Layer
from samewhy_edge.predictor import Subject, open_predictor
from tests.golden import golden

INT8 = golden("image_int8", kernels="reference")
app = Typer()
app.command()(verb)


def inputs(count: int = 2) -> np.ndarray:
    return np.linspace(-1, 1, count * 64, dtype=np.float32).reshape(count, 8, 8, 1)


def told(inner: Sequence[Layer]) -> Subject:
    """A runtime of the golden file that tells these layers."""
    return replace(open_predictor(INT8), layers=lambda samples: list(inner))


def layer(place: int, values: Sequence[int], operator: str = "ADD", dtype: Any = np.int8) -> Layer:
    return Layer(place, operator, f"t{place}", np.array(values, dtype))


def test_the_first_layer_that_differs_is_named_with_its_steps() -> None:
    ours = told([layer(0, [1, 2]), layer(1, [3, 4]), layer(2, [5, 5], "MUL"), layer(3, [0, 0])])
    theirs = told([layer(0, [1, 2]), layer(1, [3, 4]), layer(2, [6, 3], "MUL"), layer(3, [0, 1])])
    found = differ(ours, theirs, inputs())
    assert found["first_diverging"] == found["rows"][2]
    assert found["rows"][2]["histogram"] == {"1": 1, "-2": 1}
    assert [row["differing"] for row in found["rows"]] == [0, 0, 2, 1]
    assert found["samples"] == 2
    assert [run["alone"] for run in found["runs"]] == [[], []]


def test_layers_that_one_runtime_leaves_out_are_told_and_the_others_compared() -> None:
    ours = told([layer(0, [1]), layer(1, [1], "RESHAPE"), layer(2, [2])])
    found = differ(ours, told([layer(0, [1]), layer(2, [3])]), inputs())
    assert [row["place"] for row in found["rows"]] == [0, 2]
    assert found["first_diverging"]["place"] == 2
    assert [run["alone"] for run in found["runs"]] == [["1 RESHAPE"], []]


def test_several_outputs_of_an_operator_are_matched_in_order() -> None:
    ours = told([layer(0, [1], "SPLIT"), layer(0, [2], "SPLIT")])
    assert differ(ours, ours, inputs())["first_diverging"] is None
    swapped = told([layer(0, [2], "SPLIT"), layer(0, [1], "SPLIT")])
    assert differ(ours, swapped, inputs())["rows"][1]["histogram"] == {"-1": 1}


def test_layers_of_other_operators_two_files_and_silent_runtimes_are_refused() -> None:
    with pytest.raises(InputError, match="expected those of one file"):
        differ(told([layer(0, [1])]), told([layer(0, [1], "MUL")]), inputs())
    with pytest.raises(InputError, match="expected one file under two runtimes"):
        differ(open_predictor(INT8), open_predictor(golden("image_uint8", kernels="reference")), inputs())
    with pytest.raises(InputError, match=r"does not tell what is inside; expected .*kernels=reference or tflm:FILE"):
        differ(open_predictor(INT8), replace(open_predictor(INT8), layers=None), inputs())
    with pytest.raises(InputError, match="xnnpack kernels join operators"):
        differ(open_predictor(golden("image_int8")), open_predictor(INT8), inputs())
    with pytest.raises(InputError, match="no layer of integers"):
        differ(told([layer(0, [1], dtype=np.float32)]), told([layer(0, [1], dtype=np.float32)]), inputs())


def test_a_board_that_knows_numbers_and_bytes_alone_is_named_by_the_other() -> None:
    ours = told([Layer(3, "CONV_2D", "conv", np.zeros((2, 1, 2, 2), np.int8))])
    theirs = told([Layer(3, "", "17", np.array([[0, 0, 0, 0], [0, 0, 1, 0]], np.int8))])
    for found in (differ(ours, theirs, inputs()), differ(theirs, ours, inputs())):
        assert (found["rows"][0]["operator"], found["rows"][0]["tensor"]) == ("CONV_2D", "conv")
        assert found["rows"][0]["differing"] == 1
    with pytest.raises(InputError, match="layer 0 ADD has 1 and 2 codes"):
        differ(told([layer(0, [1])]), told([layer(0, [1, 2])]), inputs())


def test_steps_are_counted_by_sign_and_the_rare_ones_summed_up() -> None:
    assert steps_of({"0": 9, "1": 3, "-2": 1}) == "-2: 1, +1: 3"
    assert steps_of({str(step): 10 - step for step in range(1, 9)}).endswith("+6: 4, 2 more")


def test_the_verb_tells_people_and_programs_and_exits_by_the_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(tmp_path / "in.npy", inputs())
    more = ["--input", str(tmp_path / "in.npy")]
    equal = CliRunner().invoke(app, [INT8, INT8, *more])
    assert equal.exit_code == 0
    assert "every layer that both tell is equal bit for bit" in equal.output
    subjects = {"a": told([layer(0, [1]), layer(1, [1, 2, 3])]), "b": told([layer(0, [1]), layer(1, [1, 2, 5])])}
    monkeypatch.setattr("samewhy_edge.predictor.open_predictor", subjects.get)
    other = CliRunner().invoke(app, ["a", "b", *more, "--out", str(tmp_path / "o.json")])
    assert other.exit_code == 1
    assert "the first operator that gives other codes is 1 ADD (t1)" in other.output
    assert "33.3 %" in other.output
    assert "+2: 1" in other.output
    said = CliRunner().invoke(app, ["a", "b", *more, "--json"])
    assert said.exit_code == 1
    assert json.loads(said.output) == json.loads((tmp_path / "o.json").read_text())
