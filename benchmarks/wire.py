"""What the wire to a board costs, and whether it ever errs.

``python -m benchmarks.wire [NETWORK ...]`` prints three tables, and writes runs/bench/wire-faults.json, wire-speed.json
and wire-audit.json.

*wire-faults*: boards of this machine behind lines that flip, drop, double, cut and overwrite bytes, until 10,000 pieces
were hurt. Every answer is compared with what the model gives. Beside it, what the CRC-16 alone would have let through,
counted over many more frames that never travel.

*wire-speed*: the same samples to the same firmware on an emulated Cortex-M4, by frames, in the ASCII dialect and
through the debugger, in turn: first a firmware that hashes its input, where all of the time is the wire's, then
networks. Times are told by the clock and by the processor, where the work of the emulator counts too: on a busy machine
the clock tells how busy it is. What a real line of 115200 baud takes follows from the bytes.

*wire-audit*: one sample under 256 masks of RISE, on the same board.
"""

import random
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory
from typing import Any, final

import numpy as np
from tests.bridge.boards import BOARD, Faults, between, running, scores, some_codes

from benchmarks.tables import put
from samewhy_bridge.build import built
from samewhy_bridge.device import device_of, subject_of
from samewhy_bridge.dialect import PIECE
from samewhy_bridge.frames import CHECK, Frame, Kind, Reader
from samewhy_bridge.generate import generate
from samewhy_bridge.link import Link, Patience
from samewhy_bridge.machines import MACHINES
from samewhy_bridge.packing import packed
from samewhy_bridge.ports import Tcp
from samewhy_bridge.qemu import Board, measured, started
from samewhy_edge.address import parse_address
from samewhy_edge.explain import Explainer, explainer_from
from samewhy_edge.predictor import Subject, open_predictor
from samewhy_edge.query import ask

HURT, LINES, CHANCE = 10_000, 8, 0.3
FRAMES = 1_000_000  # that are hurt without travelling
TOGETHER, ROUNDS = 16, 3
QUERIES, LIMIT, FACTOR = 256, 60, 3
BITS = 10  # on a line, of a byte with its start and stop
BAUD = 115_200
NETWORKS, FIRST, HASH = Path("models"), "fashion_ds_cnn", "hash"


def hurt_line(seed: int, board: int, wanted: int) -> dict[str, int]:
    """One line to a board, asked until enough was hurt on it."""
    out, back = Faults(CHANCE, 2 * seed), Faults(CHANCE, 2 * seed + 1)
    found = {"asked": 0, "hurt": 0, "overcome": 0, "accepted wrong": 0}
    with between(board, out, back) as port:
        link = Link("line", Tcp("127.0.0.1", port), Patience(0.5, 1000, 0.05))
        device = device_of(subject_of(parse_address("tcp:here:1"), link))
        while out.hurt + back.hurt < wanted:
            codes = some_codes(20, seed * 100_000 + found["asked"])
            link.troubles.clear()
            given = device.answers(codes).reshape(len(codes), -1)
            found["asked"] += len(codes)
            found["overcome"] += len(link.troubles)
            found["accepted wrong"] += int((given != scores(codes)).any(axis=1).sum())
        link.close()
    return found | {"hurt": out.hurt + back.hurt}


def faults(wanted: int) -> dict[str, Any]:
    """Several lines at the same time, each to a board of its own: most of it is waiting."""
    start = time.perf_counter()

    def work(seed: int) -> dict[str, int]:
        with running() as board:
            return hurt_line(seed, board, wanted // LINES)

    with ThreadPoolExecutor(LINES) as pool:
        rows = list(pool.map(work, range(LINES)))
    total = {name: sum(row[name] for row in rows) for name in rows[0]}
    return {"what": "frames that travel", **total, "seconds": round(time.perf_counter() - start, 1)}


def by_crc_alone(count: int) -> dict[str, Any]:
    """Answers that are hurt: how many have another content and a good CRC-16, and how many of those a good check."""
    fault, chance, start = Faults(1, 7), random.Random(8), time.perf_counter()
    question = Frame(Kind.QUERY, 5, some_codes(1).tobytes())
    found = {"hurt": 0, "pass the CRC-16": 0, "accepted wrong": 0}
    while found["hurt"] < count:
        body = chance.randbytes(14)
        answer = Frame(Kind.QUERY | Kind.ANSWER, 5, body + CHECK.pack(question.check(bytes(32), body)))
        hurt = fault(answer.packed())
        found["hurt"] += 1
        for event in Reader().feed(hurt + b"\0"):
            if isinstance(event, Frame) and event != answer:
                found["pass the CRC-16"] += 1
                right = CHECK.pack(question.check(bytes(32), event.body[:-4])) == event.body[-4:]
                found["accepted wrong"] += (event.kind, event.sequence) == (answer.kind, 5) and right
    return {"what": "answers that do not travel", **found, "seconds": round(time.perf_counter() - start, 1)}


@final
@dataclass(frozen=True, slots=True)
class Way:
    """A way to ask the board."""

    name: str
    address: str
    bytes: Callable[[bytes, int], int]  # on the line for a sample, from its content and the number of scores


def framed(content: bytes, taken: int) -> int:
    """A question, packed where that is shorter, and its answer."""
    question = Frame(Kind.QUERY, 1, min(content, packed(content), key=len))
    return len(question.packed()) + len(Frame(Kind.QUERY, 1, bytes([1]) * (taken + 8)).packed())


def spelt(content: bytes, taken: int) -> int:
    """Commands and replies of the dialect, where nothing is read twice."""
    reply, pieces = len("m-ready\r\n"), -(-len(content) // PIECE)
    load = len(f"db load {len(content)}%m-[Expecting {len(content)} bytes]\r\n") + reply
    digits = 2 * len(content) + pieces * (len("db %") + reply) + len("m-load-done\r\n")
    infer = len("infer 1 0%m-warmup-start-0\r\nm-warmup-done\r\nm-infer-start-1\r\nm-lap-us-0\r\nm-lap-us-0\r\n")
    results = len("m-infer-done\r\nm-results-[]\r\n") + 7 * taken
    return load + digits + infer + results + reply


def spelt_twice(content: bytes, taken: int) -> int:
    """The same, and what was loaded and found is read back."""
    again = len("db print%results%m-results-[]\r\n") + 2 * len("m-ready\r\n") + 7 * taken
    return spelt(content, taken) + again + 3 * len(content) + -(-len(content) // 8) * len("m-buffer-\r")


@final
@dataclass(frozen=True, slots=True)
class Bench:
    """A firmware on an emulated board, and the ways to ask it, one at a time."""

    project: Path
    board: Board
    codes: Any  # what it is asked
    ways: tuple[Way, ...]

    def spent(self) -> tuple[float, float]:
        """Seconds by the clock, and of the processor that this process and the emulator have spent so far."""
        watch = self.board.process.pid
        children = Path(f"/proc/{watch}/task/{watch}/children").read_text().split()
        # the processor's clock of another process: clock_getcpuclockid(3), which Python does not wrap
        theirs = sum(time.clock_gettime(~int(child) << 3 | 2) for child in children)
        return time.perf_counter(), time.process_time() + theirs

    def timed(self, way: Way) -> tuple[float, float, Any]:
        """Seconds a sample by the clock and by the processor, and the scores."""
        subject = open_predictor(way.address)
        door: Any = subject.coded or subject.ask
        before = self.spent()
        found = door(self.codes)
        after = self.spent()
        let_go(subject)
        return (after[0] - before[0]) / len(found), (after[1] - before[1]) / len(found), found


@contextmanager
def bench(name: str) -> Iterator[Bench]:
    """Of a network, or of the hash."""
    machine = MACHINES["mps2-an386"]
    with TemporaryDirectory() as folder:
        project = Path(folder) / name
        if name == HASH:
            shutil.copytree(BOARD, project)
        else:
            generate(NETWORKS / name / "int8.tflite", "generic-c", None, project)
        elf = built(project, machine).elf
        board = started(elf, machine, gdb=True)
        line = f"tcp:127.0.0.1:{board.port}"
        spec = open_predictor(line).spec
        coding = spec.input
        if coding is None:
            raise ValueError(f"{name}: an input of real numbers; expected codes")
        shape = "x".join(map(str, spec.sample))
        said = f"shape={shape}&type={coding.dtype}&scale={coding.scale}&zero={coding.zero_point}"
        ways = (
            Way("frames", line, framed),
            Way("ASCII", f"{line}?dialect=mlperf&verify=0&{said}", spelt),
            Way("ASCII, read back", f"{line}?dialect=mlperf&{said}", spelt_twice),
            Way("debugger", f"gdb:127.0.0.1:{board.gdb}?elf={elf}", lambda content, taken: 0),
        )
        try:
            yield Bench(project, board, coding.encode(samples_of(name)), ways)
        finally:
            board.stop()


def samples_of(name: str) -> Any:
    """Some, again where there are too few."""
    source = NETWORKS / (FIRST if name == HASH else name) / "samples.npz"
    with np.load(source) as arrays:
        return np.resize(arrays["samples"], (TOGETHER, *arrays["samples"].shape[1:]))


def let_go(subject: Subject) -> None:
    """Leave the line to the next."""
    owner: Any = subject.ask
    for part in ("link", "talk"):
        if hasattr(owner, part):
            getattr(owner, part).close()
            return
    owner.close()


def speed(name: str) -> list[dict[str, Any]]:
    """All ways, in turn, several times; and whether they say the same."""
    with bench(name) as found:
        rounds = [[found.timed(way) for way in found.ways] for _ in range(ROUNDS)]
        contents = [row.tobytes() for row in found.codes]
    clock, processor = ([median(one[way][kind] for one in rounds) for way in range(len(rounds[0]))] for kind in (0, 1))
    first = rounds[0][0][2]
    rows = []
    for place, way in enumerate(found.ways):
        judged = name == HASH and way.name == "frames"
        count = round(mean(way.bytes(content, first.shape[1]) for content in contents))
        rows.append(
            {
                "firmware": name,
                "asked by": way.name,
                "ms by the clock": round(1000 * clock[place], 1),
                "ms of the processor": round(1000 * processor[place], 1),
                "times as fast as ASCII": round(processor[1] / processor[place], 1),
                "target": FACTOR if judged else "–",
                "met": processor[1] / processor[place] >= FACTOR if judged else "–",
                "bytes": count or "–",
                f"s at {BAUD} baud": round(count * BITS / BAUD, 3) or "–",
                "largest difference": round(float(np.abs(rounds[0][place][2] - first).max()), 6),
            }
        )
    return rows


def audited(name: str) -> dict[str, Any]:
    """One sample under many masks, by frames."""
    with np.load(NETWORKS / name / "samples.npz") as arrays:
        samples = arrays["samples"][:1]
    explainer: Explainer = explainer_from({"method": "rise", "queries": QUERIES})
    plan = explainer.plan(samples.shape[1:], 0)
    with bench(name) as found:
        subject = open_predictor(f"qemu:{found.project}")
        start = time.perf_counter()
        ask(subject, samples, plan, explainer.fill)
        seconds = time.perf_counter() - start
        count = measured(subject, MACHINES["mps2-an386"])
        macs, troubles = device_of(subject).about.macs, len(device_of(subject).link.troubles)
    return {
        "network": name,
        "queries": len(plan),
        "seconds": round(seconds, 1),
        "limit": LIMIT,
        "met": seconds <= LIMIT,
        "asked again": troubles,
        "instructions (emulated) a run": count,
        "for each product": round(count / macs, 2),
    }


def main() -> None:
    """All tables; the faults alone with ``faults``."""
    names: Sequence[str] = sys.argv[1:] or [FIRST]
    if names != ["faults"]:
        put("wire-speed", [row for name in (HASH, *names) for row in speed(name)])
        put("wire-audit", list(map(audited, names)))
    found = [faults(HURT), by_crc_alone(FRAMES)]
    keys = dict.fromkeys(key for row in found for key in row)
    put("wire-faults", [{key: row.get(key, "–") for key in keys} for row in found])


if __name__ == "__main__":
    main()
