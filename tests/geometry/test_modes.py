"""What may be around a call: another default device or dtype, autocast, half precision, batched gradients, inference."""

import pickle

import pytest
import torch

from visionops import filters, geometry
from visionops.geometry import BrownConradyCamera, PinholeCamera, se3, so3
from visionops.testing.cases.geometry_pose import matches

D = torch.float64
K = torch.tensor([[500.0, 0, 320], [0, 510, 240], [0, 0, 1]], dtype=D)
LENS = torch.tensor([-0.2, 0.1, 0.001, 0.002], dtype=D)


def calls(dtype):
    """Functions of one tensor, and the tensor."""
    x1, x2 = (p.to(dtype) for p in matches(2, 12, seed=1, noise=0.02))
    P1, P2 = torch.eye(3, 4, dtype=dtype), torch.eye(3, 4, dtype=dtype) + 0.3
    camera = BrownConradyCamera(K.to(dtype), LENS.to(dtype))
    F, eye = geometry.find_fundamental(x1, x2), torch.eye(3, dtype=dtype)
    return {
        "homography": (lambda x: geometry.find_homography(x, x2), x1),
        "fundamental": (lambda x: geometry.find_fundamental(x, x2), x1),
        "seven_point": (lambda x: geometry.find_fundamental(x, x2[:, :7], method="7point").matrices, x1[:, :7]),
        "five_point": (lambda x: geometry.find_essential(x, x2[:, :5]).matrices, x1[:, :5]),
        "triangulate": (lambda x: geometry.triangulate(P1, P2, x, x2), x1),
        "sampson": (lambda x: geometry.sampson_distance(F, x, x2), x1),
        "exp": (se3.exp, torch.linspace(-1, 1, 6, dtype=dtype)),
        "log": (so3.log, so3.exp(torch.tensor([0.3, -0.2, 0.5], dtype=dtype))),
        "project": (camera.project, torch.cat([x1, 1 + x1[..., :1].square()], -1)),
        "unproject": (camera.unproject, 300 + 50 * x1),
        "transform": (lambda x: geometry.transform_points(eye, x), x1),
    }


NAMES = list(calls(D))


@pytest.mark.parametrize("name", NAMES)
class TestModes:
    def test_gradients_in_batches(self, name):
        function, x = calls(D)[name]
        jacobian = torch.autograd.functional.jacobian
        torch.testing.assert_close(jacobian(function, x, vectorize=True), jacobian(function, x), rtol=1e-8, atol=1e-8)

    def test_defaults_of_device_and_dtype(self, name):
        function, x = calls(torch.float32)[name]
        expected = function(x)
        with torch.device("meta"):
            found = function(x)
        assert found.device.type == "cpu" and torch.equal(found, expected)
        torch.set_default_dtype(D)
        try:
            assert torch.equal(function(x), expected)
        finally:
            torch.set_default_dtype(torch.float32)

    def test_autocast(self, name):
        function, x = calls(torch.float32)[name]
        expected = function(x)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = function(x)
        assert found.dtype == torch.float32 and torch.equal(found, expected)

    def test_inference(self, name):
        function, x = calls(torch.float32)[name]
        with torch.inference_mode():
            assert torch.equal(function(x), function(x.clone()))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_computes_in_float32(dtype):
    pixels = torch.tensor([[100.0, 50.0], [300, 200]]).to(dtype).requires_grad_()
    for camera in (PinholeCamera(K.to(dtype)), BrownConradyCamera(K.to(dtype), LENS.to(dtype))):
        exact = type(camera)(*(v.double() for v in torch.utils._pytree.tree_leaves(camera)))
        rays = camera.unproject(pixels)
        torch.testing.assert_close(rays.double(), exact.unproject(pixels.detach().double()), rtol=0, atol=8e-3)
        (grad,) = torch.autograd.grad(rays.float().square().sum() + rays[..., 0].sum(), pixels)
        assert rays.dtype == dtype and grad.isfinite().all() and grad.any()
    found = geometry.normalize_pixels(pixels.detach(), K.to(dtype))
    torch.testing.assert_close(found.double()[0], torch.tensor([-0.44, -0.3725], dtype=D), rtol=0, atol=8e-3)


def test_other_kernels_where_the_default_device_is_another():
    image = torch.rand(1, 3, 9, 8)
    expected = filters.box_blur(image, kernel_size=3)
    with torch.device("meta"):
        assert torch.equal(filters.box_blur(image, kernel_size=3), expected)


def test_functions_pickle():
    assert pickle.loads(pickle.dumps(geometry.transform_points)) is geometry.transform_points


class TestWhatReviewsFound:
    def test_roots_that_are_not_isolated_have_no_gradient(self):
        a = torch.rand(100, 8, 2, generator=torch.Generator().manual_seed(0), dtype=D)
        turned = geometry.transform_points(so3.exp(torch.tensor([0.1, 0.2, 0.3], dtype=D)), a)
        x = a.requires_grad_()
        matrices, valid = geometry.find_essential(x, turned)
        (grad,) = torch.autograd.grad(matrices[~valid].sum(), x)
        assert not grad.any()

    def test_float32_planes_leave_seven_points_nothing(self):
        generator = torch.Generator().manual_seed(0)
        x = 100 * torch.rand(300, 7, 2, generator=generator)
        spread = torch.tensor([[0.1, 0.1, 10], [0.1, 0.1, 10], [1e-4, 1e-4, 0]])
        H = torch.eye(3) + torch.randn(300, 3, 3, generator=generator) * spread
        found = geometry.find_fundamental(x, geometry.transform_points(H, x), method="7point")
        assert found.valid.any(-1).float().mean() < 0.01

    @pytest.mark.parametrize("scale", [1e-300, 1e300])
    def test_only_proportions_of_weights_matter(self, scale):
        x1, x2 = matches(3, 12, seed=2, noise=0.02)
        w = torch.linspace(0.1, 1, 12, dtype=D).expand(3, 12)
        expected = geometry.find_homography(x1, x2, weights=w)
        found, valid = geometry.find_homography(x1, x2, weights=w * scale, return_valid=True)
        torch.testing.assert_close(found, expected)
        assert valid.all()

    def test_weights_below_0_count_as_0(self):
        x1, x2 = matches(2, 12, seed=3)
        x1[:, 0], w = float("nan"), torch.ones(2, 12, dtype=D)
        w[:, 0] = -1
        assert geometry.find_essential(x1, x2, weights=w).valid.any(-1).all()
        assert geometry.find_homography(x1, x2, weights=w).isfinite().all()
        points = torch.cat([x1, x2[..., :1]], -1)
        assert geometry.fit_plane(points, weights=w, return_valid=True)[1].all()
        _, valid = geometry.null_vector(torch.eye(3, dtype=D), weights=torch.tensor([-5.0, 1, 1]).double(), return_valid=True)
        assert valid

    def test_rotations_by_large_angles(self):
        R = so3.exp(torch.tensor([1e6, 2e6, -3e6], dtype=D))
        with torch.no_grad():
            assert (R @ R.mT - torch.eye(3, dtype=D)).abs().max() < 1e-9
        (R,) = torch.func.jvp(so3.exp, (torch.tensor([1e6, 2e6, -3e6], dtype=D),), (torch.ones(3, dtype=D),))[:1]
        assert (R @ R.mT - torch.eye(3, dtype=D)).abs().max() < 1e-9
