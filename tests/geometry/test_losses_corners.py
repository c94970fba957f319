"""The corner loss of homographies, against OpenCV's perspective transform."""

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from visionops.geometry import get_perspective_transform, losses

cv2 = pytest.importorskip("cv2")

D = torch.float64
SIZE = (48, 64)
CORNERS = np.array([[0.0, 0], [63, 0], [63, 47], [0, 47]])


def cauchy(squared, scale):
    return 2 * scale**2 * np.log1p(squared / (2 * scale**2))


def homographies(n, seed=0, scale=1.0):
    noise = torch.randn(n, 3, 3, generator=torch.Generator().manual_seed(seed), dtype=D)
    spread = torch.tensor([[0.05, 0.05, 5], [0.05, 0.05, 5], [5e-4, 5e-4, 0]], dtype=D)
    return scale * (torch.eye(3, dtype=D) + noise * spread)


def distances(a, b):
    """Returns how far each corner is moved apart."""
    moved = [cv2.perspectiveTransform(CORNERS[None], h.numpy())[0] for h in (a, b)]
    return np.linalg.norm(moved[0] - moved[1], axis=-1)


class TestHomographyCorner:
    def test_is_the_mean_corner_error(self):
        a, b = homographies(5), homographies(5, seed=1, scale=-2.0)
        expected = [distances(*pair).mean() for pair in zip(a, b, strict=True)]
        np.testing.assert_allclose(losses.homography_corner(a, b, size=SIZE, reduction="none"), expected, rtol=1e-9)
        assert losses.homography_corner(a, b, size=SIZE).item() == pytest.approx(np.mean(expected))

    @pytest.mark.parametrize("n", [3, 4])
    def test_a_scale_for_each_sample(self, n):
        a, b, scale = homographies(n), homographies(n, seed=1), torch.arange(1.0, n + 1, dtype=D)
        each = [losses.homography_corner(h, g, size=SIZE, kernel="huber", scale=s.item()) for h, g, s in zip(a, b, scale, strict=True)]
        found = losses.homography_corner(a, b, size=SIZE, kernel="huber", scale=scale, reduction="none")
        torch.testing.assert_close(found, torch.stack(each))
        with pytest.raises(ValueError, match=r"homography_corner: scale must be a tensor broadcastable to \(3,\)"):
            losses.homography_corner(a[:3], b[:3], size=SIZE, kernel="huber", scale=torch.ones(3, 4))

    def test_other_kernels(self):
        a, b = homographies(1)[0], homographies(1, seed=1)[0]
        d = distances(a, b)
        assert losses.homography_corner(a, b, size=SIZE, kernel="l2").item() == pytest.approx((d**2).mean())
        out = losses.homography_corner(a, b, size=SIZE, kernel="cauchy", scale=3.0)
        assert out.item() == pytest.approx(cauchy(d**2, 3.0).mean())

    def test_recovers_the_offsets_of_a_four_point_network(self):
        corners = torch.from_numpy(CORNERS)
        offsets = torch.tensor([[3.0, 4], [-3, 4], [0, 5], [5, 0]], dtype=D)
        H = get_perspective_transform(corners, corners + offsets)
        assert losses.homography_corner(H, torch.eye(3, dtype=D), size=SIZE).item() == pytest.approx(5)

    @pytest.mark.parametrize("kernel", ["l1", "l2", "huber"])
    def test_gradients(self, kernel):
        a, b = homographies(2).requires_grad_(), homographies(2, seed=1).requires_grad_()

        def loss(a, b):
            return losses.homography_corner(a, b, size=(5, 7), kernel=kernel, scale=0.5)

        assert gradcheck(loss, (a, b)) and gradgradcheck(loss, (a, b))

    @pytest.mark.parametrize("dtype", [torch.float32, D])
    def test_equal_ones_are_0_with_gradient_0(self, dtype):
        H = homographies(3).to(dtype).requires_grad_()
        loss = losses.homography_corner(H, H.detach(), size=SIZE)
        assert loss.item() == 0 and not torch.autograd.grad(loss, H)[0].any()

    def test_a_corner_at_infinity_is_finite(self):
        H = torch.eye(3, dtype=D)
        H[2] = torch.tensor([-1 / 63, 0.0, 1.0])
        H.requires_grad_()
        loss = losses.homography_corner(H, torch.eye(3, dtype=D), size=SIZE, kernel="cauchy")
        assert loss.isfinite() and torch.autograd.grad(loss, H)[0].isfinite().all()

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"prediction": torch.zeros(2, 3)}, r"homography_corner: prediction must be of shape \(\*batch, 3, 3\)"),
            ({"target": torch.zeros(3, 3, dtype=torch.long)}, "homography_corner: target must be floating"),
            (
                {"size": (0, 4)},
                r"homography_corner: size must be positive whole numbers \(height, width\), got \(0, 4\)",
            ),
            ({"kernel": "l3"}, "homography_corner: kernel must be"),
            (
                {"prediction": torch.zeros(2, 3, 3), "target": torch.zeros(4, 3, 3)},
                "homography_corner: target must be of a batch",
            ),
        ],
        ids=range(5),
    )
    def test_refusals(self, options, match):
        given = {"prediction": torch.eye(3), "target": torch.eye(3), "size": SIZE}
        with pytest.raises(ValueError, match=match):
            losses.homography_corner(**(given | options))
