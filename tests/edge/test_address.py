from pathlib import Path

import pytest

from samewhy_edge.address import Address, parse_address
from samewhy_edge.errors import AddressError, ArtifactError


def test_an_address_is_taken_apart() -> None:
    found = parse_address("litert:some/model.tflite?kernels=reference&threads=2")
    assert found == Address("litert", Path("some/model.tflite"), {"kernels": "reference", "threads": "2"})


def test_options_may_be_absent() -> None:
    assert parse_address("litert:model.tflite").options == {}


def test_only_the_first_colon_ends_the_runtime() -> None:
    assert parse_address("litert:folder:a/model.tflite").path == Path("folder:a/model.tflite")


def test_an_option_without_a_value_is_not_dropped() -> None:
    assert parse_address("litert:model.tflite?kernels=").options == {"kernels": ""}


@pytest.mark.parametrize("text", ["model.tflite", ":model.tflite", "litert:", "litert:?kernels=xnnpack", ""])
def test_an_address_without_runtime_or_path_is_refused(text: str) -> None:
    with pytest.raises(AddressError, match=r"expected runtime:path, for example litert:model\.tflite"):
        parse_address(text)


def test_an_unknown_option_is_refused_with_the_nearest_known_one() -> None:
    with pytest.raises(AddressError, match=r"'kernel'; did you mean 'kernels'\? known: kernels, threads"):
        parse_address("litert:m.tflite?kernel=xnnpack").only("kernels", "threads")


def test_known_options_pass() -> None:
    parse_address("litert:m.tflite?kernels=xnnpack").only("kernels", "threads")


def test_the_first_choice_is_the_default() -> None:
    assert parse_address("litert:m.tflite").choice("kernels", ("xnnpack", "builtin")) == "xnnpack"


def test_a_given_choice_wins() -> None:
    assert parse_address("litert:m.tflite?kernels=builtin").choice("kernels", ("xnnpack", "builtin")) == "builtin"


@pytest.mark.parametrize("value", ["xnn", "", "XNNPACK"])
def test_another_choice_is_refused_with_all_known_ones(value: str) -> None:
    with pytest.raises(AddressError, match="known: builtin, xnnpack"):
        parse_address(f"litert:m.tflite?kernels={value}").choice("kernels", ("xnnpack", "builtin"))


def test_a_count_is_read_or_its_default_taken() -> None:
    found = parse_address("litert:m.tflite?threads=12&least=1")
    assert [found.count(*option) for option in (("threads", 1), ("workers", 3), ("least", 2))] == [12, 3, 1]


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "two", "", "²"])
def test_a_count_below_one_or_no_number_is_refused(value: str) -> None:
    with pytest.raises(AddressError, match=f"threads={value}: expected a whole number of at least 1"):
        Address("litert", Path("m"), {"threads": value}).count("threads", 1)


def test_what_stands_behind_the_runtime_is_kept_as_it_was_written() -> None:
    rest = "http://a:8080//m?x=1,http://b:8080/m?y=2&z=?"
    assert parse_address(f"fleet:{rest}").rest == rest


def test_a_number_is_read_or_its_default_taken() -> None:
    found = parse_address("http://h/m?timeout=0.5")
    assert (found.number("timeout", 60), found.number("pause", 2)) == (0.5, 2)


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "soon", ""])
def test_a_number_that_is_not_above_nought_is_refused(value: str) -> None:
    with pytest.raises(AddressError, match=f"timeout={value}: expected a number above 0"):
        Address("http", Path("m"), {"timeout": value}).number("timeout", 60)


def test_sizes_are_read_where_they_are_given() -> None:
    assert parse_address("http://h/m?sample=28x28x1").sizes("sample") == (28, 28, 1)
    assert parse_address("http://h/m").sizes("sample") is None


@pytest.mark.parametrize("value", ["28x", "x28", "28X28", "0x28", "-1x28", "²x3", ""])
def test_sizes_that_are_none_are_refused(value: str) -> None:
    with pytest.raises(AddressError, match=f"sample={value}: expected sizes such as 28x28x1"):
        Address("http", Path("m"), {"sample": value}).sizes("sample")


def test_an_option_that_makes_no_sense_is_refused_with_the_reason() -> None:
    parse_address("http://h/m?scale=2").never("x holds codes", "zero_point")
    with pytest.raises(AddressError, match="scale=2: x holds real numbers; leave it out"):
        parse_address("http://h/m?scale=2").never("x holds real numbers", "zero_point", "scale")


def test_a_file_that_exists_is_its_path(tmp_path: Path) -> None:
    (tmp_path / "m.tflite").touch()
    assert parse_address(f"litert:{tmp_path}/m.tflite").file() == tmp_path / "m.tflite"


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="found no file, expected a model file"):
        parse_address(f"litert:{tmp_path}/m.tflite").file()
    with pytest.raises(ArtifactError, match="found a folder, expected a model file"):
        parse_address(f"litert:{tmp_path}").file()
