"""Instructions of our plain C beside those of CMSIS-NN's kernels, on emulated Cortex-M, and whether both say the same.

``python -m benchmarks.cmsis_nn --wheel bakenn-1.0.0-py3-none-any.whl`` prints a table and writes
runs/bench/cmsis-nn.json. The wheel, which holds the part of CMSIS-NN 4.0.0 that convolutions need, is read, not
installed: ``pip download --no-deps bakenn==1.0.0``. Both are compiled with -O2. Drawn codes do: kernels take the same
path for all codes, but for a few branches where they are rounded and cut. Convolutions alone are replaced: that release
has no dense layer with a scale an output.
"""

import argparse
import subprocess
import zipfile
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np

import samewhy_bridge.program
from benchmarks.tables import put
from samewhy_bridge.graph import read_graph
from samewhy_bridge.kernel_files import C
from samewhy_bridge.operators import convolutions, dense
from samewhy_bridge.program import Program, program_of
from samewhy_bridge.projects import project_of

HERE = Path(__file__).parent
VENDOR = "bakenn/backend/cmsis_nn/vendor/"
CORES = {
    "Cortex-M3": ("mps2-an385", ("-mcpu=cortex-m3",)),
    "Cortex-M4": ("mps2-an386", ("-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard")),
    "Cortex-M7": ("mps2-an500", ("-mcpu=cortex-m7", "-mfpu=fpv5-sp-d16", "-mfloat-abi=hard")),
}
FLAGS = ("-mthumb", "-std=gnu99", "-O2", "-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections", "-nostartfiles")
MEMORY = {"flash_start": 0, "flash_bytes": "4M", "ram_start": 0x20000000, "ram_bytes": "4M", "stack_bytes": 8192}
REPLACED = ("conv_2d", "depthwise_conv_2d")


def as_in_the_file(*given: Any) -> Any:
    """The struct ``samewhy_matmul_spec`` of a convolution, as CMSIS-NN takes what is in it."""

    def rows(weights: Any) -> Any:
        return np.ascontiguousarray(weights).reshape(-1)

    def start(view: Any, folded: Any, weights: Any, _: int) -> Any:
        return (folded + view.input(0).zero_point * weights.sum(axis=1)).astype(np.int32)

    with patch.object(dense, "blocks", rows), patch.object(dense, "bounded", start):
        return dense.matmul(*given)


def kept(_: Any, steps: Any, arena: Any) -> Any:
    """Memory as it is: CMSIS-NN does not write over its input."""
    return steps, arena


def instructions(program: Program, core: str, extra: Sequence[Path], replaced: Sequence[str]) -> tuple[int, int]:
    """Of one run, and the digest of its answer."""
    machine, flags = CORES[core]
    with TemporaryDirectory() as name:
        folder = Path(name)
        for path, content in project_of(program, "model").model.items():
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_bytes(content)
        mine = [path for path in folder.rglob("*.c") if path.stem not in replaced]
        places = [f"-I{one}" for one in (folder, C / "kernels", *sorted({path.parent for path in extra}))]
        memory = [f"-Wl,--defsym={key}={value}" for key, value in MEMORY.items()]
        libraries = ("--specs=nano.specs", "--specs=nosys.specs", f"-T{C / 'port' / 'cortex_m.ld'}")
        sources = [
            *mine,
            *(path for path in extra if path.suffix == ".c"),
            HERE / "main.c",
            C / "port" / "startup_cortex_m.c",
        ]
        words = [*flags, *FLAGS, *libraries, *memory, *places, *sources, "-o", folder / "firmware.elf"]
        subprocess.run(["arm-none-eabi-gcc", *map(str, words)], check=True)
        return counted(machine, folder / "firmware.elf")


def counted(machine: str, elf: Path) -> tuple[int, int]:
    """What the firmware says."""
    words = ("-M", machine, "-kernel", elf, "-display", "none", "-monitor", "none", "-serial", "null")
    counting = ("-semihosting-config", "enable=on,target=native", "-icount", "shift=0")
    done = subprocess.run(
        ["qemu-system-arm", *map(str, words), *counting], check=True, capture_output=True, text=True, timeout=300
    )
    said = (done.stdout + done.stderr).split()
    return int(said[0]), int(said[1])


def row(path: Path, core: str, library: Sequence[Path]) -> dict[str, object]:
    """One network on one core, both ways."""
    ours, said = instructions(program_of(read_graph(path)), core, (), ())
    with patch.object(convolutions, "matmul", as_in_the_file), patch.object(samewhy_bridge.program, "_tightened", kept):
        program = program_of(read_graph(path))
    theirs, answered = instructions(program, core, [*library, HERE / "kernels.c"], REPLACED)
    return {
        "network": path.parent.name,
        "core": core,
        "products": program.macs,
        "plain C": f"{ours / program.macs:.2f}",
        "CMSIS-NN": f"{theirs / program.macs:.2f}",
        "same codes": "yes" if said == answered else "NO",
    }


def main() -> None:
    """Count, print and keep."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cmsis_nn")
    parser.add_argument("--wheel", type=Path, required=True)
    with TemporaryDirectory() as name, zipfile.ZipFile(parser.parse_args().wheel) as archive:
        wanted = [one for one in archive.namelist() if one.startswith(VENDOR) and one.endswith((".c", ".h"))]
        archive.extractall(name, wanted)
        library = [Path(name) / one for one in wanted]
        networks = sorted(Path("models").glob("*/int8.tflite"))
        put("cmsis-nn", [row(path, core, library) for path in networks for core in CORES])


if __name__ == "__main__":
    main()
