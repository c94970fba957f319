"""What flows there and back say is occluded, against loops in NumPy and a scene whose occlusion is known."""

import numpy as np
import pytest
import scipy.ndimage
import torch

from visionops.geometry import losses

D = torch.float64


def layers(shift=4, size=(20, 30)):
    """Returns the flows of a square that moves right over a still background, and what it hides of that."""
    h, w = size
    there, back = torch.zeros(2, h, w, dtype=D), torch.zeros(2, h, w, dtype=D)
    there[0, 5:15, 6:16], back[0, 5:15, 6 + shift : 16 + shift] = shift, -shift
    hidden = torch.zeros(h, w, dtype=torch.bool)
    hidden[5:15, 16 : 16 + shift] = True
    return there, back, hidden


def random_flows(n=2, size=(11, 13), seed=0):
    generator = torch.Generator().manual_seed(seed)
    there = 3 * torch.randn(n, 2, *size, generator=generator, dtype=D)
    return there, -there.flip(-1) + torch.randn(n, 2, *size, generator=generator, dtype=D)


class TestForwardBackward:
    def test_finds_what_a_square_hides(self):
        there, back, hidden = layers()
        assert torch.equal(losses.forward_backward_occlusion(there, back)[0], hidden)

    def test_is_unflows(self):
        there, back = random_flows()
        out = losses.forward_backward_occlusion(there, back, alpha=0.05, beta=4.0)
        y, x = np.mgrid[:11, :13]
        for f, b, found in zip(there.numpy(), back.numpy(), out[:, 0].numpy(), strict=True):
            place = [y + f[1], x + f[0]]
            read = np.stack([scipy.ndimage.map_coordinates(c, place, order=1, mode="nearest") for c in b])
            inside = (place[0] >= 0) & (place[0] <= 10) & (place[1] >= 0) & (place[1] <= 12)
            apart = ((f + read) ** 2).sum(0) > 0.05 * ((f**2).sum(0) + (read**2).sum(0)) + 4.0
            assert (inside & ~apart).mean() > 0.1 and (inside & apart).mean() > 0.1
            np.testing.assert_array_equal(found, apart | ~inside)

    def test_thresholds(self):
        there, back = torch.zeros(2, 1, 1), torch.tensor([0.7, 0.0]).reshape(2, 1, 1)
        assert not losses.forward_backward_occlusion(there, back).item()  # 0.49 < 0.01 * 0.49 + 0.5
        assert losses.forward_backward_occlusion(there, back, beta=0.4).item()
        assert not losses.forward_backward_occlusion(there, 10 * back, alpha=1.0, beta=0.0).item()

    def test_nothing_that_is_not_finite_is_seen(self):
        there, back, hidden = layers()
        there[:, 0, 0], back[:, 19, 29] = torch.nan, torch.inf
        hidden[0, 0] = hidden[19, 29] = True
        assert torch.equal(losses.forward_backward_occlusion(there, back)[0], hidden)

    def test_refusals(self):
        flow = torch.zeros(2, 4, 4)
        with pytest.raises(
            ValueError, match=r"forward_backward_occlusion: flow12 must be of shape \(\*batch, 2, h, w\)"
        ):
            losses.forward_backward_occlusion(torch.zeros(3, 4, 4), flow)
        with pytest.raises(ValueError, match="flow21 must be of the shape and dtype of flow12"):
            losses.forward_backward_occlusion(flow, flow.double())
        with pytest.raises(ValueError, match="alpha must be at least 0"):
            losses.forward_backward_occlusion(flow, flow, alpha=-1.0)


def splatted(flow):
    """Returns the sum over pixels of bilinear kernels, (h, w), each pixel against each."""
    _, h, w = flow.shape
    out = np.zeros((h, w))
    ys, xs = np.mgrid[:h, :w]
    for j in range(h):
        for i in range(w):
            x, y = i + flow[0, j, i], j + flow[1, j, i]
            out += np.maximum(1 - np.abs(x - xs), 0) * np.maximum(1 - np.abs(y - ys), 0)
    return out


class TestRangeMap:
    def test_finds_what_a_square_hides(self):
        _, back, hidden = layers()
        occluded, count = losses.range_map_occlusion(back, return_count=True)
        assert torch.equal(occluded[0], hidden) and torch.equal(count[0] == 0, hidden)

    def test_is_the_sum_of_kernels(self):
        _, back = random_flows()
        occluded, count = losses.range_map_occlusion(back, threshold=0.6, return_count=True)
        for flow, found in zip(back.numpy(), count[:, 0].numpy(), strict=True):
            np.testing.assert_allclose(found, splatted(flow), atol=1e-12)
        assert torch.equal(occluded, count < 0.6)
        assert torch.equal(losses.range_map_occlusion(back, threshold=0.6), occluded)

    def test_flows_off_the_image_and_not_finite_cover_nothing(self):
        flow = torch.zeros(2, 3, 4, dtype=D)
        flow[:, 1, 1], flow[0, 0, 0], flow[1, 2, 2], flow[0, 2, 3] = torch.nan, 1e30, -torch.inf, 0.75
        _, count = losses.range_map_occlusion(flow, return_count=True)
        wanted = torch.ones(3, 4, dtype=D)
        wanted[1, 1] = wanted[0, 0] = wanted[2, 2] = 0
        wanted[2, 3] = 0.25
        assert torch.equal(count[0], wanted)

    def test_nothing_moves(self):
        assert (losses.range_map_occlusion(torch.zeros(5, 2, 6, 7), return_count=True)[1] == 1).all()

    def test_refusals(self):
        with pytest.raises(ValueError, match=r"range_map_occlusion: flow21 must be of shape \(\*batch, 2, h, w\)"):
            losses.range_map_occlusion(torch.zeros(1, 4, 4))
        with pytest.raises(ValueError, match="threshold must be from 0 to 1"):
            losses.range_map_occlusion(torch.zeros(2, 4, 4), threshold=1.5)
