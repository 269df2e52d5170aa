from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from samewhy_edge.errors import InputError
from samewhy_edge.settings import structure, variant


@dataclass(frozen=True)
class Inner:
    rate: float = 0.5


@dataclass(frozen=True)
class Table:
    name: str
    count: int = 3
    rate: float = 0.5
    on: bool = False
    kind: Literal["fast", "slow"] = "fast"
    sizes: tuple[int, ...] = (1,)
    inner: Inner = Inner()
    many: tuple[Inner, ...] = ()
    perhaps: int | None = None
    free: Mapping[str, Any] | None = None


def made(**values: Any) -> Table:
    return structure(Table, {"name": "a", **values}, "study")


def test_defaults_live_in_the_dataclass() -> None:
    assert made() == Table("a")


def test_every_kind_of_value_is_read() -> None:
    table = made(count=4, rate=0.25, on=True, kind="slow", perhaps=7)
    assert table == Table("a", 4, 0.25, True, "slow", perhaps=7)


def test_a_whole_number_serves_as_a_number() -> None:
    rate = made(rate=2).rate
    assert (rate, type(rate)) == (2.0, float)


@pytest.mark.parametrize(("value", "sizes"), [(4, (4,)), ([4], (4,)), ([4, 2], (4, 2)), ([], ())])
def test_one_value_stands_for_a_tuple_of_one(value: Any, sizes: tuple[int, ...]) -> None:
    assert made(sizes=value).sizes == sizes


def test_tables_within_tables_are_dataclasses() -> None:
    assert made(inner={"rate": 1}, many=[{"rate": 2.0}, {}]).many == (Inner(2.0), Inner())
    assert made(inner={"rate": 1}).inner == Inner(1.0)


def test_a_free_table_is_taken_as_it_is() -> None:
    assert made(free={"any": [1, "b"]}).free == {"any": [1, "b"]}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"coumt": 1}, r"^\[study\] unknown key 'coumt'; did you mean 'count'\? known: count, free, inner, kind"),
        ({"count": "4"}, r"^study\.count is '4', text; expected a whole number$"),
        ({"count": 4.0}, r"^study\.count is 4\.0, a number; expected a whole number$"),
        ({"count": True}, r"^study\.count is True, true or false; expected a whole number$"),
        ({"rate": True}, r"^study\.rate is True, true or false; expected a number$"),
        ({"rate": "fast"}, r"^study\.rate is 'fast', text; expected a number$"),
        ({"on": 1}, r"^study\.on is 1, a whole number; expected true or false$"),
        ({"name": 3}, r"^study\.name is 3, a whole number; expected text$"),
        ({"kind": "fats"}, r"^study\.kind: unknown value 'fats'; did you mean 'fast'\? known: fast, slow$"),
        ({"sizes": [1, "2"]}, r"^study\.sizes\[1\] is '2', text; expected a whole number$"),
        ({"perhaps": "1"}, r"^study\.perhaps is '1', text; expected a whole number$"),
        ({"inner": {"rat": 1}}, r"^\[study\.inner\] unknown key 'rat'; did you mean 'rate'"),
        ({"many": [{}, {"rate": "x"}]}, r"^study\.many\[1\]\.rate is 'x', text; expected a number$"),
        ({"free": 3}, r"^study\.free is 3, a whole number; expected a table$"),
        ({"inner": 3}, r"^\[study\.inner\] is a whole number, expected a table$"),
    ],
    ids=lambda one: next(iter(one)) if isinstance(one, dict) else "",
)
def test_a_wrong_value_is_refused_with_its_place(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        made(**values)


def test_a_missing_key_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"^\[study\] has no 'name'; expected a value$"):
        structure(Table, {}, "study")


@pytest.mark.parametrize("value", [3, "text", [1], None])
def test_something_else_than_a_table_is_refused(value: Any) -> None:
    with pytest.raises(InputError, match=r"^\[study\] is .*, expected a table$"):
        structure(Table, value, "study")


def test_a_method_names_the_dataclass_that_its_table_fills() -> None:
    kinds: dict[str, type[Any]] = {"inner": Inner, "table": Table}
    assert variant(kinds, {"method": "inner", "rate": 0.25}, "study") == Inner(0.25)


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({"method": "iner"}, r"^\[study\] unknown method 'iner'; did you mean 'inner'\? known: inner$"),
        ({"rate": 0.5}, r"^\[study\] names no method; expected one of: inner$"),
        ({"method": "inner", "rat": 1}, r"^\[study\.inner\] unknown key 'rat'; did you mean 'rate'"),
    ],
    ids=["unknown", "none", "key"],
)
def test_a_wrong_method_or_parameter_is_refused(table: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        variant({"inner": Inner}, table, "study")
