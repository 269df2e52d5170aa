"""This project beside Captum, Xplique and DIANNA: the same file, samples, number of queries and batch, in one run.

``python -m benchmarks.peers`` prints two tables and writes them to runs/bench: `peers`, and `peers-cannot` in the
libraries' own words. Each peer runs in an environment of its own (.venv-peer-NAME, made here when it is missing),
because their pins conflict; every case is a process of its own on one core. Times are CPU time, the least of rounds.
`MB` is the peak memory above what the process held after its imports. `spearman` is the agreement of the maps with a
reference of 50,000 queries: centred RISE, or Shapley values of the same cells. `asked` is what reached the file, mean
over samples: here, queries that show what another one shows are not asked again.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, final

import numpy as np
from rich.progress import track

from benchmarks.efficiency import Network, reference
from benchmarks.subjects import samples_of
from benchmarks.tables import BENCH, put
from samewhy_edge.agreement import spearman
from samewhy_edge.arrays import Maps
from samewhy_edge.explain import DEFAULTS, explain
from samewhy_edge.predictor import open_predictor
from samewhy_edge.query import batch_size
from samewhy_edge.rise import Rise
from samewhy_edge.shapley import Permutation

HERE, MODEL = Path(__file__).parent, Path("models/fashion_ds_cnn")
PEERS = ("captum", "xplique", "dianna")
QUERIES, CELLS, WINDOW, STRIDE, SAMPLES, ROUNDS = 512, 7, 4, 2, 10, 7
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
LIMIT = 600  # seconds for one case
MEASURED = ("queries", "asked", "batch", "µs a query", "bare µs", "ratio", "MB", "spearman", "of")

RISE = {"method": "rise", "queries": QUERIES}
DEFAULT = next(one for one in DEFAULTS if isinstance(one, Rise))
OURS: dict[str, dict[str, Any]] = {
    "rise, published": {**RISE, "estimator": "published"},
    "rise, default": {**RISE, "estimator": DEFAULT.estimator, "design": DEFAULT.design},
    "rise, mask-sum": {**RISE, "estimator": "mask-sum"},
    "occlusion": {"method": "occlusion", "window": [WINDOW], "stride": [STRIDE]},
    "shapley-kernel": {"method": "shapley-kernel", "queries": QUERIES, "features": [CELLS]},
    "lime": {"method": "lime", "queries": QUERIES, "features": [CELLS]},
    "sobol": {"method": "sobol", "rows": 8, "features": [CELLS]},
    "hsic": {"method": "hsic", "queries": QUERIES, "features": [CELLS]},
}


@final
@dataclass(frozen=True)
class Case:
    """One method of one library on one file."""

    peer: str
    method: str
    file: str
    through: Literal["path", "callable"] = "path"
    truth: Literal["rise", "shapley"] = "rise"

    @property
    def queries(self) -> int:
        """About how many; the answer says exactly."""
        return 170 if "cclusion" in self.method else 51 if self.method == "FeatureAblation" else QUERIES


CASES = (
    *(Case("samewhy", method, file) for file in ("float.tflite", "int8.tflite") for method in list(OURS)[:4]),
    *(Case("samewhy", "shapley-kernel", file, truth="shapley") for file in ("float.tflite", "int8.tflite")),
    *(Case("samewhy", method, "float.tflite") for method in ("lime", "sobol", "hsic")),
    *(Case("samewhy", method, "model.onnx") for method in list(OURS)[:2]),
    Case("samewhy", "shapley-kernel", "model.onnx", truth="shapley"),
    *(Case("captum", "Occlusion", file, "callable") for file in ("float.tflite", "int8.tflite")),
    Case("captum", "FeatureAblation", "float.tflite", "callable", "shapley"),
    *(Case("captum", "KernelShap", file, "callable", "shapley") for file in ("float.tflite", "int8.tflite")),
    Case("captum", "Rise", "float.tflite", "callable"),
    *(Case("xplique", method, "float.tflite") for method in ("Rise", "Occlusion")),
    *(Case("xplique", name, "float.tflite") for name in ("Sobol", "Hsic")),
    Case("xplique", "KernelShap", "float.tflite", truth="shapley"),
    Case("xplique", "Rise", "int8.tflite"),
    Case("xplique", "Rise", "int8.tflite", "callable"),
    Case("dianna", "RISE", "model.onnx"),
    Case("dianna", "RISE", "model.onnx", "callable"),
    Case("dianna", "RISE", "int8.tflite"),
    Case("dianna", "RISE", "int8.tflite", "callable"),
    Case("dianna", "KernelSHAP", "model.onnx", truth="shapley"),
    Case("dianna", "KernelSHAP", "model.onnx", "callable", "shapley"),
)


@cache
def environment(peer: str) -> str | None:
    """None when the peer's environment is there or could be made, else why not."""
    folder = Path(f".venv-peer-{peer}")
    wanted = [HERE / f"{peer}.txt", *HERE.glob(f"{peer}-alone.txt")]
    key, stamp = hashlib.sha256(b"".join(file.read_bytes() for file in wanted)).hexdigest(), folder / "made"
    if stamp.exists() and stamp.read_text() == key:
        return None
    print(f"making {folder} ...")
    install = [str(folder / "bin" / "pip"), "install", "--quiet"]
    steps = [[sys.executable, "-m", "venv", "--clear", str(folder)], [*install, "-r", str(wanted[0])]]
    steps += [[*install, "--no-deps", "-r", str(file)] for file in wanted[1:]]
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True, check=False)
        if done.returncode:
            errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
            return f"not installed: {(errors or [f'pip ended with {done.returncode}'])[0][:160]}"
    stamp.write_text(key)
    return None


def asked(case: Case, folder: Path) -> dict[str, Any]:
    """What the worker measured, or why there is nothing."""
    missing = environment(case.peer) if case.peer in PEERS else None
    if missing:
        return {"cannot": missing}
    request = {
        **{"peer": case.peer, "method": case.method, "file": str(MODEL / case.file), "through": case.through},
        **{"samples": str(folder / "samples.npy"), "targets": targets(case.file), "queries": case.queries},
        **{"batch": batch_size(case.queries, 784), "cells": CELLS, "window": WINDOW, "stride": STRIDE},
        **{"rounds": ROUNDS, "maps": str(folder / "maps.npy"), "answer": str(folder / "answer.json")},
        "settings": OURS.get(case.method),
    }
    python = sys.executable if case.peer == "samewhy" else f".venv-peer-{case.peer}/bin/python"
    (folder / "answer.json").unlink(missing_ok=True)
    try:
        done = subprocess.run(
            [python, str(HERE / "worker.py")],
            input=json.dumps(request), capture_output=True, text=True, check=False, timeout=LIMIT,
            env=os.environ | dict.fromkeys(THREADS, "1"), preexec_fn=on_one_core,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return {"cannot": f"not done in {LIMIT} s"}
    if not (folder / "answer.json").exists():
        return {"cannot": (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1][:160]}
    answer: dict[str, Any] = json.loads((folder / "answer.json").read_text())
    return answer if "cannot" in answer else {**answer, "maps": np.load(folder / "maps.npy")}


@cache
def network(file: str) -> Network:
    """The file with its samples."""
    runtime = "onnx" if file.endswith(".onnx") else "litert"
    subject, samples = open_predictor(f"{runtime}:{MODEL / file}"), samples_of(SAMPLES)
    return Network(f"peers-{file}", subject, samples, subject(samples).argmax(axis=1))


def on_one_core() -> None:
    """Of a process before it starts: one core for everybody, whatever threads a library makes."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def targets(file: str) -> list[int]:
    """What the file says of each sample."""
    return [int(target) for target in network(file).targets]


@cache
def truth(file: str, kind: str) -> Maps:
    """Maps of 50,000 queries; those of ONNX are the float TFLite's, which is the same network."""
    known = network("int8.tflite" if file == "int8.tflite" else "float.tflite")
    if kind == "rise":
        return reference(known)[0]
    walks = Permutation((CELLS,), 50_000 // (2 * (CELLS**2 - 1)))
    path = BENCH / "references" / f"{known.name}-{known.subject.spec.rung.artifact.sha256[:16]}-shapley.npy"
    if not path.exists():
        np.save(path, explain(known.subject, known.samples, known.targets, walks, seed=10_000))
    maps: Maps = np.load(path)
    return maps


def row(case: Case, found: Mapping[str, Any]) -> dict[str, object]:
    """One line of the table."""
    said = {"library": case.peer, "method": case.method, "file": case.file, "through": case.through}
    if "cannot" in found:
        return {**said, **dict.fromkeys(MEASURED, ""), "ratio": "cannot"}
    agreements = [spearman(a, b) for a, b in zip(found["maps"], truth(case.file, case.truth), strict=True)]
    measured = (
        round(found["queries"]),
        round(found["asked"]),
        batch_size(case.queries, 784),
        round(found["us"], 1),
        round(found["bare us"], 1),
        round(found["us"] / found["bare us"], 2),
        round(found["memory"] / 2**20, 1),
        round(float(np.nanmean(agreements)), 3),
        case.truth,
    )
    return {**said, **dict(zip(MEASURED, measured, strict=True))}


def refusal(case: Case, found: Mapping[str, Any]) -> dict[str, object]:
    """One line of what a library cannot do, in its own words."""
    return {"library": case.peer, "method": f"{case.method}, {case.file}, {case.through}", "cannot": found["cannot"]}


def main() -> None:
    """All cases."""
    (BENCH / "references").mkdir(parents=True, exist_ok=True)
    for file in ("float.tflite", "int8.tflite"):
        for kind in ("rise", "shapley"):
            truth(file, kind)
    with tempfile.TemporaryDirectory() as name:
        np.save(Path(name) / "samples.npy", samples_of(SAMPLES))
        found = [(case, asked(case, Path(name))) for case in track(CASES, f"{len(CASES)} cases")]
    put("peers", [row(*one) for one in found])
    put("peers-cannot", [refusal(*one) for one in found if "cannot" in one[1]])


if __name__ == "__main__":
    main()
