"""What a file takes with its weights stored by a Huffman code: what sparse and shared weights are worth in flash.

A converter stores every weight in full, zero or not, so that pruning alone makes no file smaller. The coded size is
that of the file with each tensor of weights replaced by its shorter form: as it is, or a canonical Huffman code of its
values, with the table that decodes it (each distinct value, and a byte for the length of its code). A Huffman code
spends a bit a weight at least. Nothing is written: it is an account, not a file that an interpreter would run.

Source: Huffman 1952; Han, Mao & Dally 2016, arXiv 1510.00149, section 4, without its coding of distances.
"""

import heapq
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from samewhy_edge.errors import ArtifactError
from samewhy_host import flatbuffer
from samewhy_host.module_file import load_plain

KINDS = (".pt", ".onnx", ".tflite")


def coded_bytes(path: Path) -> int | None:
    """Bytes of the file with its weights coded; None for files of another kind.

    Raises:
        ArtifactError: the file is broken.
    """
    if path.suffix not in KINDS:
        return None
    saved = sum(one.nbytes - tensor_bytes(one) for one in tensors(path))
    return path.stat().st_size - saved


def tensor_bytes(values: NDArray[Any]) -> int:
    """Of a tensor, coded or not, whichever is shorter."""
    distinct, counts = np.unique(values, return_counts=True)
    table = len(distinct) * (values.itemsize + 1)
    if table >= values.nbytes:
        return values.nbytes
    return min(values.nbytes, table + -(-code_bits(counts) // 8))


def code_bits(counts: NDArray[np.int64]) -> int:
    """Bits that a Huffman code spends on symbols that occur so often; one each for a single symbol."""
    heap = [int(count) for count in counts]
    if len(heap) == 1:
        return heap[0]
    heapq.heapify(heap)
    bits = 0
    while len(heap) > 1:
        joined = heapq.heappop(heap) + heapq.heappop(heap)
        bits += joined  # all symbols below get one bit longer
        heapq.heappush(heap, joined)
    return bits


def tensors(path: Path) -> Iterator[NDArray[Any]]:
    """The weights of a file."""
    if path.suffix == ".tflite":
        return of_tflite(path.read_bytes())
    return of_onnx(path) if path.suffix == ".onnx" else of_torch(path)


def of_tflite(content: bytes) -> Iterator[NDArray[Any]]:
    """Constants of layers; tensors may share a buffer."""
    constants = {one.buffer: one for layer in flatbuffer.layers_of(content) for one in layer.constants}
    return (flatbuffer.values_of(content, one) for one in constants.values())


def of_onnx(path: Path) -> Iterator[NDArray[Any]]:
    """Initializers.

    Raises:
        ArtifactError: the file is no ONNX.
    """
    try:
        model = onnx.load(path)
    except Exception as error:  # protobuf has an error of its own for a broken file
        raise ArtifactError(f"{path}: not readable as ONNX ({error}); export it anew") from error
    return (onnx.numpy_helper.to_array(one) for one in model.graph.initializer)


def of_torch(path: Path) -> Iterator[NDArray[Any]]:
    """Tensors of a module file."""
    return (one.numpy() for one in load_plain(path)["state"].values())
