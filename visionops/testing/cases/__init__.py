"""The case of every operator, a file for each family."""

from . import color, enhance, filters, geometry, kernels, losses, morphology, resample

OPERATORS = {
    **kernels.CASES,
    **color.CASES,
    **filters.CASES,
    **enhance.CASES,
    **morphology.CASES,
    **resample.CASES,
    **losses.CASES,
    **geometry.CASES,
}
