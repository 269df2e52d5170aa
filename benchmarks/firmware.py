"""What the firmware of our networks takes on emulated Cortex-M: flash, RAM, and instructions of one sample.

``python -m benchmarks.firmware`` prints a table and writes runs/bench/firmware.json. Flash and RAM are those of the
linked firmware with the wire and a stack of 2 KiB. Instructions are counted by the emulator: they are no time.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.tables import put
from samewhy_bridge.build import built
from samewhy_bridge.generate import generate
from samewhy_bridge.machines import MACHINES, Machine
from samewhy_bridge.qemu import emulated, measured, started
from samewhy_bridge.tflm import examine
from samewhy_edge.address import Address
from samewhy_edge.rung import artifact

PATIENCE = "600"  # seconds, for a machine that has other work too
BOARDS = ("mps2-an385", "mps2-an386", "mps2-an500")


def rows_of(path: Path) -> list[dict[str, object]]:
    """A row a board."""
    interpreter = examine(path, artifact(path).sha256).arena
    with TemporaryDirectory() as name:
        folder = Path(name) / "project"
        made = generate(path, "generic-c", None, folder)
        return [
            {"network": path.parent.name, **row_of(folder, MACHINES[board], made), "TFLM's arena": interpreter}
            for board in BOARDS
        ]


def row_of(folder: Path, machine: Machine, made: dict[str, int]) -> dict[str, object]:
    """One firmware on one board."""
    firmware = built(folder, machine)
    board = started(firmware.elf, machine)
    try:
        count = measured(emulated(Address("qemu", folder, {"timeout": PATIENCE}, str(folder)), board), machine)
    finally:
        board.stop()
    return {
        "core": machine.core,
        "flash": firmware.flash,
        "of it constants": made["constant_bytes"],
        "RAM": firmware.ram,
        "of it tensors": made["arena_bytes"],
        "instructions": count,
        "for each product": round(count / made["macs"], 2),
    }


def main() -> None:
    """Build, count, print and keep."""
    paths = sorted(Path("models").glob("*/int8.tflite"))
    put("firmware", [row for path in paths for row in rows_of(path)])


if __name__ == "__main__":
    main()
