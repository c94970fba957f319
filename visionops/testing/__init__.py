"""The contract that every public name must pass, and the cases it is run on.

`tests/test_contract.py` walks `public_names()` and fails on a name that has no case. Add an operator's to the file of
its family in `cases/`, a step's to `steps.py`, or name the file that tests it in `ELSEWHERE`. A Module that `as_module`
made has its function's case. Every check raises; none returns a verdict.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

from visionops.module import OperatorModule
from visionops.pipeline.steps import Step

from .cases import OPERATORS
from .images import TOLERANCE, close, noise_image, smooth_image
from .operators import CHECKS as OPERATOR_CHECKS
from .operators import Geometry, Loss, Operator, check_module, saved_bytes
from .steps import CHECKS as STEP_CHECKS
from .steps import STEPS, StepCase

__all__ = [
    "ELSEWHERE",
    "OPERATORS",
    "OPERATOR_CHECKS",
    "PACKAGES",
    "STEPS",
    "STEP_CHECKS",
    "TOLERANCE",
    "Geometry",
    "Loss",
    "Operator",
    "StepCase",
    "case_of_module",
    "check_docs",
    "check_module",
    "close",
    "has_case",
    "noise_image",
    "public_names",
    "saved_bytes",
    "smooth_image",
]

PACKAGES = (
    "visionops",
    "visionops.augment",
    "visionops.color",
    "visionops.enhance",
    "visionops.filters",
    "visionops.geometry",
    *(f"visionops.geometry.groups.{name}" for name in ("se2", "se3", "sim3", "so2", "so3")),
    "visionops.geometry.losses",
    "visionops.geometry.metrics",
    "visionops.io",
    "visionops.kernels",
    "visionops.losses",
    "visionops.metrics",
    "visionops.morphology",
    "visionops.plot",
    "visionops.resample",
)

ELSEWHERE = {
    "visionops.Pipeline": "tests/pipeline",
    "visionops.__version__": "tests/test_package.py",
    "visionops.io.read_image": "tests/test_io.py",
    "visionops.io.write_image": "tests/test_io.py",
    "visionops.plot.draw": "tests/test_plot.py",
    "visionops.plot.grid": "tests/test_plot.py",
    **{f"visionops.morphology.{name}": "tests/morphology/test_elements.py" for name in ("box", "cross", "ellipse")},
    "visionops.geometry.Camera": "tests/geometry/test_cameras.py",
    "visionops.geometry.Motion": "tests/geometry/test_essential_matrix.py",
    "visionops.geometry.Normalized": "tests/geometry/test_linalg.py",
    "visionops.geometry.PlaneMotions": "tests/geometry/test_homography.py",
    "visionops.geometry.PolynomialRoots": "tests/geometry/test_polynomials.py",
    "visionops.geometry.Pose": "tests/geometry/test_pnp.py",
    "visionops.geometry.ProjectionJacobian": "tests/geometry/test_cameras.py",
    "visionops.geometry.Roots": "tests/geometry/test_seven_point.py",
    "visionops.geometry.StereoRectification": "tests/geometry/test_stereo.py",
    "visionops.geometry.nms": "tests/geometry/test_nms.py",
    "visionops.geometry.random_rotation": "tests/geometry/test_rotations.py",
    **{f"visionops.geometry.{name}": "tests/geometry/test_groups.py" for name in ("se2", "se3", "sim3", "so2", "so3")},
    **{
        f"visionops.metrics.{name}": "tests/metrics"
        for name in (
            *("MSSSIM", "PSNR", "SSIM", "Accuracy", "ConfusionMatrix"),
            *("DepthErrors", "DisparityErrors", "EndpointError", "MeanIoU"),
        )
    },
    "visionops.geometry.metrics.MeanAveragePrecision": "tests/geometry/test_metrics_boxes.py",
    "visionops.geometry.metrics.PoseAUC": "tests/geometry/test_metrics_poses.py",
    "visionops.kernels.Instruction": "tests/kernels",
    "visionops.kernels.Op": "tests/kernels",
    "visionops.resample.ScaleSpace": "tests/resample/test_pyramids.py",
    "visionops.augment.read": "tests/pipeline/test_read.py",
    **{
        f"visionops.augment.{name}": "tests/pipeline/test_distributions.py"
        for name in ("Choice", "Constant", "Distribution", "LogUniform", "Normal", "PerSample", "Symmetric", "Uniform")
    },
}


def public_names() -> Iterator[tuple[str, Any]]:
    """Yields every public name of the library with what it names."""
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in module.__all__:
            yield f"{package}.{name}", getattr(module, name)


def has_case(name: str, value: Any) -> bool:
    """Returns whether a public name is tested by the contract, or says where else it is."""
    is_step = isinstance(value, type) and issubclass(value, Step)
    is_case = name in OPERATORS or name in ELSEWHERE or case_of_module(name, value) is not None
    return is_case or (is_step and name.rpartition(".")[2] in STEPS)


def case_of_module(name: str, value: Any) -> Operator | None:
    """Returns the case of the function that a Module applies; None of anything else."""
    if not (isinstance(value, type) and issubclass(value, OperatorModule)):
        return None
    return OPERATORS.get(f"{name.rpartition('.')[0]}.{value.operator.__name__}")


def check_docs(name: str, value: Any) -> None:
    """The docstring opens with a sentence, and names every argument that is not obvious from it."""
    doc = inspect.getdoc(value) or ""
    first = doc.partition("\n\n")[0]
    assert first.rstrip().endswith((".", ":")), f"{name}: the docstring must open with a sentence"
    if inspect.isfunction(value):
        parameters = [p for p in inspect.signature(value).parameters.values() if p.kind is not p.VAR_KEYWORD]
        missing = [p.name for p in parameters if not re.search(rf"\b{p.name}\b", doc)]
        assert len(parameters) < 2 or not missing, f"{name}: the docstring says nothing of {missing}"
        assert "Gradient" in doc or "gradient" in doc or not _takes_tensor(value), f"{name}: say what the gradient is"
    if isinstance(value, type) and issubclass(value, Step):
        missing = [p for p in inspect.signature(value).parameters if not re.search(rf"\b{p}\b", doc)]
        assert not missing, f"{name}: the docstring says nothing of {missing}"


def _takes_tensor(function: Callable[..., Any]) -> bool:
    return "Tensor" in str(next(iter(inspect.signature(function).parameters.values())).annotation)
