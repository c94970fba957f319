"""The page "Coming from": every public operator has its row, and what stands in the row exists."""

import importlib
import inspect
import re
from pathlib import Path

import pytest

from visionops.module import OperatorModule
from visionops.pipeline.steps import Step

PAGE = Path(__file__).parents[2] / "docs" / "pages" / "coming-from.md"
SHORT = {"K": "kornia", "A": "albumentations", "cv2": "cv2", "F": "torchvision.transforms.v2.functional", "v2": "torchvision.transforms.v2"}  # fmt: skip
FAMILIES = ("color", "filters", "enhance", "morphology", "resample", "geometry", "losses", "metrics", "augment")


def rows():
    """Returns {"color.rgb_to_hsv": ["cv2.COLOR_RGB2HSV", ...]} of the page's second half."""
    found = {}
    family = ""
    for line in PAGE.read_text(encoding="utf-8").partition("\n## Names\n")[2].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| visionops."):
            named = re.findall(r"visionops\.(\w+)", cells[0])
            family = f"{named[0]}." if len(named) == 1 else ""
        elif line.startswith("| `"):
            name = family + cells[0].strip("`")
            assert name not in found, f"{name} stands there twice"
            found[name] = [cell.strip("`") for cell in cells[1:] if cell]
    return found


def test_count_in_the_readme():
    readme = (PAGE.parents[2] / "README.md").read_text(encoding="utf-8")
    families = [importlib.import_module(f"visionops.{name}") for name in FAMILIES[:5]]
    count = sum(inspect.isfunction(getattr(module, name)) for module in families for name in module.__all__)
    assert f"\n{count} functions on tensors" in readme


def operators():
    """Yields "family.name" of every public function of images and every step."""
    for family in FAMILIES:
        module = importlib.import_module(f"visionops.{family}")
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isfunction(value) or (inspect.isclass(value) and issubclass(value, Step)):
                yield f"{family}.{name}"


ROWS = rows()


class TestNames:
    def test_every_operator_has_a_row(self):
        missing = set(operators()) - set(ROWS) - {"augment.read"}
        assert not missing, f"add to {PAGE.name}: {sorted(missing)}"

    def test_every_row_names_an_operator(self):
        unknown = set(ROWS) - set(operators())
        assert not unknown, f"{PAGE.name} names what is not public: {sorted(unknown)}"

    @pytest.mark.parametrize("library", SHORT)
    @pytest.mark.filterwarnings("ignore")  # theirs, on import
    def test_counterparts_exist(self, library):
        module = pytest.importorskip(SHORT[library])
        names = {n for cells in ROWS.values() for n in cells if n.partition(".")[0] == library}
        assert names

        def there(name):
            value = module
            for part in name.split(".")[1:]:
                value = getattr(value, part, None)
            return value is not None

        assert not {name for name in names if not there(name)}

    def test_every_counterpart_is_of_a_known_library(self):
        cells = {cell for row in ROWS.values() for cell in row}
        assert not {cell for cell in cells if cell.partition(".")[0] not in SHORT}

    def test_modules_have_no_rows_of_their_own(self):
        for name in ROWS:
            family, _, last = name.rpartition(".")
            value = getattr(importlib.import_module(f"visionops.{family}"), last, None)
            assert not (inspect.isclass(value) and issubclass(value, OperatorModule))
