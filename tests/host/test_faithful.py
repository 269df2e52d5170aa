from typing import Any

import numpy as np
import pytest

from samewhy_edge.complexity import SHAPE
from samewhy_edge.faithfulness import named
from samewhy_host.faithful import (
    Judgements,
    faithfulness_rows,
    lent_rows,
    measure_rows,
    shape_measures,
    shape_rows,
)
from samewhy_host.stats import Sampling

MEASURES = named(["deletion", "insertion", "max-sensitivity"])  # lower, higher, and one that makes new maps
NAMES, SAMPLING = ["float", "int8"], Sampling(200, 0)


def values(*rows: list[float]) -> Any:
    return np.array(rows, np.float64)


OWN = {
    ("float", "rise"): values([0.2, 0.4], [0.8, 0.6], [0.1, 0.1]),
    ("int8", "rise"): values([0.3, 0.4], [0.7, 0.6], [0.2, 0.1]),
}
LENT = {("int8", "rise"): values([0.5, 0.5], [0.9, np.nan], [np.nan, np.nan])}
RANDOM = {"rise": values([0.5, 0.7], [0.4, 0.4], [np.inf, 1.0])}
FOUND = Judgements(MEASURES, OWN, LENT, RANDOM)


def row_of(rows: list[dict[str, Any]], **wanted: str) -> dict[str, Any]:
    (found,) = (row for row in rows if all(row[key] == value for key, value in wanted.items()))
    return found


def test_rows_hold_the_mean_the_floor_and_the_paired_move() -> None:
    rows = faithfulness_rows(NAMES, ["rise"], FOUND, SAMPLING)
    assert len(rows) == len(NAMES) * len(MEASURES)
    row = row_of(rows, rung="int8", measure="deletion")
    assert (row["value"], row["moved"], row["floor"]) == pytest.approx((0.35, 0.05, 0.6))
    assert row["moved_low"] <= 0.05 <= row["moved_high"]
    assert row_of(rows, rung="float", measure="insertion")["moved"] == 0


def test_an_infinite_value_is_undefined() -> None:
    row = row_of(faithfulness_rows(NAMES, ["rise"], FOUND, SAMPLING), rung="float", measure="max-sensitivity")
    assert row["floor"] == 1


def test_the_cost_of_lent_maps_is_positive_where_they_are_worse_whichever_way_the_measure_points() -> None:
    rows = lent_rows(NAMES, ["rise"], FOUND, SAMPLING)
    assert {row["measure"] for row in rows} == {"deletion", "insertion"}, "maps made anew are no rung's own"
    assert row_of(rows, measure="deletion")["cost"] == pytest.approx(0.15)
    better = row_of(rows, measure="insertion")
    assert better["cost"] == pytest.approx(-0.2)
    assert (better["own"], better["lent"], better["samples"], better["undefined"]) == (0.7, 0.9, 1, 1)


def test_shapes_are_measured_rung_by_rung() -> None:
    point = np.zeros((3, 4, 4), np.float32)
    point[:, 1, 2] = 1
    maps = {"rise": {"float": point, "int8": np.ones_like(point)}}
    rows = shape_rows(NAMES, maps, SAMPLING)
    assert len(rows) == len(NAMES) * len(SHAPE)
    assert row_of(rows, rung="float", measure="gini")["value"] == pytest.approx(15 / 16)
    assert row_of(rows, rung="int8", measure="gini")["moved"] == pytest.approx(-15 / 16)
    assert row_of(rows, rung="int8", measure="complexity")["undefined"] == 3


def test_measures_say_what_a_reader_must_know() -> None:
    first, _, last = measure_rows(MEASURES, (28, 28))
    assert (first["name"], first["better"], first["queries"], first["explains_again"]) == (
        "deletion",
        "lower",
        33,
        False,
    )
    assert last["span"] == [0, None]
    assert last["explains_again"]
    assert {row["name"] for row in shape_measures()} == {one.name for one in SHAPE}
