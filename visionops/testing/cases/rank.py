from visionops.filters import median_blur, rank_filter
from visionops.testing.operators import Operator

CASES = {
    "visionops.filters.median_blur": Operator(median_blur, {"kernel_size": 3}, saves=2),
    "visionops.filters.rank_filter": Operator(rank_filter, {"kernel_size": 3, "quantile": 0.7, "soft": 0.05}),
}
