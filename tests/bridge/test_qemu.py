"""Firmware on boards that QEMU emulates, asked by their serial line and through their debugger."""

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from samewhy_bridge import build
from samewhy_bridge.build import built
from samewhy_bridge.cli import firmware
from samewhy_bridge.device import device_of, open_tcp
from samewhy_bridge.frames import Frame, Kind, Reader
from samewhy_bridge.gdb import open_gdb
from samewhy_bridge.machines import MACHINES, machine_named
from samewhy_bridge.qemu import Board, measured, open_qemu, started
from samewhy_edge.address import parse_address
from samewhy_edge.errors import AddressError, ArtifactError, ExtraError, InputError, WireError
from samewhy_edge.predictor import Subject, open_predictor
from samewhy_edge.testing import check_predictor
from tests.bridge.boards import BOARD, needs_arm, scores, some_codes


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project, built once for each machine."""
    return shutil.copytree(BOARD, tmp_path_factory.mktemp("project") / "hash")


@pytest.fixture
def board(project: Path) -> Iterator[Board]:
    found = started(built(project, MACHINES["mps2-an386"]).elf, MACHINES["mps2-an386"], gdb=True)
    yield found
    found.stop()


def decoded(codes: np.ndarray) -> np.ndarray:
    return (scores(codes).astype(np.float32) - 3) / 16


def asked(subject: Subject, codes: np.ndarray) -> np.ndarray:
    assert subject.coded is not None
    return subject.coded(codes)


@needs_arm
@pytest.mark.parametrize("machine", MACHINES)
def test_every_machine_answers_as_the_model_does(project: Path, machine: str) -> None:
    subject, codes = open_predictor(f"qemu:{project}?machine={machine}"), some_codes(6)
    np.testing.assert_array_equal(asked(subject, codes), decoded(codes))
    told = subject.spec.rung.machine
    assert told.startswith(f"{MACHINES[machine].core} ({machine}), emulated by QEMU ")
    assert subject.spec.rung.artifact.bytes == 4321
    count = measured(subject, MACHINES[machine])
    assert 4 * 7840 < count < 10 * 7840  # steps of the hash, of some instructions each
    assert measured(subject, MACHINES[machine]) == pytest.approx(count, abs=2 * MACHINES[machine].instructions)


@needs_arm
@pytest.mark.parametrize("machine", ["mps2-an386", "lm3s6965evb"])
def test_more_than_a_board_keeps_waits_in_front_of_it(tmp_path: Path, machine: str) -> None:
    """Four questions at once, three times what the ring holds, to a board that is busy with the first."""
    codes, slow = some_codes(4), shutil.copytree(BOARD, tmp_path / "slow")
    board = started(built(slow, MACHINES[machine], {"TIMES": "30000"}).elf, MACHINES[machine])
    try:
        with socket.create_connection(("127.0.0.1", board.port), timeout=60) as line:
            line.sendall(b"".join(Frame(Kind.QUERY, n, row.tobytes()).packed() for n, row in enumerate(codes)))
            reader, found = Reader(), []
            while len(found) < len(codes):
                found += [one for one in reader.feed(line.recv(4096)) if isinstance(one, Frame)]
    finally:
        board.stop()
    assert [one.sequence for one in found] == list(range(len(codes)))
    np.testing.assert_array_equal([np.frombuffer(one.body[4:-4], np.int8) for one in found], scores(codes))


@needs_arm
def test_layers_come_from_the_board_too(project: Path) -> None:
    subject = open_predictor(f"qemu:{project}")
    assert subject.layers is not None
    found = subject.layers(np.zeros((2, 28, 28, 1), np.float32))
    np.testing.assert_array_equal(found[1].values, scores(np.full((2, 784), -128, np.int8)))


@needs_arm
def test_a_build_is_made_once_and_again_when_a_source_changes(project: Path, tmp_path: Path) -> None:
    copy, machine = shutil.copytree(project, tmp_path / "copy"), MACHINES["mps2-an386"]
    first = built(copy, machine)
    before = first.elf.stat().st_mtime_ns
    assert built(copy, machine) == first
    assert first.elf.stat().st_mtime_ns == before
    assert 5000 < first.flash < 9000
    source = copy / "samewhy_model.c"
    source.write_text(source.read_text().replace("#define MARK 1", "#define MARK 2"))
    again = built(copy, machine)
    assert again.elf.stat().st_mtime_ns != before
    codes = some_codes(2)
    subject = open_predictor(f"qemu:{copy}")
    np.testing.assert_array_equal(asked(subject, codes), (scores(codes, 2).astype(np.float32) - 3) / 16)


@needs_arm
def test_a_model_that_does_not_fit_does_not_link(project: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(project, tmp_path / "copy")
    header = copy / "samewhy_model.h"
    header.write_text(header.read_text().replace("ARENA_BYTES 1608u", "ARENA_BYTES 65000u"))
    built(copy, MACHINES["mps2-an385"])
    with pytest.raises(InputError, match=r"lm3s6965evb: 256 KiB flash, 64 KiB RAM: .*overflowed"):
        built(copy, MACHINES["lm3s6965evb"])


def test_a_folder_that_is_no_project_and_a_machine_that_is_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no samewhy_model.h in it; expected a project that samewhy firmware gen"):
        built(tmp_path, MACHINES["mps2-an386"])
    with pytest.raises(InputError, match="unknown machine 'mps2-an387'; did you mean 'mps2-an386'"):
        machine_named("mps2-an387")
    with pytest.raises(AddressError, match="unknown machine 'pdp11'"):
        open_qemu(parse_address(f"qemu:{tmp_path}?machine=pdp11"))


def test_what_is_not_installed_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(build.shutil, "which", lambda name: None)
    build.version.cache_clear()
    (tmp_path / "samewhy_model.h").touch()
    with pytest.raises(ExtraError, match="apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi"):
        built(tmp_path, MACHINES["mps2-an386"])
    with pytest.raises(ExtraError, match=r"qemu-system-arm is not installed; .*apt-get install qemu-system-arm"):
        started(tmp_path / "firmware.elf", MACHINES["mps2-an386"])


@needs_arm
def test_an_emulator_ends_with_whoever_opened_it(project: Path) -> None:
    subject = open_predictor(f"qemu:{project}")
    process = device_of(subject).link.opener.board.process  # type: ignore[attr-defined]
    assert process.poll() is None
    del subject
    assert process.wait(10) is not None


@needs_arm
def test_an_emulator_ends_when_its_process_is_killed(project: Path) -> None:
    lines = (
        "import time; from samewhy_edge.predictor import open_predictor\n"
        f"subject = open_predictor('qemu:{project}'); board = subject.ask.link.opener.board\n"
        "print(board.port, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", lines], stdout=subprocess.PIPE, text=True) as process:
        port = int(process.stdout.readline()) if process.stdout else 0
        process.send_signal(signal.SIGKILL)
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            open_tcp(parse_address(f"tcp:127.0.0.1:{port}?tries=1&timeout=1"))
        except WireError as error:
            if "refused" in str(error):
                return
        time.sleep(0.1)
    pytest.fail("the emulator went on")


@needs_arm
def test_an_emulator_that_ends_says_why(project: Path) -> None:
    subject = open_predictor(f"qemu:{project}?tries=2")
    device_of(subject).link.opener.board.stop()  # type: ignore[attr-defined]
    with pytest.raises(WireError, match="the emulator has ended"):
        asked(subject, some_codes(1))


@needs_arm
@pytest.mark.parametrize("halted", [True, False])
def test_a_debugger_asks_the_same_board_without_its_wire(project: Path, halted: bool) -> None:
    machine, codes = MACHINES["mps2-an386"], some_codes(4)
    elf = built(project, machine).elf
    board = started(elf, machine, gdb=True, halted=halted)
    try:
        subject = open_gdb(parse_address(f"gdb:127.0.0.1:{board.gdb}?elf={elf}"))
        np.testing.assert_array_equal(asked(subject, codes), decoded(codes))
        assert all(one.kept for one in check_predictor(subject))
        assert subject.spec.wire == f"gdb:127.0.0.1:{board.gdb}, debugger"
        subject.ask.close()  # type: ignore[attr-defined]  # the board goes on
        wired = open_tcp(parse_address(f"tcp:127.0.0.1:{board.port}"))
        np.testing.assert_array_equal(asked(wired, codes), decoded(codes))
        assert wired.spec.rung == subject.spec.rung
    finally:
        board.stop()


@needs_arm
def test_a_debugger_runs_nothing_of_a_file_that_was_not_flashed(board: Board, project: Path, tmp_path: Path) -> None:
    elf = built(project, MACHINES["mps2-an386"]).elf
    other = built(project, MACHINES["mps2-an385"]).elf
    with pytest.raises(ArtifactError, match=r"what the board holds at samewhy_\w+ is not what .* holds"):
        open_gdb(parse_address(f"gdb:127.0.0.1:{board.gdb}?elf={other}"))
    stripped = tmp_path / "stripped.elf"
    subprocess.run(["arm-none-eabi-strip", str(elf), "-o", str(stripped)], check=True)
    (tmp_path / "firmware.bin").write_bytes(b"\0\0\0\x20")
    for file, said in (
        ("stripped.elf", "no symbols"),
        ("firmware.bin", "no 32-bit ELF file"),
        ("none.elf", "cannot be read"),
    ):
        with pytest.raises(ArtifactError, match=said):
            open_gdb(parse_address(f"gdb:127.0.0.1:{board.gdb}?elf={tmp_path / file}"))
    with pytest.raises(AddressError, match=r"give elf=firmware.elf"):
        open_gdb(parse_address(f"gdb:127.0.0.1:{board.gdb}"))


@needs_arm
def test_a_debugger_whose_server_ends_is_said_and_another_model_is_refused(board: Board, project: Path) -> None:
    elf = built(project, MACHINES["mps2-an386"]).elf
    address = f"gdb:127.0.0.1:{board.gdb}?elf={elf}&tries=2"
    with pytest.raises(ArtifactError, match="the firmware holds model 010203"):
        open_gdb(parse_address(f"{address}&sha256=ffffffff"))
    subject = open_gdb(parse_address(address))
    board.stop()
    with pytest.raises(WireError, match="tried 2 times; see whether the debugger's server runs"):
        asked(subject, some_codes(1))


@needs_arm
def test_a_project_is_run_from_the_command_line(project: Path, tmp_path: Path) -> None:
    smoke = CliRunner().invoke(firmware, ["run", str(project), "--smoke"])
    assert smoke.exit_code == 0
    assert "it keeps the contract of a predictor" in smoke.output
    assert re.search(r"instructions \(emulated\) a run, \d\.\d for each of 7,840 products", smoke.output)
    assert not re.search(r"\bms\b", smoke.output)
    np.save(tmp_path / "samples.npy", np.zeros((2, 28, 28, 1), np.float32))
    told = CliRunner().invoke(firmware, ["run", str(project), "--ask", str(tmp_path / "samples.npy")])
    best = decoded(np.full((1, 784), -128, np.int8))[0]
    assert told.output.splitlines()[-1].split() == ["1", f"{best.argmax()}", f"{best.max():.6g}"]


@needs_arm
def test_a_project_runs_until_it_is_stopped(project: Path) -> None:
    command = [sys.executable, "-m", "samewhy_edge.cli", "firmware", "run", str(project), "--machine", "mps2-an385"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        lines = process.stdout or iter(())
        address = next(line.split()[-1] for line in lines if line.startswith("ask it at "))
        debugger = next(line.split()[-1] for line in lines if line.startswith("debug it at "))
        codes = some_codes(2)
        for one in (address, debugger):
            np.testing.assert_array_equal(asked(open_predictor(one), codes), decoded(codes))
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


@needs_arm
def test_the_report_of_a_build_is_json(project: Path) -> None:
    firmware = built(project, MACHINES["mps2-an385"])
    told = json.loads((firmware.elf.parent / "firmware.json").read_text())
    assert (told["flash"], told["ram"], told["machine"]) == (firmware.flash, firmware.ram, "mps2-an385")
