"""`visionops info`: what is installed, which kernels run, and why not."""

from __future__ import annotations

import argparse
import json
from typing import Any


def add(commands: Any) -> None:
    """Adds the command to the parser."""
    parser = commands.add_parser(
        "info",
        help="versions, threads, devices, and which compiled kernels run",
        description="Prints versions, threads, devices, and which compiled kernels run, or why none does. Without them "
        "everything works, on plain PyTorch, but slowly. VISIONOPS_KERNELS=off turns them off.",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for a bug report or a script")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from visionops.bench.machine import environment

    env = environment()
    if args.json:
        print(json.dumps(env, indent=2))
        return 0
    width = max(len(name) for name, _ in _lines(env))
    for name, text in _lines(env):
        print(f"{name:<{width}}  {text}")
    return 0


def _lines(env: dict[str, Any]) -> list[tuple[str, str]]:
    kernels = env["kernels"]
    if kernels["active"]:
        state = f"compiled, {kernels['instruction_set']}: {', '.join(kernels['compiled'])}"
    else:
        state = f"definitions in plain PyTorch, because {kernels['why_not']}"
    return [
        ("visionops", f"{env['visionops']} in {env['folder']}"),
        ("kernels", state),
        ("jpeg", f"decoded by {env['jpeg']}"),
        *((name, env[name]) for name in ("python", "torch", "numpy", "pillow")),
        *((name, version or "not installed (optional: pip install 'visionops[bench]')")
          for name, version in env["peers"].items()),
        ("cpu", f"{env['cpu']}, {env['cores']} cores, {env['threads']} threads in torch"),
        ("devices", ", ".join(env["devices"])),
        ("system", env["system"]),
    ]  # fmt: skip
