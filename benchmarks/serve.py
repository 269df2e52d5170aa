"""What the wire costs, and whether it ever errs: a server in a process of its own, asked over the loopback.

``python -m benchmarks.serve [NETWORK ...]`` prints two tables, and writes runs/bench/serve.json and serve-stress.json.

*serve*: queries a second of the bare interpreter in this process and of the same file behind a server, in turn, at the
same batch; one interpreter and one thread each. Shares are told by the clock and by the processor, where the work of
both processes counts: on a busy machine the clock tells how busy it is.

*serve-stress*: clients that ask batches of changing sizes at the same time, and among them send requests that are none.
Every score is compared with the file's own, bit for bit.
"""

import contextlib
import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from samewhy_edge.arrays import Codes, Samples
from samewhy_edge.predictor import Subject, open_predictor
from samewhy_edge.testing import random_samples

BATCH, ROUNDS = 32, 5
SLOW, TARGET = 1000, 0.7  # µs of a bare query from which a server must keep this share of the throughput
CLIENTS, QUERIES, MALFORMED = 8, 100_000, 1000
POOL = 256  # different samples of the stress test
WAYS = {"codes, 1 client": ("", 1), "codes, 2 clients": ("", 2), "JSON, 1 client": ("?binary=0", 1)}


@contextlib.contextmanager
def serving(address: str) -> Iterator[tuple[str, int]]:
    """A server in a process of its own, with one interpreter: where its model is found, and the process's number."""
    command = [sys.executable, "-m", "samewhy_edge.cli", "serve", address, "--port", "0", "--threads", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            lines = process.stdout or ()
            yield next(found[1] for line in lines if (found := re.search(r"ask it at (\S+)", line))), process.pid
        finally:
            process.terminate()


def malformed(samples: Samples) -> list[bytes]:
    """Requests that are none, each in its own way; whatever follows them on the wire must not be touched."""
    tensor = {"name": "samples", "datatype": "FP32", "shape": list(samples[:1].shape), "data": [0.5] * samples[0].size}
    bad: list[Any] = [
        b"{",
        b"\xff\x00" * 20,
        b"[" * 2000,
        {"inputs": []},
        {"inputs": [tensor, tensor]},
        {"inputs": [{**tensor, "shape": [10**9, 10**9]}]},
        {"inputs": [{**tensor, "datatype": "BYTES"}]},
        {"inputs": [{**tensor, "data": [None] * samples[0].size}]},
        {"inputs": [{**tensor, "data": ["1"] * samples[0].size}]},
        {"inputs": [{**tensor, "data": [1e300] * samples[0].size}]},
        {"inputs": [tensor], "outputs": [{"name": "reasons"}]},
    ]
    bodies = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in bad]
    whole = [posted(body) for body in bodies]
    cut = posted(json.dumps({"inputs": [tensor]}).encode())
    return [
        *whole,
        cut[: len(cut) // 2],
        cut.replace(b"Content-Length: ", b"Content-Length: x"),
        cut.replace(b"Content-Length: ", b"Content-Length: 9999"),
        posted(b"{}", "Inference-Header-Content-Length: 99"),
        posted(b"{}", "Transfer-Encoding: chunked"),
        b"POST /v2/models/nobody/infer HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        b"\x16\x03\x01 no HTTP at all\r\n\r\n",
    ]


def posted(body: bytes, *lines: str) -> bytes:
    """A request for scores; NAME stands for the model."""
    head = ["POST /v2/models/NAME/infer HTTP/1.1", "Host: here", f"Content-Length: {len(body)}", *lines, "", ""]
    return "\r\n".join(head).encode() + body


def status_of(url: str, request: bytes) -> int:
    """What a server answers to bytes on a connection of their own; 0 where it says nothing."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=60) as connection:
        with contextlib.suppress(OSError):  # it may refuse before it has heard all
            connection.sendall(request.replace(b"NAME", parts.path.strip("/").encode()))
            connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(15)
    return int(answer[9:12]) if answer.startswith(b"HTTP/1.1 ") else 0


def stressed(url: str, home: Subject, clients: int, queries: int, bad: int) -> dict[str, Any]:
    """Clients that ask at the same time, and what went wrong."""
    samples = random_samples(home, POOL)
    known, requests = home(samples), malformed(samples)
    found, turn = {"answered": 0, "wrong": 0, "malformed": 0, "malformed not refused": 0}, threading.Lock()

    def note(**counts: int) -> None:
        with turn:
            for name, count in counts.items():
                found[name.replace("_", " ")] += count

    def client(number: int) -> None:
        subject, rng = open_predictor(url), np.random.default_rng(number)
        left, due = queries // clients, bad // clients
        while left or due:
            if due and rng.random() < due / (due + left / 32):
                due -= 1
                status = status_of(url, requests[(number + due * clients) % len(requests)])
                note(malformed=1, malformed_not_refused=not 400 <= status < 500)
                continue
            count = min(left, int(rng.integers(1, 65)))
            left -= count
            places = rng.integers(0, POOL, count)
            given = subject(samples[places])
            note(answered=count, wrong=int((given != known[places]).any(axis=1).sum()))

    start = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(client, range(clients)))
    return {"clients": clients, **found, "seconds": round(time.perf_counter() - start, 1)}


def spent(pid: int | None) -> tuple[float, float]:
    """Seconds by the clock, and of the processor that this process and another have spent so far."""
    # the processor's clock of another process: clock_getcpuclockid(3), which Python does not wrap
    theirs = time.clock_gettime(~pid << 3 | 2) if pid else 0.0
    return time.perf_counter(), time.process_time() + theirs


def taken(work: Callable[[], Any], pid: int | None) -> tuple[float, float]:
    """Seconds by the clock and of the processor."""
    before = spent(pid)
    work()
    after = spent(pid)
    return after[0] - before[0], after[1] - before[1]


def through(subject: Subject, codes: Codes | Samples, clients: int) -> Callable[[], None]:
    """Ask all codes in batches, by so many threads."""
    door: Callable[[Any], Any] = subject.coded or subject.ask
    batches = [codes[start : start + BATCH] for start in range(0, len(codes), BATCH)]

    def run() -> None:
        with ThreadPoolExecutor(clients) as pool:
            list(pool.map(door, batches))

    return run


def throughput(name: str, kernels: str, count: int) -> list[dict[str, Any]]:
    """A network behind a server, asked in several ways, against the bare interpreter in turn."""
    from benchmarks.overhead import bare

    path = Path("models") / name / "int8.tflite"
    address = f"litert:{path}?kernels={kernels}"
    home = open_predictor(address)
    samples = np.repeat(random_samples(home, BATCH), count // BATCH, axis=0)
    codes = home.spec.input.encode(samples) if home.spec.input else samples
    with serving(address) as (url, pid):
        runs = {way: through(open_predictor(url + options), codes, clients) for way, (options, clients) in WAYS.items()}
        works = [(bare(path, kernels, BATCH, codes), None), *((run, pid) for run in runs.values())]
        rounds = [[taken(*work) for work in works] for _ in range(ROUNDS + 1)][1:]
    clock, processor = ([median(one[way][kind] for one in rounds) for way in range(len(works))] for kind in (0, 1))
    slow = processor[0] / len(codes) * 1e6 >= SLOW
    return [
        {
            "network": name,
            "kernels": kernels,
            "asked by": way,
            "bare µs a query": round(processor[0] / len(codes) * 1e6, 1),
            "served µs a query": round(processor[place] / len(codes) * 1e6, 1),
            "share": round(processor[0] / processor[place], 3),
            "share by the clock": round(clock[0] / clock[place], 3),
            "target": TARGET if slow else "–",
            "met": processor[0] / processor[place] >= TARGET if slow else "–",
        }
        for place, way in enumerate(runs, 1)
    ]


def rows(names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """All cases."""
    for name in names:
        yield from throughput(name, "reference", 64)
        yield from throughput(name, "xnnpack", 512)


def main() -> None:
    """All networks, or those that are named; the stress test is of the first."""
    from benchmarks.overhead import networks
    from benchmarks.tables import put

    names = sys.argv[1:] or networks()
    address = f"litert:models/{names[0]}/int8.tflite"
    with serving(address) as (url, _):
        put("serve-stress", [stressed(url, open_predictor(address), CLIENTS, QUERIES, MALFORMED)])
    put("serve", list(rows(names)))


if __name__ == "__main__":
    main()
