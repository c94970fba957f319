"""Every public name passes the contract of `visionops.testing`, or says which file tests it."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import visionops
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
    """Every module of the package; in a checkout only the first folder of its path, the package's own, is walked."""
    names = ["visionops"]
    for package, prefix in ((visionops, "visionops."), (visionops.augment, "visionops.augment."),
                            (visionops.geometry, "visionops.geometry.")):  # fmt: skip
        names += [m.name for m in pkgutil.walk_packages(list(package.__path__)[:1], prefix)]
    return sorted({n for n in names if "_native" not in n and not n.endswith("__main__")})


@pytest.mark.parametrize("name", _modules())
def test_doctests(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0
