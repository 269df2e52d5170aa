import json
import shutil
from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner

from samewhy_bridge import fit as module
from samewhy_bridge.cli_fit import fit as verb
from samewhy_bridge.fit import CORES, FAMILIES, Need, estimated, fit, measured, row_of
from samewhy_bridge.graph import read_graph
from samewhy_bridge.parts import KIB, Part, part_named, parts
from samewhy_bridge.program import program_of
from samewhy_edge.errors import ArtifactError, InputError
from tests.golden import FILES

MODEL = FILES / "image_int8.tflite"
DS_CNN = Path("models/fashion_ds_cnn/int8.tflite")
app = Typer()
app.command()(verb)

needs_compiler = pytest.mark.skipif(shutil.which(module.COMPILER) is None, reason="no compiler for Cortex-M")


@pytest.fixture
def estimating(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where no compiler is installed."""
    monkeypatch.setattr(module.shutil, "which", lambda name: None)


def chip(flash: int, ram: int, core: str = "cortex-m4") -> Part:
    return Part("chip", "a chip", core, flash, ram, "a datasheet", "")


NEED = Need(constants=700, code=200, arena=500, buffers=300, stack=100)


@pytest.mark.parametrize(
    ("flash", "ram", "verdict", "lacking"),
    [
        (1000, 1000, "fits", []),
        (999, 1000, "tight", []),
        (1000, 999, "tight", []),
        (900, 900, "tight", []),
        (899, 900, "no", ["flash"]),
        (900, 899, "no", ["ram"]),
        (10, 10, "no", ["flash", "ram"]),
    ],
)
def test_a_verdict_is_about_the_memory_that_lacks_most(flash: int, ram: int, verdict: str, lacking: list[str]) -> None:
    found = row_of(chip(flash, ram), NEED)
    assert (found["verdict"], found["lacking"]) == (verdict, lacking)
    assert found["left"] == {"flash": flash - 900, "ram": ram - 900}


def test_every_chip_has_a_source_and_a_core_that_is_known() -> None:
    assert len(parts()) >= 25
    for one in parts().values():
        assert one.name == one.name.lower()
        assert one.core in CORES or one.core.startswith(("xtensa", "rv32"))
        assert 16 * KIB <= one.ram <= 2**20
        assert one.flash >= 64 * KIB
        assert len(one.source) > 8
    assert set(CORES.values()) == set(FAMILIES)


def test_chips_are_known_whatever_the_case_and_wrong_names_list_them() -> None:
    assert part_named("STM32F103C8").ram == 20 * KIB
    with pytest.raises(InputError, match=r"unknown chip 'rp2041'; did you mean 'rp2040'\?"):
        part_named("rp2041")


@needs_compiler
def test_an_estimate_is_on_the_safe_side_and_not_far_off() -> None:
    program = program_of(read_graph(DS_CNN))
    for family in ("m3",):
        guess, known = estimated(program, family), measured(DS_CNN, program, family)
        assert known.code <= guess.code <= 1.6 * known.code
        assert known.buffers <= guess.buffers <= known.buffers + 500
        assert (known.constants, known.arena, known.stack) == (guess.constants, guess.arena, guess.stack)


@pytest.mark.usefixtures("estimating")
def test_a_chip_of_256_and_64_kib_is_enough_for_the_ds_cnn_and_the_smallest_is_not() -> None:
    found = fit(DS_CNN, [part_named("lm3s6965"), part_named("nrf51822")])
    assert [row["verdict"] for row in found["chips"]] == ["fits", "no"]
    assert found["chips"][1]["lacking"] == ["ram"]
    assert found["code"].startswith("estimated")
    assert found["fits"]


@pytest.mark.usefixtures("estimating")
def test_the_verb_exits_with_three_where_no_chip_has_room(tmp_path: Path) -> None:
    good = CliRunner().invoke(app, [str(MODEL), "--chip", "rp2040", "--out", str(tmp_path / "fit.json")])
    assert good.exit_code == 0
    assert "rp2040" in good.output
    assert "fits" in good.output
    assert json.loads((tmp_path / "fit.json").read_text())["chips"][0]["source"].startswith("Raspberry Pi")
    none = CliRunner().invoke(app, [str(DS_CNN), "--chip", "nrf51822", "--json"])
    assert none.exit_code == 3
    assert json.loads(none.output)["fits"] is False
    every = CliRunner().invoke(app, [str(MODEL)])
    assert every.exit_code == 0
    assert all(name in every.output for name in parts())


@pytest.mark.usefixtures("estimating")
def test_tflite_micro_stands_beside_it_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tflite_micro")
    found = fit(DS_CNN, [part_named("rp2040")])
    assert found["tflm"]["runtime"].startswith("tflite-micro ")
    assert found["tflm"]["allocations"]["head"] >= found["chips"][0]["need"]["arena"]  # ours is no larger than its plan
    assert found["tflm"]["arena"] >= found["tflm"]["allocations"]["total"]
    monkeypatch.setattr(module.tflm, "MISSING", "tflite_micro")
    assert fit(DS_CNN, [part_named("rp2040")])["tflm"] is None


def test_what_cannot_be_generated_fits_nothing(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="Betainc"):
        fit(FILES / "custom_operator.tflite", list(parts().values()))
