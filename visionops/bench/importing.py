"""Seconds that `import visionops` adds to `import torch`, each time in a fresh Python."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from .machine import environment
from .report import Report, Table, cell, progress, spread

LIMIT = 0.3  # seconds, the issue's
STAGES = {"torch": "import torch", "visionops": "import visionops", "augment": "import visionops.augment"}
# The search path is this process's, so that the same visionops is imported.
_STOPWATCH = """
import json, sys, time
sys.path[:] = %r
times = {}
for name, line in %r.items():
    start = time.perf_counter()
    exec(line)
    times[name] = time.perf_counter() - start
print(json.dumps(times))
"""


def run(*, repeats: int = 9) -> Report:
    """Returns what importing costs.

    Args:
        repeats: fresh processes of each kind, with and without visionops in turn, after one of each not counted.
    """
    torch_only = {"torch": STAGES["torch"]}
    raw: dict[str, list[float]] = {name: [] for name in ("torch alone", *STAGES)}
    with progress("import", repeats + 1) as advance:
        for k in range(repeats + 1):
            alone, times = _measure(torch_only), _measure(STAGES)
            if k > 0:
                raw["torch alone"].append(alone["torch"])
                for name in STAGES:
                    raw[name].append(times[name])
            advance()
    found = {name: spread(values) for name, values in raw.items()}
    verdict = "met" if found["visionops"]["median"] <= LIMIT else "MISSED"
    rows = [
        ["import torch", cell(raw["torch"] + raw["torch alone"], "{:.3f}"), ""],
        ["import visionops, after it", cell(raw["visionops"], "{:.3f}"), f"at most {LIMIT:g}: {verdict}"],
        ["import visionops.augment, after both", cell(raw["augment"], "{:.3f}"), ""],
    ]
    results: dict[str, Any] = {"seconds": raw, "summary": found, "limit": LIMIT}
    table = Table(f"Import, seconds, median (quartiles) of {repeats} processes", ["", "seconds", "limit"], rows)
    return Report("import", environment(), [table], results)


def _measure(stages: dict[str, str]) -> dict[str, float]:
    program = _STOPWATCH % (sys.path, stages)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"the measured process failed: {done.stderr.strip()}")
    return json.loads(done.stdout)
