"""Folders for ecosystems: whole, the same bytes every time, and compiled against stubs of the vendors' libraries.

The stubs (`vendors/`) stand on this machine's own port, so that the programs run and are asked over a socket: the same
calls that a board would make, none of its timing.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samewhy_bridge.build import C
from samewhy_bridge.device import device_of, open_tcp
from samewhy_bridge.generate import generate
from samewhy_bridge.targets import TARGETS
from samewhy_edge.address import parse_address
from samewhy_edge.differ import differ
from samewhy_edge.errors import InputError
from samewhy_edge.predictor import Subject
from samewhy_edge.rung import artifact
from tests.bridge.boards import needs_gcc
from tests.golden import FILES

VENDORS = Path(__file__).parent / "vendors"
MODEL = FILES / "image_int8.tflite"
ECOSYSTEMS = ("arduino", "esp-idf", "zephyr", "pico")
FLAGS = ("-O1", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")

needs_cmake = pytest.mark.skipif(shutil.which("cmake") is None, reason="no cmake: apt-get install cmake")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every target's folder, by its name."""
    place = tmp_path_factory.mktemp("made")
    for target in ECOSYSTEMS:
        generate(MODEL, target, None, place / target)
    return place


def program(folder: Path, target: str, *more: str) -> Path:
    """A folder's sources and a stub of the vendor's library, as a program of this machine."""
    vendor = VENDORS / target
    stub = vendor / ("stub.cpp" if target in ("arduino", "tflm") else "stub.c")
    sketch = [path for path in folder.rglob("*.ino") if path.stem == "serve"]
    sources = [*folder.rglob("*.c"), *folder.rglob("*.cc"), *folder.rglob("*.cpp"), *sketch, stub, VENDORS / "host.c"]
    places = [vendor, C, C / "wire", *{path.parent for path in folder.rglob("*.h")}]
    if target == "arduino":  # a library has the folder src alone on its path
        places = [vendor, folder / "src", C, C / "wire"]
    objects = []
    for number, source in enumerate(sorted(sources)):
        language = "c" if source.suffix == ".c" else "c++"
        extra = ["-include", "Arduino.h"] if source.suffix == ".ino" else []
        standard = "-std=gnu11" if language == "c" else "-std=gnu++17"
        objects.append(folder.parent / f"{folder.name}-{number}.o")
        command = ["gcc", standard, "-x", language, *extra, *FLAGS, *more, *(f"-I{place}" for place in places)]
        subprocess.run([*command, "-c", str(source), "-o", str(objects[-1])], check=True)
    path = folder.parent / f"{folder.name}.program"
    subprocess.run(["g++", *FLAGS, *map(str, objects), "-o", str(path)], check=True)
    return path


@contextmanager
def asked(path: Path) -> Iterator[Subject]:
    """A program as a predictor; it must not have complained when it ends."""
    with subprocess.Popen(
        [path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "SAMEWHY_PORT": "0"}
    ) as process:
        try:
            assert process.stdout
            subject = open_tcp(parse_address(process.stdout.readline().strip()))
            yield subject
            device_of(subject).link.close()
        finally:
            process.kill()
            said = process.stderr.read() if process.stderr else ""
    assert not said, said


def samples(count: int = 5) -> Any:
    return np.random.default_rng(0).uniform(-1, 1, (count, 8, 8, 1)).astype(np.float32)


@needs_gcc
@pytest.mark.parametrize(
    ("target", "flags", "machine"),
    [
        ("arduino", ('-DARDUINO_BOARD="a stub"',), "a stub"),
        ("esp-idf", ('-DSAMEWHY_MACHINE="esp32"',), "esp32"),
        ("esp-idf", ('-DSAMEWHY_MACHINE="esp32c3"', "-DCONFIG_ESP_CONSOLE_USB_SERIAL_JTAG=1"), "esp32c3"),
        ("zephyr", ("-DSAMEWHY_MACHINE=CONFIG_BOARD", "-include", "zephyr/kernel.h"), "a stub of Zephyr"),
        ("pico", ('-DSAMEWHY_MACHINE="pico2"', "-DSAMEWHY_ROOM=256u"), "pico2"),
    ],
    ids=["arduino", "esp-idf", "esp-idf usb", "zephyr", "pico"],
)
def test_the_port_of_an_ecosystem_answers_what_tflite_micro_does(
    target: str, flags: tuple[str, ...], machine: str, folders: Path
) -> None:
    tflm = pytest.importorskip("samewhy_bridge.tflm")
    known = tflm.open_tflm(parse_address(f"tflm:{MODEL}"))
    with asked(program(folders / target, target, *flags)) as board:
        assert board.spec.rung.machine == machine
        assert board.spec.rung.artifact == artifact(MODEL)
        assert board(samples()).tobytes() == known(samples()).tobytes()
        assert differ(known, board, samples())["first_diverging"] is None


@needs_gcc
def test_sketches_compile(folders: Path) -> None:
    for sketch in (folders / "arduino").rglob("*.ino"):
        places = [VENDORS / "arduino", folders / "arduino" / "src"]
        command = ["gcc", "-fsyntax-only", "-std=gnu++11", "-x", "c++", "-include", "Arduino.h", "-Wall", "-Werror"]
        subprocess.run([*command, *(f"-I{place}" for place in places), str(sketch)], check=True)


@pytest.mark.parametrize("target", ECOSYSTEMS)
def test_a_folder_is_the_same_every_time(target: str, folders: Path, tmp_path: Path) -> None:
    generate(MODEL, target, None, tmp_path / "again")
    first, second = (
        {path.relative_to(place).as_posix(): path.read_bytes() for path in place.rglob("*") if path.is_file()}
        for place in (folders / target, tmp_path / "again")
    )
    assert first == second
    manifest = json.loads(first["manifest.json"])
    assert set(manifest["files"]) == set(first) - {"manifest.json"}
    assert manifest["target"] == target


@pytest.mark.parametrize(
    ("target", "place", "lists"),
    [
        ("esp-idf", "components/samewhy_image_int8", ["components/samewhy_image_int8/CMakeLists.txt"]),
        ("zephyr", "", ["CMakeLists.txt", "zephyr/CMakeLists.txt"]),
        ("pico", "", ["CMakeLists.txt"]),
    ],
)
def test_every_source_is_built_and_is_there(target: str, place: str, lists: list[str], folders: Path) -> None:
    root, told = folders / target, set()
    for one in lists:
        below = (root / one).parent
        names = re.findall(r"[\w./-]+\.c\b", (root / one).read_text())
        told |= {(below / name).resolve() for name in names}
    assert told == {path.resolve() for path in (root / place).rglob("*.c")}


@needs_cmake
@pytest.mark.parametrize(
    ("target", "variable", "made"),
    [
        ("esp-idf", "IDF_PATH", {"samewhy_image_int8", "main"}),
        ("zephyr", "ZEPHYR_BASE", {"app", "samewhy_model"}),
        ("pico", "PICO_SDK_PATH", {"firmware", "samewhy_model"}),
    ],
)
def test_cmake_takes_a_folder(target: str, variable: str, made: set[str], folders: Path, tmp_path: Path) -> None:
    """With a stub of the vendor's functions, so that a name or a list that is wrong is found."""
    query = tmp_path / ".cmake/api/v1/query/codemodel-v2"
    query.parent.mkdir(parents=True)
    query.touch()
    environment = {**os.environ, variable: str(VENDORS / target)}
    command = ["cmake", "-S", str(folders / target), "-B", str(tmp_path), "-Wno-dev"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    replies = (json.loads(path.read_text()) for path in (tmp_path / ".cmake/api/v1/reply").glob("target-*.json"))
    found = {one["name"]: {source["path"] for source in one.get("sources", ())} for one in replies}
    assert made <= set(found)
    told = {path for name in made for path in found[name] if path.endswith(".c")}
    assert told == {path.relative_to(folders / target).as_posix() for path in (folders / target).rglob("*.c")}


def test_no_template_is_left_unfilled(folders: Path) -> None:
    for path in folders.rglob("*"):
        if path.suffix in (".txt", ".yml", ".yaml", ".ino", ".properties", ".conf") or path.name == "Kconfig":
            assert not re.search(r"\$(?!ENV)\w|\$\{[a-z]|\$\$", path.read_text()), path


def test_a_file_with_a_strange_name_breaks_no_settings(tmp_path: Path) -> None:
    (tmp_path / 'a"b: #1.tflite').write_bytes(MODEL.read_bytes())
    for target in ("esp-idf", "zephyr", "arduino"):
        generate(tmp_path / 'a"b: #1.tflite', target, None, tmp_path / target)
    assert "The network a_b___1 as" in (tmp_path / "esp-idf/components/samewhy_a_b_1/idf_component.yml").read_text()


def test_no_two_things_have_one_name_whatever_the_file_is_called(tmp_path: Path) -> None:
    """`model.tflite` becomes samewhy_model, as generated files and libraries are called already."""
    (tmp_path / "model.tflite").write_bytes(MODEL.read_bytes())
    for target in ("arduino", "pico"):
        generate(tmp_path / "model.tflite", target, None, tmp_path / target)
    assert "samewhy_invoke" not in (tmp_path / "arduino/src/samewhy_model_arduino.h").read_text()
    assert "SAMEWHY_INPUT_BYTES" in (tmp_path / "arduino/src/samewhy_model.h").read_text()
    names = re.findall(r"add_(?:library|executable)\((\w+)", (tmp_path / "pico/CMakeLists.txt").read_text())
    assert sorted(names) == ["firmware", "samewhy_model"]


def test_an_arduino_library_tells_its_ide_what_it_is(folders: Path) -> None:
    lines = (folders / "arduino/library.properties").read_text().splitlines()
    told = dict(line.split("=", 1) for line in lines)
    wanted = ("name", "version", "author", "maintainer", "sentence", "paragraph", "category", "url", "architectures")
    assert set(wanted) <= set(told)
    assert (folders / "arduino/src" / told["includes"]).is_file()


def test_targets_that_are_for_no_chip_say_so(tmp_path: Path) -> None:
    assert set(ECOSYSTEMS) < set(TARGETS)
    with pytest.raises(InputError, match="--chip lm3s6965: target pico is for no chip"):
        generate(MODEL, "pico", "lm3s6965", tmp_path / "out")
