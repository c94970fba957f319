"""`visionops bench`: measures, prints tables, keeps JSON."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple


def _positive(kind: type) -> Any:
    def read(text: str) -> Any:
        value = kind(text)
        if not value > 0:
            raise argparse.ArgumentTypeError(f"must be above 0, got {text}")
        return value

    read.__name__ = kind.__name__  # what argparse calls it
    return read


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


class Option(NamedTuple):
    """A flag of some benchmarks, and the argument of their `run` that it gives; without `read` a switch."""

    read: Callable[[str], Any] | None
    default: Any
    metavar: str
    help: str


SECONDS = Option(_positive(float), 2.0, "S", "measured for each side of each row, and quieter the longer")
PHOTOS = Option(_positive(int), 8, "N", "how many of the eight photos")


class Benchmark(NamedTuple):
    """A module of `visionops.bench` whose `run` takes the options."""

    module: str
    text: str
    options: dict[str, Option] = {}  # noqa: RUF012
    in_all: bool = True


BENCHMARKS = {
    "loader": Benchmark(
        "loader",
        "images/s of one core, photos to training batches, beside Albumentations and Kornia;\n"
        "and how far a warp is from OpenCV and from exact arithmetic",
        {"photos": PHOTOS, "seconds": SECONDS},
    ),
    "decode": Benchmark(
        "decode",
        "images/s of one core, JPEG bytes to training batches, beside Albumentations with OpenCV and Pillow;\n"
        "and what decoding at a reduced scale changes",
        {"photos": PHOTOS, "seconds": SECONDS},
    ),
    "training": Benchmark(
        "training",
        "time of forward and backward on a float batch, and memory kept between, beside Kornia",
        {"seconds": SECONDS},
    ),
    "compiled": Benchmark(
        "compiled",
        "images/s of whole pipelines under torch.compile, beside eager mode; needs a C++ compiler",
        {"seconds": SECONDS},
    ),
    "operators": Benchmark(
        "operators",
        "time, accuracy and memory of every image operator beside OpenCV and Kornia, forward and backward;\n"
        "and how time grows with the kernel, also as an SVG beside the JSON",
        {
            "only": Option(_names, None, "NAME,NAME", "these operators, or lines of the table, without the curves"),
            "quick": Option(None, False, "", "fewer images and rounds: a look, no figures to quote"),
        },
    ),
    "geometry": Benchmark(
        "geometry",
        "ten thousand homographies, essential matrices, poses at once, forward and backward, beside Kornia, and\n"
        "beside loops over OpenCV and PoseLib; and how often minimal solvers find the truth",
        {
            "only": Option(_names, None, "NAME,NAME", "the lines that begin so"),
            "quick": Option(None, False, "", "fewer problems and rounds: a look, no figures to quote"),
        },
    ),
    "losses": Benchmark(
        "losses",
        "time, values and memory of losses, forward and backward, beside Kornia, torchmetrics and pytorch-msssim",
        {
            "only": Option(_names, None, "NAME,NAME", "the lines that begin so"),
            "quick": Option(None, False, "", "smaller images and fewer rounds: a look, no figures to quote"),
        },
    ),
    "gpu": Benchmark(
        "gpu",
        "images/s of batches on a CUDA device, forward and backward, beside Kornia; without one it is not run",
        {"seconds": SECONDS},
        in_all=False,
    ),
    "fusing": Benchmark(
        "fusing",
        "sharpness kept by resampling once instead of five times",
        {"draws": Option(_positive(int), 20, "N", "random chains")},
    ),
    "import": Benchmark(
        "importing",
        "seconds that `import visionops` adds to `import torch`",
        {"repeats": Option(_positive(int), 9, "N", "fresh processes of each kind")},
    ),
}


def add(commands: Any) -> None:
    """Adds the command to the parser."""
    listed = "\n".join(
        f"  {name:<10}" + one.text.replace("\n", "\n" + " " * 12) + ("" if one.in_all else " (not in all)")
        for name, one in BENCHMARKS.items()
    )
    parser = commands.add_parser(
        "bench",
        help="measure speed, accuracy, sharpness and import time",
        description="Measures on this machine and prints a table; --json keeps every raw round beside it.\n\n"
        f"{listed}\n  all      all of these\n\n"
        "Peers that are missing are told and left out: pip install 'visionops[bench]' brings them.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = parser.add_subparsers(dest="bench", required=True, metavar="BENCHMARK")
    every: dict[str, Option] = {}
    for name, one in BENCHMARKS.items():
        text = one.text.replace("\n", " ")
        _add(kinds.add_parser(name, help=text, description=f"Measures {text}."), one.options, "FILE")
        every |= one.options
    _add(kinds.add_parser("all", help="all of them", description="Measures everything."), every, "DIR")


def _add(parser: argparse.ArgumentParser, options: dict[str, Option], where: str) -> None:
    for name, option in options.items():
        if option.read is None:
            parser.add_argument(f"--{name}", action="store_true", help=option.help)
            continue
        parser.add_argument(
            f"--{name}",
            type=option.read,
            default=option.default,
            metavar=option.metavar,
            help=f"{option.help} (default: %(default)s)",
        )
    what = "a folder for one JSON file each" if where == "DIR" else "keep the results here"
    parser.add_argument("--json", type=Path, metavar=where, help=what)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    names = [name for name, one in BENCHMARKS.items() if one.in_all] if args.bench == "all" else [args.bench]
    for name in names:
        one = BENCHMARKS[name]
        module = importlib.import_module(f"visionops.bench.{one.module}")
        if hasattr(module, "why_not") and (why := module.why_not()):
            print(f"visionops bench {name}: not run, no figures: {why}.")
            continue
        report = module.run(**{option: getattr(args, option) for option in one.options})
        report.show()
        if args.json is not None:
            path = args.json / f"{name}.json" if args.bench == "all" else args.json
            report.save(path)
            print(f"wrote {path}")
            pictures = module.pictures(report) if hasattr(module, "pictures") else {}
            for suffix, text in pictures.items():
                path.with_suffix(suffix).write_text(text)
                print(f"wrote {path.with_suffix(suffix)}")
    return 0
