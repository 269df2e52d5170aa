import json
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from samewhy_edge.errors import InputError
from samewhy_edge.tensors import DATATYPES, Tensor, packed, tensors_of, unpacked

SHAPES = st.lists(st.integers(0, 4), min_size=1, max_size=3).map(tuple)


def there_and_back(tensors: list[Tensor], binary: bool) -> list[Tensor]:
    body, length = packed({"id": "7"}, "inputs", tensors, binary)
    message = unpacked(body, None if length is None else str(length))
    assert message.head["id"] == "7"
    return tensors_of(message, "inputs")


@given(st.sampled_from(sorted(DATATYPES)), SHAPES, st.booleans(), st.integers(0, 2**32))
def test_tensors_come_back_bit_for_bit(datatype: str, shape: tuple[int, ...], binary: bool, seed: int) -> None:
    dtype = DATATYPES[datatype]
    words = np.random.default_rng(seed).integers(0, 256, (*shape, dtype.itemsize), np.uint8)
    values = words.view(dtype)[..., 0]
    if dtype.kind == "f":
        values = np.where(np.isfinite(values), values, dtype.type(0.1))
    (found,) = there_and_back([Tensor("x", values)], binary)
    assert (found.name, found.datatype) == ("x", datatype)
    assert found.values.dtype == values.dtype
    assert (found.values.shape, found.values.tobytes()) == (values.shape, values.tobytes())


def test_several_tensors_lie_behind_the_json_in_its_order() -> None:
    given = [Tensor("a", np.arange(3, dtype=np.int8)), Tensor("b", np.ones((2, 2), np.float32))]
    assert [one.values.tolist() for one in there_and_back(given, True)] == [[0, 1, 2], [[1, 1], [1, 1]]]


def test_bytes_are_little_endian_and_row_major_whatever_the_memory() -> None:
    values = np.arange(6, dtype=">f4").reshape(2, 3).T
    body, length = packed({}, "inputs", [Tensor("x", values)], True)
    assert body[length:] == np.array([0, 3, 1, 4, 2, 5], "<f4").tobytes()


def test_scores_that_are_not_finite_have_no_json_but_bytes() -> None:
    given = [Tensor("x", np.array([np.nan, np.inf], np.float32))]
    with pytest.raises(InputError, match="not finite have no JSON; ask for them as binary data"):
        packed({}, "inputs", given, False)
    assert np.isnan(there_and_back(given, True)[0].values[0])


def test_data_may_be_nested_or_flat() -> None:
    for data in ([1, 2, 3, 4], [[1, 2], [3, 4]]):
        body = json.dumps({"inputs": [{"name": "x", "shape": [2, 2], "datatype": "INT8", "data": data}]}).encode()
        assert tensors_of(unpacked(body, None), "inputs")[0].values.tolist() == [[1, 2], [3, 4]]


def tensor(**changed: Any) -> dict[str, Any]:
    return {"name": "x", "shape": [2], "datatype": "INT8", "data": [1, 2], **changed}


BAD: dict[str, tuple[Any, str]] = {
    "no JSON": (b"{", "the body is not JSON"),
    "no text": (b"\xff\xfe\x00", "the body is not JSON"),
    "too deep": (b"[" * 100_000, "the body is not JSON"),
    "digits": (b"1" * 5000, "the body is not JSON"),
    "a list": (b"[]", "the body is a JSON list, expected an object"),
    "no inputs": ({}, 'no "inputs" found; expected a list of tensors'),
    "inputs of words": ({"inputs": ["x"]}, 'no "inputs" found'),
    "no name": ({"inputs": [tensor(name=3)]}, "a tensor is named 3, expected a string"),
    "no datatype": ({"inputs": [tensor(datatype=None)]}, "tensor x: unknown datatype 'None'"),
    "text": ({"inputs": [tensor(datatype="BYTES")]}, "tensor x: unknown datatype 'BYTES'; .*known: FP16, FP32"),
    "no shape": ({"inputs": [tensor(shape="2")]}, "tensor x: shape 2; expected a list of whole numbers of at least 0"),
    "negative": ({"inputs": [tensor(shape=[-1])]}, r"tensor x: shape \[-1\]; expected"),
    "true": ({"inputs": [tensor(shape=[True])]}, r"tensor x: shape \[True\]"),
    "too few": ({"inputs": [tensor(data=[1])]}, r"tensor x: 1 values, expected 2 for shape \[2\]"),
    "huge": ({"inputs": [tensor(shape=[10**9, 10**9])]}, r"tensor x: 2 values, expected 10{18} "),
    "no data": ({"inputs": [tensor(data=None)]}, "tensor x: no data found; expected a list of numbers"),
    "uneven": ({"inputs": [tensor(data=[[1], [2, 3]])]}, "tensor x: data is nested unevenly"),
    "words": ({"inputs": [tensor(data=["1", "2"])]}, "tensor x: data holds .* values, expected whole numbers"),
    "booleans": ({"inputs": [tensor(data=[True, False])]}, "tensor x: data holds bool values, expected whole"),
    "nulls": ({"inputs": [tensor(datatype="FP32", data=[None, 1])]}, "tensor x: data holds object values"),
    "real codes": ({"inputs": [tensor(data=[1.5, 2])]}, "tensor x: data holds float64 values, expected whole numbers"),
    "out of range": ({"inputs": [tensor(data=[128, 0])]}, "data goes from 0 to 128, out of the range of INT8"),
    "long integers": ({"inputs": [tensor(data=[10**40, 0])]}, "tensor x: data holds object values"),
    "size of words": ({"inputs": [tensor(parameters={"binary_data_size": "2"})]}, "binary_data_size is 2, expected"),
    "negative size": ({"inputs": [tensor(parameters={"binary_data_size": -2})]}, "binary_data_size is -2, expected"),
    "both": ({"inputs": [tensor(parameters={"binary_data_size": 0})]}, "both data and binary_data_size"),
    "parameters": ({"inputs": [tensor(parameters=[])]}, "parameters are a list, expected an object"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_message_is_refused_with_a_sentence(kind: str) -> None:
    body, sentence = BAD[kind]
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(InputError, match=sentence):
        tensors_of(unpacked(content, None), "inputs")


def binary(size: int, behind: bytes) -> tuple[bytes, str]:
    row = {"name": "x", "shape": [2], "datatype": "INT8", "parameters": {"binary_data_size": size}}
    head = json.dumps({"inputs": [row]}).encode()
    return head + behind, str(len(head))


@pytest.mark.parametrize(
    ("size", "behind", "sentence"),
    [
        (3, b"123", r"tensor x: 3 bytes, expected 2 for shape \[2\] of INT8"),
        (2, b"1", "tensor x: 1 bytes, expected 2"),
        (2, b"123", "1 bytes behind the tensors; expected none"),
        (2**62, b"12", "-.* bytes behind the tensors|tensor x: "),
    ],
)
def test_bytes_that_do_not_fit_are_refused(size: int, behind: bytes, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        tensors_of(unpacked(*binary(size, behind)), "inputs")


@pytest.mark.parametrize("length", ["-1", "x", "1e3", "", "²", "9" * 30, "1000"])
def test_a_length_of_the_json_that_is_none_is_refused(length: str) -> None:
    with pytest.raises(InputError, match=r"Inference-Header-Content-Length is .*, expected at most the 2 bytes"):
        unpacked(b"{}", length)


def test_a_message_of_the_other_side_is_shortened_to_a_line() -> None:
    with pytest.raises(InputError) as refused:
        tensors_of(unpacked(json.dumps({"inputs": [tensor(name="a\nb" * 500, datatype=3)]}).encode(), None), "inputs")
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 300


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
ROWS = st.fixed_dictionaries(
    {},
    optional={
        "name": st.just("samples") | ANYTHING,
        "shape": st.lists(st.integers(-2, 9), max_size=5) | ANYTHING,
        "datatype": st.sampled_from([*DATATYPES, "BYTES"]) | ANYTHING,
        "data": st.lists(st.integers() | st.floats(), max_size=6) | ANYTHING,
        "parameters": st.fixed_dictionaries({}, optional={"binary_data_size": st.integers(-1, 9) | ANYTHING})
        | ANYTHING,
    },
)
HEADS = st.fixed_dictionaries({"inputs": st.lists(ROWS, max_size=3) | ANYTHING}) | ANYTHING
BODIES = st.binary(max_size=40) | st.tuples(
    HEADS.map(lambda head: json.dumps(head).encode()), st.binary(max_size=9)
).map(b"".join)
LENGTHS = st.none() | st.integers(-1, 200).map(str) | st.text(max_size=4)


@given(BODIES, LENGTHS)
@example(b'{"inputs":[]}', None)
def test_no_body_does_anything_but_be_read_or_be_refused(body: bytes, length: str | None) -> None:
    try:
        found = tensors_of(unpacked(body, length), "inputs")
    except InputError:
        return
    assert all(one.datatype in DATATYPES for one in found)
