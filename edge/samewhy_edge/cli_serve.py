"""``samewhy serve``: a file on the network, by the Open Inference Protocol."""

import os
import re
import signal
import threading
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from samewhy_edge.cli import introduction, others, stderr, stdout
from samewhy_edge.errors import InputError

TOKEN = "SAMEWHY_TOKEN"
KINDS = {".tflite": "litert", ".onnx": "onnx"}  # runtimes of bare files
MIB = 2**20
OPEN_DOOR = f"without a token: whoever reaches this machine can ask; give --token-file, or put one in {TOKEN}"


def serve(
    address: Annotated[str, typer.Argument(help="a file, or runtime:path, e.g. litert:model.tflite?kernels=reference")],
    host: Annotated[str, typer.Option(help="address to listen on; beyond 127.0.0.1 others can ask")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes any that is free", min=0, max=65535)] = 8080,
    name: Annotated[str | None, typer.Option(help="of the model; without it that of the file")] = None,
    token_file: Annotated[Path | None, typer.Option(help=f"holds the token to ask with; without it ${TOKEN}")] = None,
    threads: Annotated[int | None, typer.Option(help="interpreters at once; without it processors", min=1)] = None,
    batch_wait: Annotated[float, typer.Option(help="ms that a free interpreter waits for more", min=0)] = 0.0,
    queue: Annotated[int, typer.Option(help="samples that may wait, and of a request", min=1)] = 1024,
    body_limit: Annotated[int, typer.Option(help="MiB of a request", min=1)] = 32,
    connections: Annotated[int, typer.Option(help="at the same time", min=1)] = 64,
) -> None:
    """Let others ask a file over the network, until Ctrl-C or SIGTERM; what has begun is still answered."""
    from samewhy_edge.predictor import open_predictor
    from samewhy_edge.serve import Settings, listening

    opened = address_of(address)
    named = name or model_name(opened)
    token = token_of(token_file)
    settings = Settings(checked_name(named), host, port, token, batch_wait / 1000, queue, body_limit * MIB, connections)
    first = open_predictor(opened)
    stop = stopped()
    with listening([first, *others(opened, first, threads)], settings) as listener:
        stdout.print(introduction(opened, first.spec), end="")
        if not token and not is_loopback(host):
            stderr.print(f"[bold yellow]samewhy:[/] listening on {escape(host)} {OPEN_DOOR}", soft_wrap=True)
        stdout.print(f"ask it at [bold]{escape(listener.url)}[/]", soft_wrap=True, highlight=False)
        stop.wait()
        stdout.print("stopping: what has begun is answered")
    stdout.print(f"{listener.batcher.rows:,} samples answered in {listener.batcher.batches:,} batches")


def address_of(text: str) -> str:
    """An address as it is; for a bare file, that of the runtime which opens its kind."""
    runtime = KINDS.get(Path(text).suffix)
    return f"{runtime}:{text}" if runtime and (":" not in text or Path(text).is_file()) else text


def model_name(address: str) -> str:
    """The name of an address's file, in letters that a path of HTTP may hold."""
    stem = Path(address.partition("?")[0].partition(":")[2]).stem
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem) or "model"


def checked_name(name: str) -> str:
    """The name, if the path of a request can hold it.

    Raises:
        InputError: it cannot.
    """
    if not re.fullmatch(r"[A-Za-z0-9._-]+", name):
        raise InputError(f"--name {name}: expected letters, digits, '.', '_' and '-'")
    return name


def token_of(path: Path | None) -> str | None:
    """The token in a file, or in the environment; None where there is neither.

    Raises:
        InputError: no such file, or nothing in it.
    """
    if path is None:
        return os.environ.get(TOKEN, "").strip() or None
    try:
        token = path.read_text().strip()
    except (OSError, ValueError) as error:
        raise InputError(f"--token-file {path}: cannot be read ({error}); expected a file with the token") from error
    if not token:
        raise InputError(f"--token-file {path}: it is empty; expected a file with the token")
    return token


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach it."""
    from ipaddress import ip_address  # help must not wait for it

    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def stopped() -> threading.Event:
    """Set by Ctrl-C or SIGTERM; the second time they do what they always do."""
    stop = threading.Event()

    def ask(number: int, _: object) -> None:
        stop.set()
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask)
    return stop
