"""The command line: `visionops info`, `preview`, `bench` and `demo`. Each command is a file of its own."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

__all__ = ["main"]

_DESCRIPTION = """\
Computer-vision pipelines for PyTorch, planned into one pass over the pixels.

  visionops info                                  what is installed, and which kernels run
  visionops preview pipe.yaml *.jpg -o grid.png   look at what a pipeline does to photos and their labels
  visionops bench loader                          images per second, beside Albumentations and Kornia
  visionops demo                                  a page that shows it all on real photos"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code: 0, or 2 for what the caller can mend, told in one line.

    Args:
        argv: the arguments behind the program's name; None takes the process's.
    """
    args = _parser().parse_args(argv)
    try:
        return args.run(args)
    except (OSError, ValueError) as error:
        if args.traceback:
            raise
        text = str(error)
        if isinstance(error, OSError) and error.strerror and error.filename:
            text = f"{error.filename}: {error.strerror}"
        # Messages of YAML and JSON readers have several lines.
        print(f"visionops {args.command}: {' '.join(text.split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    from visionops import __version__

    from . import bench, demo, info, preview

    parser = argparse.ArgumentParser(
        prog="visionops", description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"visionops {__version__}")
    parser.add_argument("--traceback", action="store_true", help="show where an error was raised")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in (info, preview, bench, demo):
        command.add(commands)
    return parser
