"""`visionops demo`: the page that shows the library on real photos."""

from __future__ import annotations

import argparse
from typing import Any


def add(commands: Any) -> None:
    """Adds the command to the parser."""
    parser = commands.add_parser(
        "demo",
        help="write a page that shows pipelines, labels, plans and speed on real photos",
        description="Runs pipelines over scikit-image's photos and writes one self-contained HTML page: before and "
        "after with labels, the plan of each pipeline, the loader's speed, what fusing does to sharpness, and two "
        "small trainings. Needs pip install 'visionops[demo]', and 'visionops[bench]' to show the peers beside. Takes "
        "up to five minutes on two cores.",
    )
    parser.add_argument("-o", "--output", default="demo/index.html", metavar="FILE", help="default: %(default)s")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from visionops.demo import main

    main(output=args.output)
    return 0
