"""Every public name passes the contract of `visionops.testing`, or says which file tests it."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest
import torch

import visionops
import visionops.augment
import visionops.geometry
from visionops import testing
from visionops.pipeline.steps import Step

NAMES = dict(testing.public_names())
MODULES = {n: case for n, v in NAMES.items() if (case := testing.case_of_module(n, v)) is not None}


@pytest.mark.parametrize("name", NAMES)
def test_every_name_has_a_case(name: str) -> None:
    assert testing.has_case(name, NAMES[name]), f"{name} has no case in visionops.testing"


def test_no_case_is_stale() -> None:
    known = set(NAMES) | {n.rpartition(".")[2] for n, v in NAMES.items() if isinstance(v, type) and issubclass(v, Step)}
    assert set(testing.OPERATORS) | set(testing.ELSEWHERE) | set(testing.STEPS) <= known


def test_cases_elsewhere_exist() -> None:
    root = Path(__file__).parent.parent
    assert all((root / place).exists() for place in testing.ELSEWHERE.values())


@pytest.mark.parametrize("name", [n for n, v in NAMES.items() if callable(v)])
def test_docs(name: str) -> None:
    testing.check_docs(name, NAMES[name])


@pytest.mark.parametrize("check", testing.OPERATOR_CHECKS)
@pytest.mark.parametrize("name", testing.OPERATORS)
def test_operator(name: str, check: str) -> None:
    case = testing.OPERATORS[name]
    if check in case.skip:
        pytest.skip(case.skip[check])
    testing.OPERATOR_CHECKS[check](case)


def test_skips_are_of_checks() -> None:
    known = {*testing.OPERATOR_CHECKS, "values"}
    assert all(set(case.skip) <= known for case in testing.OPERATORS.values())


@pytest.mark.parametrize("name", MODULES)
def test_module(name: str) -> None:
    testing.check_module(NAMES[name], MODULES[name])


@pytest.mark.parametrize("check", testing.STEP_CHECKS)
@pytest.mark.parametrize("name", testing.STEPS)
def test_step(name: str, check: str) -> None:
    testing.STEP_CHECKS[check](testing.STEPS[name])


def _modules() -> list[str]:
    """Every module of the package, by its files: in a checkout they are in three folders, and C++ is built elsewhere."""
    names = set()
    for package in (visionops, visionops.augment, visionops.geometry):
        root = Path(package.__file__).parent
        names |= {".".join((package.__name__, *f.relative_to(root).with_suffix("").parts)) for f in root.rglob("*.py")}
    return sorted({n.removesuffix(".__init__") for n in names if not n.endswith((".__main__", ".cuda"))})


@pytest.mark.parametrize("name", _modules())
def test_doctests(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name), extraglobs={"torch": torch})
    assert result.failed == 0
