"""`visionops bench`: measures, prints tables, keeps JSON."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from visionops.bench import Report

_DESCRIPTION = """\
Measures on this machine and prints a table; --json keeps every raw round beside it.

  loader   images/s of one core, photos to training batches, beside Albumentations and Kornia;
           and how far a warp is from OpenCV and from exact arithmetic
  decode   images/s of one core, JPEG bytes to training batches, beside Albumentations with OpenCV and Pillow;
           and what decoding at a reduced scale changes
  fusing   sharpness kept by resampling once instead of five times
  import   seconds that `import visionops` adds to `import torch`
  all      these four

Peers that are missing are told and left out: pip install 'visionops[bench]' brings them."""


def add(commands: Any) -> None:
    """Adds the command to the parser."""
    parser = commands.add_parser(
        "bench", help="measure speed, accuracy, sharpness and import time",
        description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    kinds = parser.add_subparsers(dest="bench", required=True, metavar="BENCHMARK")
    for name, text in (("loader", "images/s and accuracy"), ("decode", "images/s from JPEGs"),
                       ("fusing", "sharpness"), ("import", "import time"),
                       ("all", "all four")):  # fmt: skip
        one = kinds.add_parser(name, help=text, description=f"Measures {text}.")
        if name in ("loader", "decode", "all"):
            one.add_argument("--photos", type=_positive(int), default=8, metavar="N",
                             help="how many of the eight photos (default: %(default)s)")  # fmt: skip
            one.add_argument("--seconds", type=_positive(float), default=2.0, metavar="S",
                             help="measured for each side, form and pipeline; quieter the longer "
                             "(default: %(default)s)")  # fmt: skip
        if name in ("fusing", "all"):
            one.add_argument("--draws", type=_positive(int), default=20, metavar="N",
                             help="random chains (default: %(default)s)")  # fmt: skip
        if name in ("import", "all"):
            one.add_argument("--repeats", type=_positive(int), default=9, metavar="N",
                             help="fresh processes of each kind (default: %(default)s)")  # fmt: skip
        where, what = ("DIR", "a folder for one JSON file each") if name == "all" else ("FILE", "keep the results here")
        one.add_argument("--json", type=Path, metavar=where, help=what)
        one.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    names = ("loader", "decode", "fusing", "import") if args.bench == "all" else (args.bench,)
    for name in names:
        report = _measure(name, args)
        report.show()
        if args.json is not None:
            path = args.json / f"{name}.json" if args.bench == "all" else args.json
            report.save(path)
            print(f"wrote {path}")
    return 0


def _measure(name: str, args: argparse.Namespace) -> Report:
    from visionops.bench import decode, fusing, importing, loader

    if name in ("loader", "decode"):
        return (loader if name == "loader" else decode).run(photos=args.photos, seconds=args.seconds)
    return fusing.run(draws=args.draws) if name == "fusing" else importing.run(repeats=args.repeats)


def _positive(kind: type) -> Any:
    def read(text: str) -> Any:
        value = kind(text)
        if not value > 0:
            raise argparse.ArgumentTypeError(f"must be above 0, got {text}")
        return value

    read.__name__ = kind.__name__  # what argparse calls it
    return read
