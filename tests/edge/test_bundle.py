import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samewhy_edge.bundle import INDEX, unpack
from samewhy_edge.errors import InputError
from samewhy_edge.explain import explainer_from
from samewhy_edge.fill import Background
from tests.edge.bundles import AUDITED, FILE, TABLES, members, write_bundle


def rewritten(path: Path, **changed: bytes | None) -> Path:
    """The bundle with members changed behind its back: None takes one away."""
    with zipfile.ZipFile(path) as archive:
        known = {name: archive.read(name) for name in archive.namelist()}
    names = {name.replace("__", "/").replace("_DOT_", "."): data for name, data in changed.items()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in (known | names).items():
            if data is not None:
                archive.writestr(name, data)
    return path


def test_what_was_packed_is_found_again(tmp_path: Path) -> None:
    bundle = unpack(write_bundle(tmp_path / "made.samewhy"), tmp_path / "there")
    index, known = members()
    assert bundle.index.rungs == index.rungs
    assert bundle.index.explainers == index.explainers
    assert bundle.model(bundle.index.rungs[0]).read_bytes() == FILE.read_bytes()
    assert len(bundle.samples) == len(bundle.targets) == len(AUDITED)
    np.testing.assert_array_equal(bundle.samples, bundle.test["samples"][list(AUDITED)])
    assert bundle.layers("int8-xnnpack") is None
    layers = bundle.layers("int8-reference")
    assert layers is not None
    assert layers[-1].values.shape == (2, 1, 10)
    assert set(bundle.index.members) == set(known)


def test_equal_contents_give_equal_bytes(tmp_path: Path) -> None:
    one, two = (write_bundle(tmp_path / f"{name}.samewhy") for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_explainers_find_their_files_in_the_bundle(tmp_path: Path) -> None:
    bundle = unpack(write_bundle(tmp_path / "made.samewhy"), tmp_path / "there")
    first, second = bundle.index.explainers
    assert bundle.explainer(first) == explainer_from(TABLES[0])
    fill = bundle.explainer(second).fill
    assert isinstance(fill, Background)
    assert Path(fill.file).parent == tmp_path / "there" / "files"
    assert bundle.deciding(first) is None
    assert bundle.deciding(second) is not None


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"test_DOT_npz": b"other"}, "damaged in the bundle: test.npz"),
        ({"models__int8_DOT_tflite": None}, "missing in the bundle: models/int8.tflite"),
        ({"virus": b"!"}, "unknown in the bundle: virus"),
        ({"bundle_DOT_json": None}, "no readable bundle.json"),
        ({"bundle_DOT_json": b"{"}, "no readable bundle.json"),
        ({"bundle_DOT_json": b"[]"}, "no readable bundle.json"),
        ({"bundle_DOT_json": json.dumps({"schema": 99}).encode()}, "bundle schema 99, expected 1"),
        ({"bundle_DOT_json": json.dumps({"schema": 1}).encode()}, "no readable bundle.json"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_not_whole_is_refused_and_nothing_is_laid_down(
    changed: dict[str, bytes | None], message: str, tmp_path: Path
) -> None:
    path = rewritten(write_bundle(tmp_path / "made.samewhy"), **changed)
    with pytest.raises(InputError, match=message):
        unpack(path, tmp_path / "there")
    assert not (tmp_path / "there").exists()


@pytest.mark.parametrize("name", ["../out", "/etc/out", "a/../../out", "a\\out"])
def test_names_that_lead_out_of_the_folder_are_refused(name: str, tmp_path: Path) -> None:
    path = rewritten(write_bundle(tmp_path / "made.samewhy"), **{name: b"!"})
    with pytest.raises(InputError, match="expected files of a bundle"):
        unpack(path, tmp_path / "there")


def test_what_is_no_zip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "made.samewhy").write_bytes(b"not a zip")
    with pytest.raises(InputError, match="not readable as a bundle"):
        unpack(tmp_path / "made.samewhy", tmp_path / "there")
    with pytest.raises(InputError, match="no such file; expected a bundle"):
        unpack(tmp_path / "other.samewhy", tmp_path / "there")


@given(place=st.integers(0, 10**9), bit=st.integers(0, 7))
def test_a_flipped_bit_is_seen_or_harmless(place: int, bit: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("flip")
    path = write_bundle(folder / "made.samewhy")
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= 1 << bit
    path.write_bytes(content)
    try:
        found = unpack(path, folder / "there")
    except InputError:
        return
    index, known = members()
    assert found.index.rungs == index.rungs, "an index that changed must be refused by its own digests or its form"
    assert {name: (folder / "there" / name).read_bytes() for name in known} == known


def test_a_member_is_named(tmp_path: Path) -> None:
    bundle = unpack(write_bundle(tmp_path / "made.samewhy"), tmp_path / "there")
    with pytest.raises(InputError, match=r"no maps/board--occlusion\.npz in the bundle"):
        bundle.maps("board", "occlusion")
    assert INDEX not in bundle.index.members
