"""How much memory an explanation takes above the predictor: the peak must not grow with the number of queries.

``python -m benchmarks.memory`` prints a table and writes runs/bench/memory.json. Each row is a process of its own that
explains an input of 224 x 224 x 3 int8 codes; what it had resident when it began to ask is taken off the peak. The
predictor only sums codes, so that no interpreter's arena is counted.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.tables import put
from samewhy_edge.arrays import Codes, Samples, Scores
from samewhy_edge.blend import trusted
from samewhy_edge.explain import Explainer, estimated, knowing, of_targets
from samewhy_edge.occlusion import Occlusion
from samewhy_edge.predictor import Spec, Subject
from samewhy_edge.quant import Affine
from samewhy_edge.query import ask
from samewhy_edge.rise import Rise
from samewhy_edge.rung import Artifact, Rung
from samewhy_edge.shapley import KernelShap, Permutation

SAMPLE, CODING = (224, 224, 3), Affine(1 / 255, -128, "int8")
LIMIT = 64.0  # MB
STRIDES = {500: 9, 8000: 2}  # of windows of 32: 529 and 9410 queries
EXPLAINERS: dict[str, Callable[[int], Explainer]] = {
    "rise": lambda count: Rise(count),
    "rise-array": lambda count: Rise(count, design="array"),
    "rise-pairs-informed": lambda count: Rise(count, design="pairs", estimator="informed"),
    "rise-array-surrogate": lambda count: Rise(count, design="array", estimator="surrogate"),
    "occlusion": lambda count: Occlusion((32,), (STRIDES[count],)),
    "shapley-permutation": lambda count: Permutation(permutations=count // 96),  # of 49 features
    "shapley-kernel": lambda count: KernelShap(queries=count),
}


def subject() -> Subject:
    """A black box whose scores are the first codes of a sample."""

    def coded(codes: Codes) -> Scores:
        return codes.reshape(len(codes), -1)[:, :10].astype(np.float32)

    rung = Rung(Artifact("0" * 64, 0), "numpy", "none", "here")
    return Subject(Spec(SAMPLE, 10, rung, CODING), lambda samples: coded(CODING.encode(samples)), coded)


def resident(line: str) -> float:
    """MB of this process: VmRSS now, VmHWM at most."""
    found = next(one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith(line))
    return int(found.split()[1]) * 1024 / 1e6


def peak(work: Callable[[], Any]) -> tuple[float, Any]:
    """MB that work takes at most above what was resident before, and what it returns."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = resident("VmRSS")
    made = work()
    return resident("VmHWM") - before, made


def peaks(explainer: Explainer) -> tuple[float, float]:
    """MB of asking, and of estimating a map from the answers."""
    asked, plan = subject(), explainer.plan(SAMPLE, 0)
    samples: Samples = np.random.default_rng(0).random((1, *SAMPLE), np.float32)
    trusted(CODING.dtype)  # numba, where it is installed, is no memory of the queries
    asking, answers = peak(lambda: ask(asked, samples, plan, explainer.fill))
    scores = of_targets(answers, np.zeros(1, np.int64))
    return asking, peak(lambda: estimated(knowing(explainer, samples).estimate, plan, scores))[0]


def row(name: str, count: int) -> dict[str, object]:
    """One explainer in a process of its own."""
    words = [sys.executable, "-m", "benchmarks.memory", name, str(count)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    asking, estimating = map(float, done.stdout.split()[-2:])
    queries = len(EXPLAINERS[name](count).plan(SAMPLE, 0))
    return {
        "explainer": name,
        "queries": queries,
        "asking MB": round(asking, 1),
        "estimating MB": round(estimating, 1),
        f"asking within {LIMIT:.0f} MB": asking <= LIMIT,
    }


def main() -> None:
    """All explainers with few and with many queries."""
    if len(sys.argv) == 3:
        print(*peaks(EXPLAINERS[sys.argv[1]](int(sys.argv[2]))))
        return
    put("memory", [row(name, count) for name in EXPLAINERS for count in STRIDES])


if __name__ == "__main__":
    main()
