"""The case of every operator, a file for each family."""

from . import (
    color,
    enhance,
    filters,
    geometry,
    geometry_solvers,
    kernels,
    losses,
    morphology,
    rank,
    resample,
    smoothing,
)

OPERATORS = {
    **kernels.CASES,
    **color.CASES,
    **filters.CASES,
    **smoothing.CASES,
    **enhance.CASES,
    **morphology.CASES,
    **rank.CASES,
    **resample.CASES,
    **losses.CASES,
    **geometry.CASES,
    **geometry_solvers.CASES,
}
