"""Memory of forward and backward, beside Kornia: kept between the two, and the peak of the process above its start.

Run as a process of its own, whose allocator gives pages back (MALLOC_MMAP_THRESHOLD_), so that what one side leaves
does not hide what the next takes. The peak counts all pages touched, scratch memory of compiled kernels included.
"""

from __future__ import annotations

import gc
import json
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from visionops.testing import saved_bytes

from .compare import THREADS, input_of, libraries, photos, works_of
from .lines import LINES

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
COMMAND = "visionops.bench.operators.memory"


def measure(names: Sequence[str], batch: int, size: tuple[int, int]) -> dict[str, dict[str, Any]]:
    """Returns {"kept_bytes", "peak_bytes"} of each side of each line; {} where the system does not tell peaks."""
    if not CLEAR.exists():
        return {}
    question = json.dumps({"names": list(names), "batch": batch, "size": size})
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    done = subprocess.run(
        [sys.executable, "-m", COMMAND], input=question, capture_output=True, text=True, env=environment, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def answer(names: Sequence[str], batch: int, size: tuple[int, int]) -> dict[str, dict[str, Any]]:
    """Returns what `measure` does, of this process."""
    levels, peers = photos(batch, size), libraries()
    found: dict[str, dict[str, Any]] = {}
    for name in names:
        line = LINES[name]
        try:
            works = works_of(line, levels, "backward", peers)
        except Exception:
            continue
        found[name] = {}
        for side, (work, peer) in works.items():
            x = input_of(line, levels, "backward")
            leaf = (peer.take(x) if peer is not None and peer.take is not None else x).requires_grad_()
            del x
            try:
                call = line.ours if peer is None else partial(peer.call, peers[side])
                kept = sum(saved_bytes(partial(call, leaf)))
                found[name][side] = {"kept_bytes": kept, "peak_bytes": _peak(work)}
            except Exception as error:
                found[name][side] = {"fails": type(error).__name__}
    return found


def _peak(work: Any) -> int:
    work()
    gc.collect()
    CLEAR.write_text("5")  # the peak starts anew
    before = _status("VmRSS")
    work()
    return _status("VmHWM") - before


def _status(key: str) -> int:
    found = re.search(rf"{key}:\s+(\d+) kB", STATUS.read_text())
    assert found is not None, key
    return 1024 * int(found[1])


def _limit_memory() -> None:
    """Makes what does not fit an error of this process, before the system looks for one to kill."""
    import resource  # not on Windows, where nothing gets here

    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_DATA, (total * 3 // 4,) * 2)


if __name__ == "__main__":
    _limit_memory()
    warnings.simplefilter("ignore")  # of a peer's own code
    torch.set_num_threads(THREADS)
    asked = json.loads(sys.stdin.read())
    print(json.dumps(answer(asked["names"], asked["batch"], tuple(asked["size"]))))
