"""What each measure of faithfulness costs: its mean over 100 samples on 7 rungs, with maps of the default budget.

``python -m benchmarks.faithfulness [MEASURE ...]``. Rungs are judged at the same time, one a processor, as in a study.
"""

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from benchmarks.tables import put, samples_of
from samewhy_edge.explain import DEFAULTS, adapted, estimated, knowing, of_targets
from samewhy_edge.faithfulness import FAITHFULNESS, Measure, named
from samewhy_edge.predictor import Subject, open_predictor
from samewhy_host.judging import Court, Judging, Put

MODEL, SAMPLES, SEED = "models/fashion_ds_cnn", 100, 0
RUNGS = (
    f"onnx:{MODEL}/model.onnx",
    *(f"litert:{MODEL}/float.tflite?kernels={kernels}" for kernels in ("xnnpack", "builtin", "reference")),
    *(f"litert:{MODEL}/int8.tflite?kernels={kernels}" for kernels in ("xnnpack", "builtin", "reference")),
)


def main() -> None:
    """A row a measure: the mean on the deployed file, the queries, the seconds of all rungs together."""
    subjects = [open_predictor(address) for address in RUNGS]
    samples = samples_of(SAMPLES)
    targets = subjects[0](samples).argmax(axis=1)
    puts = [put_of(subject, samples, targets) for subject in subjects]
    rows = []
    for measure in named(sys.argv[1:]) if len(sys.argv) > 1 else FAITHFULNESS:
        court = Court(samples, targets, (measure,), SEED, subjects[-1].spec.input)
        rows.append(timed(measure, [Judging(court, (one,)) for one in puts], subjects))
        print(rows[-1])  # minutes pass
    put("faithfulness", rows)


def put_of(subject: Subject, samples: np.ndarray, targets: np.ndarray) -> Put:
    """Maps of the default explainer of the rung itself."""
    explainer = DEFAULTS[-1]
    plan, answers = adapted(subject, samples, targets, explainer, SEED)
    return Put(explainer, plan, estimated(knowing(explainer, samples).estimate, plan, of_targets(answers, targets)))


def timed(measure: Measure, works: list[Judging], subjects: list[Subject]) -> dict[str, object]:
    """All rungs, as many at a time as there are processors; the slowest first."""
    start = time.perf_counter()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [
            pool.submit(work, subject, lambda _: None)
            for work, subject in reversed(list(zip(works, subjects, strict=True)))
        ]
        found = [job.result()["values"] for job in jobs]
    seconds = time.perf_counter() - start
    return {
        "measure": measure.name,
        "queries a sample, at most": works[0].bill() // SAMPLES,
        "mean, int8 reference kernels": f"{np.nanmean(found[0]):.4f}",
        "undefined": int(np.isnan(found[0]).sum()),
        "seconds, 7 rungs": round(seconds, 1),
    }


if __name__ == "__main__":
    main()
