"""Losses of boxes against the papers' formulas in NumPy."""

import numpy as np
import pytest
import torch

from visionops.geometry import losses, rotated_box_iou

D = torch.float64


def boxes(count=40, seed=0):
    generator = torch.Generator().manual_seed(seed)
    low = 2 * torch.rand(2, count, 2, generator=generator, dtype=D)
    size = 0.2 + 2 * torch.rand(2, count, 2, generator=generator, dtype=D)
    return tuple(torch.cat([a, a + s], -1) for a, s in zip(low, size, strict=True))


def formulas(a, b):
    """IoU, GIoU, DIoU and CIoU as they are written in the papers."""
    a, b = a.numpy().T, b.numpy().T
    w = np.maximum(np.minimum(a[2], b[2]) - np.maximum(a[0], b[0]), 0)
    h = np.maximum(np.minimum(a[3], b[3]) - np.maximum(a[1], b[1]), 0)
    wa, ha, wb, hb = a[2] - a[0], a[3] - a[1], b[2] - b[0], b[3] - b[1]
    union = wa * ha + wb * hb - w * h
    iou = w * h / union
    wc, hc = np.maximum(a[2], b[2]) - np.minimum(a[0], b[0]), np.maximum(a[3], b[3]) - np.minimum(a[1], b[1])
    distance = ((a[0] + a[2] - b[0] - b[2]) ** 2 + (a[1] + a[3] - b[1] - b[3]) ** 2) / 4
    diou = iou - distance / (wc**2 + hc**2)
    v = 4 / np.pi**2 * (np.arctan(wb / hb) - np.arctan(wa / ha)) ** 2
    return {"iou": iou, "giou": iou - (wc * hc - union) / (wc * hc), "diou": diou, "ciou": diou - v / (1 - iou + v) * v}


@pytest.mark.parametrize("name", ["iou", "giou", "diou", "ciou"])
class TestBoxes:
    def test_is_the_papers(self, name):
        a, b = boxes()
        expected = 1 - formulas(a, b)[name]
        np.testing.assert_allclose(getattr(losses, name)(a, b, reduction="none"), expected, rtol=1e-10)

    def test_gradients(self, name):
        a, b = (x[:8].requires_grad_() for x in boxes())
        if name != "ciou":
            torch.autograd.gradcheck(getattr(losses, name), (a, b))
            return
        alpha = formulas(a.detach(), b.detach())
        slant = [torch.atan2(*(x[:, 2:] - x[:, :2]).unbind(-1)) for x in (a, b)]
        v = 4 / torch.pi**2 * (slant[0] - slant[1]).square()
        fixed = v.detach() / (1 - torch.from_numpy(alpha["iou"]) + v.detach())
        expected = torch.autograd.grad((losses.diou(a, b, reduction="none") + fixed * v).mean(), (a, b))
        for found, one in zip(torch.autograd.grad(losses.ciou(a, b), (a, b)), expected, strict=True):
            torch.testing.assert_close(found, one)

    def test_boxes_apart(self, name):
        a = torch.tensor([[0.0, 0, 1, 1]], dtype=D, requires_grad=True)
        b = torch.tensor([[5.0, 5, 6, 6]], dtype=D)
        (grad,) = torch.autograd.grad(getattr(losses, name)(a, b), a)
        assert grad.any() == (name != "iou")  # the others attract

    def test_errors(self, name):
        with pytest.raises(ValueError, match=rf"{name}: prediction must be of shape \(\*batch, n, 4\)"):
            getattr(losses, name)(torch.rand(3, 5), torch.rand(3, 5))
        with pytest.raises(ValueError, match=f"{name}: target must be of the shape"):
            getattr(losses, name)(torch.rand(3, 4), torch.rand(2, 4))


def test_descends_to_the_target():
    a = torch.tensor([[0.0, 0, 1, 2]], dtype=D, requires_grad=True)
    b = torch.tensor([[3.0, 2, 6, 4]], dtype=D)
    optimizer = torch.optim.Adam([a], lr=0.05)
    for _ in range(400):
        optimizer.zero_grad()
        losses.giou(a, b).backward()
        optimizer.step()
    assert losses.iou(a, b) < 0.1


def test_ciou_in_forward_mode():
    """Its factor is a constant there as well."""
    a, b = (t[:5] for t in boxes())
    loss = lambda a: losses.ciou(a, b)  # noqa: E731
    torch.testing.assert_close(torch.func.jacfwd(loss)(a), torch.func.jacrev(loss)(a))


def test_rotated():
    generator = torch.Generator().manual_seed(1)
    a, b = (torch.rand(10, 5, generator=generator, dtype=D) + torch.tensor([0.0, 0, 0.5, 0.5, 0]).double() for _ in range(2))
    a[:, 4] *= 90
    expected = 1 - rotated_box_iou(a, b, pairwise=False)
    torch.testing.assert_close(losses.rotated_iou(a, b, reduction="none"), expected)
    straight = torch.cat([(a[:, :2] - a[:, 2:4] / 2), a[:, :2] + a[:, 2:4] / 2], -1)
    other = torch.cat([(b[:, :2] - b[:, 2:4] / 2), b[:, :2] + b[:, 2:4] / 2], -1)
    a[:, 4] = b[:, 4] = 0
    torch.testing.assert_close(losses.rotated_iou(a, b), losses.iou(straight, other))
