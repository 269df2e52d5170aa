"""What a first answer costs a process that knows nothing yet.

``python -m samewhy_edge.coldstart ADDRESS BATCH STARTED`` prints one line of JSON: the child of `samewhy_edge.bench`,
which STARTED it at that time of the clock. Memory is the peak of the process, so each address has a process of its own.
"""

import json
import resource
import sys
import time


def main() -> None:
    """Import, open, ask once; then ask a batch, which sets the peak of memory."""
    address, batch, started = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    import numpy as np

    from samewhy_edge.predictor import open_predictor

    start, imported, bare = time.time() - started, time.perf_counter(), peak()
    subject = open_predictor(address)
    opened = time.perf_counter()
    sample = np.zeros((1, *subject.spec.sample), np.float32)
    subject(sample)
    asked, single = time.perf_counter(), peak()
    subject(np.repeat(sample, batch, axis=0))
    found = {
        "import_s": start,  # with the start of Python
        "open_s": opened - imported,  # with the examination of the file in a process of its own
        "first_query_s": asked - opened,
        "memory_imported_mb": bare,
        "memory_single_mb": single,
        "memory_batch_mb": peak(),
    }
    print(json.dumps({name: round(value, 6) for name, value in found.items()}))


def peak() -> float:
    """Resident memory of this process at its most, in megabytes."""
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kibibytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


if __name__ == "__main__":
    main()
