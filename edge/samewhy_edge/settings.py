"""Tables of settings to frozen dataclasses: an unknown key or a value of another type is refused with a sentence."""

import tomllib
import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from samewhy_edge.errors import InputError, unknown

T = TypeVar("T")


def read_toml(path: Path, expected: str) -> tuple[dict[str, Any], bytes]:
    """The table of a file, and its bytes.

    Raises:
        InputError: no such file (`expected` says what was looked for), or no TOML.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such {expected}")
    content = path.read_bytes()
    try:
        return tomllib.loads(content.decode()), content
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not readable as TOML: {error}") from error


def structure(kind: type[T], table: Any, where: str, base: T | None = None) -> T:
    """An instance of the dataclass `kind` from a table; defaults live in the dataclass alone.

    Keys that the table leaves out keep what `base` has: the default that an outer dataclass gives to a field.

    Raises:
        InputError: an unknown or missing key, or a value of another type; `where` says in which table.
    """
    if not isinstance(table, Mapping):
        raise InputError(f"[{where}] is {_name(table)}, expected a table")
    hints = get_type_hints(kind)
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]  # T is a dataclass by contract
    for name in table:
        if name not in known:
            raise InputError(f"[{where}] {unknown('key', name, known)}")
    values = {
        name: structure(hints[name], value, f"{where}.{name}", default_of(known[name]))
        if is_dataclass(hints[name])
        else convert(hints[name], value, f"{where}.{name}")
        for name, value in table.items()
    }
    if base is not None:
        return replace(base, **values)  # type: ignore[type-var]  # as above
    missing = [repr(name) for name, field in known.items() if is_required(field) and name not in values]
    if missing:
        raise InputError(f"[{where}] has no {', no '.join(missing)}; expected a value")
    return kind(**values)


def is_required(field: Field[Any]) -> bool:
    """Whether a dataclass has no value for a field of its own."""
    return field.default is MISSING and field.default_factory is MISSING


def default_of(field: Field[Any]) -> Any:
    """What a field of a dataclass is without a value, or None."""
    return None if field.default_factory is MISSING else field.default_factory()


def variant(kinds: Mapping[str, type[T]], table: Mapping[str, Any], where: str) -> T:
    """An instance of the dataclass that ``method`` names, from ``{"method": name, ...}``.

    Raises:
        InputError: no method, an unknown one, or a parameter that it does not have.
    """
    method = str(table.get("method", ""))
    if not method:
        raise InputError(f"[{where}] names no method; expected one of: {', '.join(sorted(kinds))}")
    if method not in kinds:
        raise InputError(f"[{where}] {unknown('method', method, kinds)}")
    return structure(
        kinds[method], {key: value for key, value in table.items() if key != "method"}, f"{where}.{method}"
    )


def convert(hint: Any, value: Any, where: str) -> Any:
    """`value` as `hint`: a dataclass, a tuple of one type, a literal, an optional, a union or a plain type.

    A union of plain types and dataclasses with a `method` takes a plain value, the name of a method that needs no
    parameters, or a table with ``method`` and parameters.

    Raises:
        InputError: the value is of another type.
    """
    origin, inner = get_origin(hint), get_args(hint)
    methods = {one.method: one for one in inner if hasattr(one, "method")}
    if methods:
        return _one_of(methods, [one for one in inner if not hasattr(one, "method")], value, where)
    if origin in (Union, types.UnionType):
        return convert(next(one for one in inner if one is not types.NoneType), value, where)
    if origin is Literal:
        if value not in inner:
            raise InputError(f"{where}: {unknown('value', str(value), map(str, inner))}")
        return value
    if origin is tuple:  # one value stands for a tuple of one
        items = value if isinstance(value, list) else [value]
        return tuple(convert(inner[0], item, f"{where}[{i}]") for i, item in enumerate(items))
    if is_dataclass(hint):
        return structure(hint, value, where)  # type: ignore[arg-type]
    if origin in (dict, Mapping) and isinstance(value, Mapping):
        return value
    if origin in (dict, Mapping):
        raise InputError(f"{where} is {value!r}, {_name(value)}; expected a table")
    return _plain(hint, value, where)


def _one_of(methods: Mapping[str, Any], plain: list[Any], value: Any, where: str) -> Any:
    if isinstance(value, str):
        return variant(methods, {"method": value}, where)
    return variant(methods, value, where) if isinstance(value, Mapping) else convert(plain[0], value, where)


def _plain(hint: Any, value: Any, where: str) -> Any:
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:  # a bool is an int to isinstance
        raise InputError(f"{where} is {value!r}, {_name(value)}; expected {_NAMES.get(hint, hint.__name__)}")
    return value


_NAMES = {int: "a whole number", float: "a number", str: "text", bool: "true or false", dict: "a table", list: "a list"}


def _name(value: Any) -> str:
    return _NAMES.get(type(value), type(value).__name__)
