"""One measurement in a peer's own environment: a JSON request on standard input, a JSON answer in the file it names.

Needs the standard library, numpy and the one peer. A request holds `peer`, `method`, `file`, `through` (how the peer
gets at the file), `samples` (a `.npy` (N, H, W, 1)), `targets`, `queries`, `batch`, `cells`, `window`, `stride`,
`rounds`, `maps` and `answer` (where to write). An answer holds `cannot`, or what was measured: CPU time of an
explanation and of bare forwards in the same batches, in microseconds a query, the least of rounds taken in turn; and
memory in bytes.
"""

import json
import math
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

Request = dict[str, Any]
Forward = Callable[[np.ndarray], np.ndarray]  # (N, H, W, 1) float32 to (N, K)
Prepared = tuple[Any, ...]  # how to explain a sample, the bare forward, what counts, perhaps how long a plan is
Explain = Callable[[np.ndarray, int], np.ndarray]  # a sample (H, W, 1) and its target to a map (H, W)


class Counter:
    """A forward that counts what it was asked."""

    def __init__(self, forward: Forward) -> None:
        self.forward, self.count = forward, 0

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Scores (N, K)."""
        self.count += len(samples)
        return self.forward(samples)


def main() -> None:
    """Read a request, write its answer."""
    request = json.load(sys.stdin)
    try:
        answer = measured(request)
    except Exception as error:  # what a peer cannot do is a result
        answer = {"cannot": f"{type(error).__name__}: {error}".strip().splitlines()[0][:160]}
    Path(request["answer"]).write_text(json.dumps(answer), encoding="utf-8")


def measured(request: Request) -> dict[str, Any]:
    """Times, memory and maps of one case."""
    samples, targets = np.load(request["samples"]), request["targets"]
    prepare = PEERS[request["peer"]]()
    before = resident()
    reset_peak()
    explain, bare, counter, *plan = prepare(request)
    explain(samples[0], targets[0])
    memory = peak() - before
    counter.count = 0
    maps = [explain(sample, target) for sample, target in zip(samples, targets, strict=True)]
    np.save(request["maps"], np.stack(maps).astype(np.float64))
    asked = counter.count / len(samples)
    queries = plan[0](samples[0]) if plan else asked
    batch = bare.codes(np.repeat(samples[:1], request["batch"], axis=0))
    times = math.ceil(queries / request["batch"])
    pairs = [
        (seconds(lambda: explain(samples[0], targets[0])), seconds(lambda: [bare.run(batch) for _ in range(times)]))
        for _ in range(request["rounds"] + 1)
    ][1:]
    theirs, alone = map(min, zip(*pairs, strict=True))  # other work on the machine only adds
    return {
        "queries": queries,
        "asked": asked,
        "us": theirs / queries * 1e6,
        "bare us": alone / times / len(batch) * 1e6,
        "memory": memory,
    }


def seconds(work: Callable[[], Any]) -> float:
    """CPU time of this process."""
    start = time.process_time()
    work()
    return time.process_time() - start


def resident() -> int:
    """Bytes in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def reset_peak() -> None:
    """Let the kernel forget the peak of the imports."""
    Path("/proc/self/clear_refs").write_text("5")


def peak() -> int:
    """The most bytes in memory since the reset."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


class Lite:
    """A `.tflite` asked in batches, by hand; an interpreter for every batch size, so that none is resized twice."""

    def __init__(self, load: Callable[[], Any]) -> None:
        self.load, self.interpreters = load, {}
        self.entry, self.exit = load().get_input_details()[0], load().get_output_details()[0]

    def codes(self, samples: np.ndarray) -> np.ndarray:
        """What the input tensor holds."""
        if self.entry["dtype"] == np.float32:
            return samples
        scale, zero = self.entry["quantization"]
        ends = np.iinfo(self.entry["dtype"])
        return np.clip(np.round(samples / scale) + zero, ends.min, ends.max).astype(self.entry["dtype"])

    def run(self, codes: np.ndarray) -> np.ndarray:
        """What the output tensor holds."""
        if codes.shape not in self.interpreters:
            interpreter = self.interpreters[codes.shape] = self.load()
            interpreter.resize_tensor_input(self.entry["index"], list(codes.shape))
            interpreter.allocate_tensors()
        interpreter = self.interpreters[codes.shape]
        interpreter.set_tensor(self.entry["index"], codes)
        interpreter.invoke()
        return interpreter.get_tensor(self.exit["index"])

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Scores (N, K)."""
        codes = self.run(self.codes(samples))
        scale, zero = self.exit["quantization"]
        return codes if codes.dtype == np.float32 else ((codes.astype(np.float32) - zero) * scale).astype(np.float32)


class Onnx:
    """An `.onnx` with one session."""

    def __init__(self, file: str) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(file, options)
        self.entry, self.exit = self.session.get_inputs()[0].name, self.session.get_outputs()[0].name

    def codes(self, samples: np.ndarray) -> np.ndarray:
        """Channels first."""
        return np.ascontiguousarray(samples.transpose(0, 3, 1, 2))

    def run(self, codes: np.ndarray) -> np.ndarray:
        """Scores (N, K)."""
        return self.session.run([self.exit], {self.entry: codes})[0]

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Scores (N, K)."""
        return self.run(self.codes(samples))


def forward_of(file: str) -> "Lite | Onnx":
    """By what the file is."""
    if file.endswith(".onnx"):
        return Onnx(file)
    from ai_edge_litert.interpreter import Interpreter

    return Lite(lambda: Interpreter(model_path=file, num_threads=1))


def cells_of(request: Request, shape: tuple[int, ...]) -> np.ndarray:
    """The grid of features that Shapley values are of, (H, W)."""
    count = request["cells"]
    rows, columns = (np.arange(size) * count // size for size in shape)
    return rows[:, None] * count + columns


def samewhy() -> Callable[[Request], Prepared]:
    """This project."""
    from samewhy_edge.explain import explain, explainer_from
    from samewhy_edge.predictor import open_predictor

    def prepare(request: Request) -> Prepared:
        runtime = "onnx" if request["file"].endswith(".onnx") else "litert"
        opened = open_predictor(f"{runtime}:{request['file']}")
        by_codes = Counter(opened.coded) if opened.coded else None
        subject = replace(opened, ask=Counter(opened.ask), coded=by_codes)
        explainer = explainer_from(request["settings"])

        def one(sample: np.ndarray, target: int) -> np.ndarray:
            return explain(subject, sample[None], np.array([target]), explainer, 0)[0]

        return one, forward_of(request["file"]), by_codes or subject.ask, planned(explainer)

    def planned(explainer: Any) -> Callable[[np.ndarray], int]:
        return lambda sample: len(explainer.plan(sample.shape, 0))

    return prepare


def captum() -> Callable[[Request], Prepared]:
    """Captum: a file is wrapped as a callable from tensor to tensor."""
    import captum.attr
    import torch
    from ai_edge_litert import interpreter  # noqa: F401  # imported before the memory is measured

    torch.set_num_threads(1)
    torch.manual_seed(0)

    def prepare(request: Request) -> Prepared:
        counter = Counter(forward_of(request["file"]))
        method = getattr(captum.attr, request["method"])(lambda rows: torch.from_numpy(counter(rows.numpy())))

        def one(sample: np.ndarray, target: int) -> np.ndarray:
            rows = torch.from_numpy(sample[None])
            cells = torch.from_numpy(cells_of(request, sample.shape[:2])[None, ..., None])
            settings: dict[str, Any] = {
                "Occlusion": {
                    "sliding_window_shapes": (request["window"], request["window"], 1),
                    "strides": (request["stride"], request["stride"], 1),
                },
                "FeatureAblation": {"feature_mask": cells},
                "KernelShap": {"feature_mask": cells, "n_samples": request["queries"]},
            }[request["method"]]
            made = method.attribute(rows, target=target, perturbations_per_eval=request["batch"], **settings)
            return made[0].numpy().sum(axis=-1)

        return one, forward_of(request["file"]), counter

    return prepare


def xplique() -> Callable[[Request], Prepared]:
    """Xplique: a file is handed over as tf.lite.Interpreter, which it takes itself, or wrapped as a callable."""
    import tensorflow as tf
    import xplique.attributions as attributions

    tf.random.set_seed(0)

    class Counting(tf.lite.Interpreter):
        """An interpreter that counts the rows that it is given."""

        count = 0

        def set_tensor(self, index: int, value: Any) -> None:
            self.count += len(value)
            super().set_tensor(index, value)

    def prepare(request: Request) -> Prepared:
        interpreter = Counting(model_path=request["file"], num_threads=1)
        bare = Lite(lambda: tf.lite.Interpreter(model_path=request["file"], num_threads=1))
        counter: Any = interpreter if request["through"] == "path" else Counter(bare)
        queries, cells = request["queries"], request["cells"]
        labels = tf.constant(cells_of(request, np.load(request["samples"]).shape[1:3]), tf.int32)
        settings: dict[str, Any] = {
            "Rise": {"nb_samples": queries, "grid_size": cells},
            "Occlusion": {"patch_size": request["window"], "patch_stride": request["stride"]},
            "Sobol": {"grid_size": cells, "nb_design": power(queries / (cells**2 + 2))},
            "Hsic": {"grid_size": cells, "nb_design": queries},
            "KernelShap": {"nb_samples": queries, "map_to_interpret_space": lambda _: labels, "ref_value": np.zeros(1)},
        }[request["method"]]
        named = "AttributionMethod" if request["method"] in ("Sobol", "Hsic") else ""
        method = getattr(attributions, request["method"] + named)(counter, batch_size=request["batch"], **settings)
        classes = int(bare.exit["shape"][-1])

        def one(sample: np.ndarray, target: int) -> np.ndarray:
            made = method(sample[None], np.eye(classes, dtype=np.float32)[[target]])
            return np.asarray(made)[0].reshape(sample.shape[:2])

        return one, bare, counter

    return prepare


def power(value: float) -> int:
    """The power of two below."""
    return int(2 ** math.floor(math.log2(value)))


def dianna() -> Callable[[Request], Prepared]:
    """DIANNA: a file by its path, or wrapped as a callable."""
    import onnxruntime  # noqa: F401  # imported before the memory is measured
    from ai_edge_litert import interpreter  # noqa: F401
    from dianna.methods.kernelshap_image import KERNELSHAPImage
    from dianna.methods.rise_image import RISEImage

    def prepare(request: Request) -> Prepared:
        np.random.seed(0)  # noqa: NPY002  # what DIANNA draws from
        last = request["file"].endswith(".onnx")  # channels first
        counter = Counter(forward_of(request["file"]))
        callable_ = request["through"] == "callable"
        shape = np.load(request["samples"]).shape[1:]

        def wrapped(rows: Any) -> np.ndarray:
            return counter(np.asarray(rows, np.float32).reshape(-1, *shape))  # one channel: this moves it too

        model = wrapped if callable_ else request["file"]

        def one(sample: np.ndarray, target: int) -> np.ndarray:
            rows = sample.transpose(2, 0, 1) if last else sample
            axes = ("channels", "height", "width") if last else ("height", "width", "channels")
            if request["method"] == "RISE":
                explainer = RISEImage(request["queries"], request["cells"], 0.5, axis_labels=axes)
                made = explainer.explain(model, rows, [target], batch_size=request["batch"])
                counter.count += 0 if callable_ else request["queries"]
                return np.asarray(made)[0]
            kernel = KERNELSHAPImage(axis_labels=axes)
            made = kernel.explain(
                model, rows, [target], nsamples=request["queries"], background=0, n_segments=request["cells"] ** 2
            )
            counter.count += request["queries"] + 2  # nothing and everything hidden, which shap asks besides
            return np.asarray(made)[0]

        return one, forward_of(request["file"]), counter

    return prepare


PEERS: dict[str, Callable[[], Callable[[Request], Prepared]]] = {
    "samewhy": samewhy,
    "captum": captum,
    "xplique": xplique,
    "dianna": dianna,
}

if __name__ == "__main__":
    main()
