from visionops import losses, metrics
from visionops.testing.images import FLOATS
from visionops.testing.operators import Operator

CASES = {
    "visionops.losses.ssim": Operator(
        lambda x: losses.ssim(x, 0.8 * x.flip(-1), window_size=5, reduction="none"), dtypes=FLOATS
    ),
    "visionops.metrics.ssim": Operator(
        lambda x: metrics.ssim(x, 0.8 * x.flip(-1), window_size=5, padding="reflect", reduction="none"), dtypes=FLOATS
    ),
}
