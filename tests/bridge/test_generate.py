"""The folder that is written: whole, the same every time, and never over what others wrote."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samewhy_bridge.chips import chips
from samewhy_bridge.generate import generate, identifier
from samewhy_bridge.graph import graph_of, read_graph
from samewhy_bridge.kernel_files import C, closure
from samewhy_bridge.operators import TABLE
from samewhy_bridge.program import program_of
from samewhy_bridge.targets import STACK, TARGETS
from samewhy_edge.errors import InputError, OutputError
from tests.bridge.boards import needs_gcc
from tests.bridge.single_ops import single

DS_CNN = Path("models/fashion_ds_cnn/int8.tflite")
needs_cmake = pytest.mark.skipif(shutil.which("cmake") is None, reason="no cmake")
needs_arm_gcc = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="no arm-none-eabi-gcc")


def held(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("target", TARGETS)
def test_the_same_bytes_every_time_and_the_manifest_knows_them(target: str, tmp_path: Path) -> None:
    for name in ("one", "two"):
        generate(DS_CNN, target, None, tmp_path / name)
    files = held(tmp_path / "one")
    assert held(tmp_path / "two") == files
    manifest = json.loads(files.pop("manifest.json"))
    assert manifest["files"] == {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    assert manifest["model"]["sha256"] == hashlib.sha256(DS_CNN.read_bytes()).hexdigest()


def test_only_kernels_that_are_used_are_written(tmp_path: Path) -> None:
    generate(DS_CNN, "generic-c", None, tmp_path / "c")
    kernels = {path.stem for path in (tmp_path / "c" / "kernels").glob("*.c")}
    called = {"conv_2d", "copy", "depthwise_conv_2d", "fill", "fully_connected", "mean"}
    assert kernels == called | {"matmul", "rows", "sums", "window"}


def test_every_kernel_brings_what_it_includes() -> None:
    for path in (C / "kernels").glob("*.c"):
        files = closure([path.stem])
        for content in files.values():
            named = {line.split(b'"')[1].decode() for line in content.splitlines() if line.startswith(b'#include "')}
            assert {f"kernels/{name}" for name in named} <= set(files)


def test_a_folder_of_others_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match="did not generate; expected a new or empty folder"):
        generate(DS_CNN, "generic-c", None, tmp_path)
    assert list(held(tmp_path)) == ["thesis.txt"]


def test_a_second_run_takes_away_what_it_no_longer_writes_and_leaves_the_rest(tmp_path: Path) -> None:
    generate(DS_CNN, "cortex-m", None, tmp_path)
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "firmware.elf").write_text("built")
    generate(DS_CNN, "generic-c", None, tmp_path)
    files = held(tmp_path)
    assert "port/chip.ld" not in files
    assert "build/firmware.elf" in files
    assert json.loads(files["manifest.json"])["target"] == "generic-c"


def test_a_manifest_cannot_make_it_delete_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "outside.txt").write_text("stays")
    generate(DS_CNN, "generic-c", None, tmp_path / "c")
    manifest = json.loads((tmp_path / "c" / "manifest.json").read_text())
    manifest["files"] |= {"../outside.txt": "", str(tmp_path / "outside.txt"): ""}
    (tmp_path / "c" / "manifest.json").write_text(json.dumps(manifest))
    generate(DS_CNN, "generic-c", None, tmp_path / "c")
    assert (tmp_path / "outside.txt").exists()


def test_wrong_names_are_answered_with_the_right_ones(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean 'cortex-m'"):
        generate(DS_CNN, "cortex_m", None, tmp_path)
    with pytest.raises(InputError, match="unknown chip"):
        generate(DS_CNN, "cortex-m", "lm3s9999", tmp_path)
    with pytest.raises(InputError, match="is for no chip"):
        generate(DS_CNN, "generic-c", "lm3s6965", tmp_path)


def test_names_of_files_become_names_of_c() -> None:
    assert identifier("7 mobile-net v2") == "samewhy_7_mobile_net_v2"


def test_a_name_in_the_file_ends_no_comment_and_no_string() -> None:
    from samewhy_bridge.emit import sources

    graph = graph_of(single("RELU", 0), 'a*/ "; int x[] = {')
    text = sources(program_of(graph))["samewhy_model.c"].decode()
    assert '.name = "a_/ _; int x__ _ _",' in text


def test_every_operator_of_the_table_has_a_test_against_tflite_micro() -> None:
    from tests.bridge.single_ops import KINDS

    same = {"EXPAND_DIMS": "RESHAPE", "SQUEEZE": "RESHAPE", "SPLIT_V": "SPLIT"}
    tested = {kind.partition(" ")[0] for kind in KINDS}
    assert {same.get(kind, kind) for kind in TABLE} <= tested


def test_the_size_report_adds_up(tmp_path: Path) -> None:
    made = generate(DS_CNN, "generic-c", None, tmp_path)
    program = program_of(read_graph(DS_CNN))
    rows = (tmp_path / "size.txt").read_text().splitlines()[7:]
    columns = np.array([[int(word.replace(",", "")) for word in row.split()[-3:]] for row in rows])
    assert columns[:, 0].sum() == made["macs"] == program.macs
    assert columns[:, 1].sum() == made["constant_bytes"]
    assert columns[:, 2].max() == program.arena.least


@needs_gcc
@needs_cmake
def test_cmake_builds_it_here_and_it_answers(tmp_path: Path) -> None:
    generate(DS_CNN, "generic-c", None, tmp_path)
    cmake(tmp_path)
    done = subprocess.run([tmp_path / "build" / "samewhy"], input=b"name%", capture_output=True, check=False)
    assert b"m-ready" in done.stdout


@needs_arm_gcc
@needs_cmake
def test_cmake_builds_firmware_that_is_little_more_than_its_constants(tmp_path: Path) -> None:
    made = generate(DS_CNN, "cortex-m", "mps2-an386", tmp_path)
    cmake(tmp_path, "-DCMAKE_TOOLCHAIN_FILE=arm-none-eabi.cmake")
    flash, ram = used(tmp_path / "build" / "firmware.elf")
    assert flash <= made["constant_bytes"] + 10 * 1024
    assert ram <= made["arena_bytes"] + 4 * 1024 + STACK


@needs_arm_gcc
@needs_cmake
def test_what_does_not_fit_the_chip_does_not_link(tmp_path: Path) -> None:
    generate(Path("models/person_detect/int8.tflite"), "cortex-m", "lm3s6965", tmp_path)
    with pytest.raises(subprocess.CalledProcessError) as failed:
        cmake(tmp_path, "-DCMAKE_TOOLCHAIN_FILE=arm-none-eabi.cmake")
    assert "region `ram' overflowed" in failed.value.stdout + failed.value.stderr


def cmake(folder: Path, *settings: str) -> None:
    for words in ([*settings, "-S", ".", "-B", "build"], ["--build", "build"]):
        subprocess.run(["cmake", *words], cwd=folder, check=True, capture_output=True, text=True)


def used(elf: Path) -> tuple[int, int]:
    """Bytes of flash and of RAM."""
    said = subprocess.run(["arm-none-eabi-size", elf], check=True, capture_output=True, text=True).stdout
    text, data, bss = map(int, said.splitlines()[1].split()[:3])
    return text + data, data + bss


def test_chips_have_a_port_and_flags() -> None:
    for chip in chips().values():
        assert (C / "port" / chip.port).is_file()
        assert chip.flags.startswith("-mcpu=")


def test_the_verb_says_what_it_wrote(tmp_path: Path, capsys: Any) -> None:
    from samewhy_bridge.cli_generate import generate as verb

    verb(DS_CNN, tmp_path)
    assert "12 operators by 6 kernels" in capsys.readouterr().out
