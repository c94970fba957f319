"""The gallery: every public function and step has a picture or a stated reason, and the picture shows something."""

import importlib
import inspect
import io

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("skimage")

from visionops.demo.gallery import TABLES, WITHOUT, render
from visionops.pipeline.steps import Group, Step

PICTURES = {
    (family, name): picture
    for family, groups in TABLES.items()
    for group in groups.values()
    for name, picture in group.items()
}


def operators(family):
    """Yields a family's public functions and steps; Modules look as their functions do, other classes as nothing."""
    module = importlib.import_module(family)
    for name in module.__all__:
        value = getattr(module, name)
        step = inspect.isclass(value) and issubclass(value, Step) and not issubclass(value, Group)
        if step or inspect.isfunction(value):
            yield name


@pytest.mark.parametrize("family", TABLES)
class TestTable:
    def test_every_operator_has_a_picture(self, family):
        missing = {n for n in operators(family) if (family, n) not in PICTURES and f"{family}.{n}" not in WITHOUT}
        assert not missing, f"add to visionops/demo/gallery/tables, or to WITHOUT with the reason: {sorted(missing)}"

    def test_every_picture_names_an_operator(self, family):
        stale = {n for f, n in PICTURES if f == family} - set(importlib.import_module(family).__all__)
        assert not stale, f"not public any more: {sorted(stale)}"

    def test_no_operator_stands_there_twice(self, family):
        names = [name for group in TABLES[family].values() for name in group]
        assert len(names) == len(set(names))


def test_what_has_no_picture_says_why():
    for name, reason in WITHOUT.items():
        family, _, last = name.rpartition(".")
        assert last in importlib.import_module(family).__all__
        assert (family, last) not in PICTURES
        assert reason


@pytest.mark.parametrize(("family", "name"), PICTURES, ids=lambda part: part.removeprefix("visionops."))
def test_picture(family, name):
    shown = render(family, PICTURES[family, name])
    after = np.asarray(Image.open(io.BytesIO(shown.after)).convert("RGB"))
    assert after.shape == (*shown.size[::-1], 3)
    assert np.ptp(after) > 60, "nothing is to be seen"
    assert name in PICTURES[family, name].code, "the code does not name the operator"


def test_code_that_fails_says_which():
    from visionops.demo.gallery import Picture

    with pytest.raises(ValueError, match=r"gallery: gaussian_blur\(image, sigma=-1\) must run, got ValueError"):
        render("visionops.filters", Picture("gaussian_blur(image, sigma=-1)"))
