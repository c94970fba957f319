"""What a measurement was made on, as plain data: versions, processor, threads, compiled kernels."""

from __future__ import annotations

import os
import platform
from importlib import metadata, util
from pathlib import Path
from typing import Any

# Peers by what is imported; OpenCV is published under several names.
PEERS = {
    "albumentations": ("albumentations",),
    "kornia": ("kornia",),
    "cv2": ("opencv-python-headless", "opencv-python", "opencv-contrib-python-headless", "opencv-contrib-python"),
    "skimage": ("scikit-image",),
}
NOT_INSTALLED = "not installed: pip install 'visionops[bench]'"


def installed(module: str) -> bool:
    """Returns whether a module can be imported, without importing it."""
    return util.find_spec(module) is not None


def version_of(*distributions: str) -> str | None:
    """Returns the version of the first distribution that is installed."""
    for name in distributions:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None


def peer_versions() -> dict[str, str | None]:
    """Returns the versions of the libraries that visionops is measured beside, None where one is missing."""
    return {names[0]: version_of(*names) if installed(module) else None for module, names in PEERS.items()}


def processor() -> str:
    """Returns the processor's name."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            if line.lower().startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def kernels() -> dict[str, Any]:
    """Returns which compiled kernels run, with which instruction set, or why none does."""
    from visionops.kernels import native

    public = [name for name in dir(native.module) if not name.startswith("_")] if native.module is not None else []
    return {
        "active": native.active(),
        "instruction_set": native.module.features() if native.module is not None else None,
        "compiled": [name for name in public if name != "features"],
        "why_not": native.why_not,
    }


def environment() -> dict[str, Any]:
    """Returns all of it, as it stands now."""
    import numpy
    import PIL
    import torch

    import visionops
    from visionops.kernels.jpeg import op as jpeg

    devices = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "visionops": visionops.__version__,
        "folder": str(Path(visionops.__file__).parent),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "pillow": PIL.__version__,
        "peers": peer_versions(),
        "system": platform.platform(),
        "cpu": processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
        "threads": torch.get_num_threads(),
        "devices": ["cpu", *devices],
        "kernels": kernels(),
        "jpeg": jpeg.decoder(),
    }


def summary(env: dict[str, Any]) -> str:
    """Returns the environment as the line above a table."""
    k = env["kernels"]
    compiled = k["instruction_set"] if k["active"] else f"definitions only, {k['why_not']}"
    threads = f"{env['threads']} thread{'s' * (env['threads'] != 1)}"
    return f"{env['cpu']}, {threads}, kernels: {compiled}, torch {env['torch']}, visionops {env['visionops']}"
