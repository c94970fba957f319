"""The gradients of the compiled kernels: against the definitions in double precision, and against finite differences."""

import multiprocessing
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from skimage import data

import visionops.augment as va
from visionops import Pipeline
from visionops.kernels import Instruction, Op, filter_separable, native, pixel, warp
from visionops.testing import saved_bytes

pytestmark = pytest.mark.skipif(not native.active(), reason="no compiled kernel runs")

BORDERS = ("constant", "replicate", "reflect", "circular")
# Sums of up to a few thousand float32 products of order 1, at positions right to 5e-5 pixels: relative to the largest.
RTOL = 1e-4
# The derivative of a bilinear sample jumps between pixels, so a position that rounds across a pixel centre takes that of
# the neighbouring square: of the tens of thousands summed in a matrix's gradient some dozen do.
MATRIX_RTOL = 1e-2


def photo(n=2, c=3, size=(40, 55)):
    """Returns a batch of real pixels, a little apart so that no two colours are equal."""
    h, w = size
    astronaut = torch.from_numpy(data.astronaut()[60 : 60 + h, 160 : 160 + w]).permute(2, 0, 1)[None] / 255.0
    image = astronaut.repeat(n, (c + 2) // 3, 1, 1)[:, :c]
    return 0.02 + 0.9 * image + 0.06 * torch.rand(image.shape, generator=torch.Generator().manual_seed(c))


def matrices(n, kind="perspective"):
    bend = (0.0007, -0.0004) if kind == "perspective" else (0.0, 0.0)
    # No simple fractions: positions on pixel centres, where derivatives jump, are few.
    return np.stack([[[0.9137 + 0.0971 * i, 0.2113, 3.3371], [-0.1533, 1.1317, -5.2939], [*bend, 1.0]] for i in range(n)])


def gradients(dtype, image, inverse, coordinates, program, call):
    """Returns the gradients, in a dtype, of a weighted sum of what a call makes."""
    leaves = []

    def leaf(t):
        leaves.append(t.detach().clone().requires_grad_())
        return leaves[-1]

    x = leaf(image.to(dtype)) if image.is_floating_point() else image
    where = [None if t is None else leaf(torch.as_tensor(t)) for t in (inverse, coordinates)]
    steps = [Instruction(s.codes, leaf(torch.as_tensor(np.atleast_2d(np.array(s.params))).to(dtype))) for s in program]
    out = call(x, *where, steps)
    weights = torch.rand(out.shape, generator=torch.Generator().manual_seed(7)).to(out.dtype) - 0.3
    return torch.autograd.grad((out * weights).sum(), leaves, materialize_grads=True)


def check(image, inverse=None, coordinates=None, program=(), *, size=(30, 70), rtol=(RTOL, MATRIX_RTOL), **options):
    """Compares the kernel's gradients of image, matrix, map and parameters with those of the definition in float64."""

    def call(x, inverse, coordinates, program):
        kind = torch.float64 if x.dtype == torch.float64 or not native.active() else torch.float32
        if inverse is None and coordinates is None:
            return pixel(x, program, dtype=kind)
        return warp(x, inverse, size, coordinates=coordinates, program=program, dtype=kind, **options)

    got = gradients(torch.float32, image, inverse, coordinates, program, call)
    with native.definitions_only():
        want = gradients(torch.float64, image, inverse, coordinates, program, call)
    for i, (a, b) in enumerate(zip(got, want, strict=True)):
        assert a.isfinite().all() and b.abs().max() > 0
        is_matrix = inverse is not None and i == int(image.is_floating_point())
        assert (a - b).abs().max() <= rtol[is_matrix] * b.abs().max(), f"gradient {i} of {len(got)}"
    return got


class TestWarp:
    @pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
    @pytest.mark.parametrize("border", BORDERS)
    @pytest.mark.parametrize("kind", ["affine", "perspective"])
    def test_of_image_and_matrix(self, interpolation, border, kind):
        for c in (1, 3, 5):
            check(photo(c=c), matrices(2, kind), interpolation=interpolation, border=border, fill=0.3)

    @pytest.mark.parametrize("border", BORDERS)
    def test_nearest_gives_the_image_its_gradient_and_the_matrix_none(self, border):
        image, inverse = photo().requires_grad_(), torch.from_numpy(matrices(2)).requires_grad_()
        out = warp(image, inverse, (30, 70), interpolation="nearest", border=border)
        assert out.grad_fn is not None
        by_image, by_matrix = torch.autograd.grad(out.sum(), (image, inverse))
        assert by_matrix.count_nonzero() == 0
        inside = warp(torch.ones_like(photo()), matrices(2), (30, 70), interpolation="nearest", border=border)
        assert by_image.sum() == inside.sum()  # every output pixel reads one, or the fill

    @pytest.mark.parametrize("size", [(1, 1), (1, 7), (6, 1), (2, 2), (3, 65)])
    @pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
    @pytest.mark.parametrize("border", BORDERS)
    def test_of_small_sources(self, size, interpolation, border):
        image = photo(size=size).requires_grad_()
        call = lambda: warp(image, matrices(2), (9, 70), interpolation=interpolation, border=border, fill=0.5)  # noqa: E731
        got = torch.autograd.grad((call() ** 2).sum(), image)[0]
        with native.definitions_only():
            want = torch.autograd.grad((call() ** 2).sum(), image)[0]
        torch.testing.assert_close(got, want, rtol=0, atol=2e-3 * float(want.abs().max()))

    def test_of_a_map_with_lost_positions(self):
        map_xy = torch.rand(2, 30, 70, 2, generator=torch.Generator().manual_seed(1)) * 60 - 5
        map_xy[0, 3:5, 4:9] = float("nan")
        for border in BORDERS:
            by_map = check(photo(), None, map_xy, border=border, fill=0.2)[1]
            assert by_map[0, 3:5, 4:9].count_nonzero() == 0

    def test_of_one_map_and_one_matrix_for_all(self):
        map_xy = torch.rand(1, 30, 70, 2, generator=torch.Generator().manual_seed(2)) * 40
        assert check(photo(3), None, map_xy)[1].shape == map_xy.shape
        assert check(photo(3), matrices(1))[1].shape == (1, 3, 3)

    @pytest.mark.parametrize("shared", [False, True])
    def test_of_reduced_sources(self, shared):
        inverse = matrices(2)
        inverse[:, :2] *= [[[4.0], [2.5]], [[2.5], [4.0]]]
        levels = np.array([[1, 2], [2, 1]], np.int32)
        check(photo(size=(141, 155)), inverse, levels=levels)
        map_xy = torch.rand(1 if shared else 2, 30, 70, 2, generator=torch.Generator().manual_seed(3)) * 140
        map_xy[0, 0, 0] = float("nan")
        check(photo(size=(141, 155)), None, map_xy, levels=levels)

    def test_of_domains(self):
        planes = np.array([[[[1, 0.1, -5], [-1, 0, 60], [0, 1, -2.0], [0, -1, 25]]]])
        program = [Instruction(Op.SCALE, (1.2, 1.1, 0.9, 0.01, 0.02, 0.03, -np.inf, np.inf))]
        check(photo(), matrices(2), program=program, planes=planes, fills=[0.5])

    def test_of_uint8_sources(self):
        image = (photo() * 255).to(torch.uint8)
        program = [Instruction(Op.GAMMA, (0.8, 1.0))]
        for source in (image, image.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)):
            check(source, matrices(2), program=program)
            check(source, matrices(2), program=program, interpolation="bicubic", border="constant", fill=70)

    def test_derivative_at_integers_is_the_one_from_the_right(self):
        image = photo(1)
        inverse = torch.eye(3, dtype=torch.float64)[None].requires_grad_()
        got = torch.autograd.grad(warp(image, inverse, (40, 55)).sum(), inverse)[0]
        exact = image.double().numpy()
        step_x = np.diff(exact, axis=3, append=exact[..., -1:]).sum(1)[0]
        step_y = np.diff(exact, axis=2, append=exact[..., -1:, :]).sum(1)[0]
        v, u = np.mgrid[:40, :55]
        want = [[(step * a).sum() for a in (u, v, 1)] for step in (step_x, step_y)]
        np.testing.assert_allclose(got[0, :2], want, rtol=1e-5)

    def test_large_images_are_cut_into_stripes(self):
        image = torch.rand(1, 3, 500, 620, generator=torch.Generator().manual_seed(0))
        check(image, matrices(1), size=(610, 640), interpolation="bicubic")

    def test_results_do_not_depend_on_threads(self):
        threads = torch.get_num_threads()
        found = []
        try:
            for n in (1, 2, 3):
                torch.set_num_threads(n)
                one = torch.rand(1, 3, 500, 620, generator=torch.Generator().manual_seed(0)).requires_grad_()
                inverse = torch.from_numpy(matrices(1)).requires_grad_()
                factor = torch.full((1, 1), 1.2).requires_grad_()
                out = warp(one, inverse, (610, 640), program=[Instruction(Op.CONTRAST, factor)])
                found.append(torch.autograd.grad(out.square().sum(), (one, inverse, factor)))
        finally:
            torch.set_num_threads(threads)
        for other in found[1:]:
            assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))

    def test_agrees_with_finite_differences_of_the_kernel(self):
        image, inverse = photo(1), torch.from_numpy(matrices(1))
        weights = torch.rand(1, 3, 30, 70, generator=torch.Generator().manual_seed(5))

        def loss(m):  # bicubic: once differentiable
            return (warp(image, m, (30, 70), interpolation="bicubic") * weights).double().sum()

        leaf = inverse.clone().requires_grad_()
        got = torch.autograd.grad(loss(leaf), leaf)[0]
        for i, step in (((0, 0), 1e-3), ((0, 2), 1e-2), ((1, 1), 1e-3), ((2, 0), 1e-6)):
            shift = torch.zeros_like(inverse)
            shift[0][i] = step
            want = (loss(inverse + shift) - loss(inverse - shift)) / (2 * step)
            assert abs(got[0][i] - want) < 1e-2 * got.abs().max() * abs(want) / (abs(want) + 1) + 2e-3 * abs(want)

    def test_grads_of_any_strides(self):
        image = photo().requires_grad_()
        out = warp(image, matrices(2), (30, 70))
        whole = torch.autograd.grad(out, image, torch.full_like(out, 0.5), retain_graph=True)[0]
        expanded = torch.autograd.grad(out, image, torch.full((), 0.5).expand(out.shape), retain_graph=True)[0]
        turned = torch.full((2, 3, 70, 30), 0.5).transpose(2, 3)
        assert torch.equal(expanded, whole)
        assert torch.equal(torch.autograd.grad(out, image, turned)[0], whole)

    def test_nan_in_an_unread_pixel_stays_out(self):
        image = photo(1)
        image[..., 20, 30] = float("nan")
        leaf, inverse = image.requires_grad_(), torch.eye(3, dtype=torch.float64)[None].requires_grad_()
        out = warp(leaf, inverse, (15, 20))
        assert all(g.isfinite().all() for g in torch.autograd.grad(out.sum(), (leaf, inverse)))


STEPS = {
    "SCALE": Instruction(Op.SCALE, (1.3, 1.2, 0.8, -0.1, 0.01, 0.02, 0.1, 0.9)),
    "MATRIX": Instruction(Op.MATRIX, (1.1, -0.1, 0.05, 0.03, 0.05, 0.9, 0.1, 0.02, 0.02, 0.1, 0.9, 0.01, 0.05, 0.97)),
    "CONTRAST": Instruction(Op.CONTRAST, (1.4,)),
    "HUE": Instruction(Op.HUE, (0.07,)),
    "HUE back": Instruction(Op.HUE, (-0.4,)),
    "GAMMA": Instruction(Op.GAMMA, (0.7, 1.1)),
    "SOLARIZE": Instruction(Op.SOLARIZE, (0.613,)),
    "NOISE": Instruction(Op.NOISE, (0.1, 1234, 777, 0.05, 0.95)),
    "ERASE": Instruction(Op.ERASE, (5, 6, 30, 20, 0.1, 0.2, 0.3)),
}


def check_pixel(image, program, rtol=RTOL):
    leaves = [torch.as_tensor(np.atleast_2d(np.array(s.params, np.float64))) for s in program]

    def grads(dtype):
        x = image.to(dtype).requires_grad_()
        params = [p.to(dtype).requires_grad_() for p in leaves]
        out = pixel(x, [Instruction(s.codes, p) for s, p in zip(program, params, strict=True)], dtype=dtype)
        weights = torch.rand(out.shape, generator=torch.Generator().manual_seed(7)).to(dtype) - 0.3
        return torch.autograd.grad((out * weights).sum(), (x, *params), materialize_grads=True)

    got = grads(torch.float32)
    with native.definitions_only():
        want = grads(torch.float64)
    for a, b in zip(got, want, strict=True):
        assert (a - b).abs().max() <= rtol * max(float(b.abs().max()), 1.0)
    return want


class TestPixel:
    @pytest.mark.parametrize("name", STEPS)
    def test_of_each_operation(self, name):
        want = check_pixel(photo(size=(41, 67)), [STEPS[name]])
        assert want[0].count_nonzero() > 0

    def test_of_a_table(self):
        # Bytes: no colour lies where it could round to either of two entries.
        image = (photo(size=(41, 67)) * 255).round() / 255
        table = torch.rand(2, 256, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
        want = check_pixel(image, [Instruction(Op.LUT, table.numpy())])
        assert want[0].count_nonzero() == 0 and want[1].count_nonzero() > 100

    @pytest.mark.parametrize("c", [1, 2, 5])
    @pytest.mark.parametrize("name", ["CONTRAST", "GAMMA", "NOISE", "SOLARIZE"])
    def test_of_other_channel_counts(self, name, c):
        check_pixel(photo(c=c), [STEPS[name]])

    @pytest.mark.parametrize("order", ["CONTRAST,HUE,CONTRAST,GAMMA", "CONTRAST,CONTRAST", "GAMMA,CONTRAST,MATRIX"])
    def test_of_contrasts_anywhere(self, order):
        steps = [STEPS[name] for name in order.split(",")]
        gentle = [Instruction(Op.CONTRAST, (0.8,)) if s.codes == Op.CONTRAST else s for s in steps]
        check_pixel(photo(size=(70, 67)), gentle)

    @pytest.mark.parametrize("strided", [False, True])
    def test_of_fixed_linear_steps_without_the_image(self, strided):
        inf = float("inf")
        program = [
            Instruction(Op.SCALE, (0.5, 2.0, -1.5, 0.1, 0.2, 0.3, -inf, inf)),
            Instruction(Op.MATRIX, (0.2, 0.3, 0.4, 0.1, -0.5, 0.6, 0.7, 0.2, 0.8, -0.9, 1.1, 0.3, -inf, inf)),
            Instruction(Op.ERASE, (3.0, 5.0, 30.0, 20.0, 0.1, 0.2, 0.3)),
            Instruction(Op.NONE, ()),
            Instruction(Op.SCALE, (1.5, 1.0, 0.5, 0.0, 0.0, 0.0, -inf, inf)),
        ]
        x = photo().requires_grad_()
        weights = torch.rand(x.shape, generator=torch.Generator().manual_seed(1)) - 0.5
        weights = weights.contiguous(memory_format=torch.channels_last) if strided else weights
        (found,) = torch.autograd.grad(pixel(x, program), x, weights)
        with native.definitions_only():
            (exact,) = torch.autograd.grad(pixel(x, program), x, weights)
        torch.testing.assert_close(found, exact, rtol=1e-5, atol=1e-5)
        assert max(saved_bytes(lambda: pixel(x, program))) < x.numel()

    def test_of_samples_with_programs_of_their_own(self):
        codes = np.array([[Op.CONTRAST, Op.NONE, Op.GAMMA], [Op.GAMMA, Op.CONTRAST, Op.NONE]], np.int32).T
        params = np.full((3, 2), 0.8)
        check_pixel(photo(3), [Instruction(row, params) for row in codes.T])

    def test_greys_black_and_white_get_the_definitions_subgradients(self):
        # Halves and quarters: both precisions compute them exactly, so that ties are ties in both.
        values = torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0])
        image = torch.cartesian_prod(values, values, values).T.reshape(1, 3, 5, 25)
        for turn in (0.0, 0.25, 0.5):
            x = [image.to(kind).requires_grad_() for kind in (torch.float32, torch.float64)]
            weights = torch.rand(image.shape, generator=torch.Generator().manual_seed(1))
            got, want = (
                torch.autograd.grad((pixel(v, [Instruction(Op.HUE, (turn,))]) * weights).sum(), v)[0] for v in x
            )
            assert got.isfinite().all()
            greys = (image.amax(1) == image.amin(1))[:, None].expand_as(image)
            torch.testing.assert_close(got[greys].double(), want[greys], rtol=0, atol=1e-5)
        gamma = [torch.tensor([[0.5, 1.0]], dtype=kind).requires_grad_() for kind in (torch.float32, torch.float64)]
        got, want = (
            torch.autograd.grad(pixel(image.to(g.dtype), [Instruction(Op.GAMMA, g)]).sum(), g)[0] for g in gamma
        )
        torch.testing.assert_close(got.double(), want, rtol=1e-5, atol=0)

    def test_whole_bytes_out_have_no_gradient(self):
        out = pixel(photo().requires_grad_(), [STEPS["GAMMA"]], dtype=torch.uint8)
        assert out.dtype == torch.uint8 and not out.requires_grad


class TestFilter:
    @pytest.mark.parametrize("border", BORDERS)
    @pytest.mark.parametrize("shape", [(2, 3, 20, 33), (1, 3, 3, 4), (2, 1, 1, 1), (1, 2, 40, 130)])
    @pytest.mark.parametrize("shared", [True, False])
    def test_of_image_and_taps_twice(self, border, shape, shared):
        g = torch.Generator().manual_seed(shape[2])
        rows = 1 if shared else shape[0]
        for kx, ky in ((5, 7), (1, 3), (9, 1), (25, 9)):
            given = [torch.rand(s, generator=g) for s in (shape, (rows, kx), (rows, ky))]
            weights = torch.rand(shape, generator=g)

            def both(dtype, given=given, weights=weights):
                leaves = [t.to(dtype).requires_grad_() for t in given]
                out = filter_separable(*leaves, border=border, fill=0.3)
                first = torch.autograd.grad((out * weights.to(dtype)).sum(), leaves, create_graph=True)
                second = torch.autograd.grad(sum((f * f).sum() for f in first), leaves)
                return [*(f.detach() for f in first), *second]

            got = both(torch.float32)
            with native.definitions_only():
                want = both(torch.float64)
            for a, b in zip(got, want, strict=True):
                assert (a - b).abs().max() <= 2e-5 * b.abs().max()

    def test_program_after_it(self):
        image, taps = photo().requires_grad_(), np.array([[0.2, 0.5, 0.3]])
        call = lambda: filter_separable(image, taps, taps, program=[STEPS["GAMMA"]])  # noqa: E731
        got = torch.autograd.grad(call().square().sum(), image)[0]
        with native.definitions_only():
            want = torch.autograd.grad(call().square().sum(), image)[0]
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-5)

    def test_taps_of_a_uint8_image_learn(self):
        taps = torch.tensor([[0.2, 0.5, 0.3]], requires_grad=True)
        image = (photo() * 255).to(torch.uint8)
        out = filter_separable(image, taps, taps, dtype=torch.float32)
        out.sum().backward()
        # Euler: the sum is homogeneous of degree two in the taps.
        torch.testing.assert_close((taps * taps.grad).sum(), 2 * out.sum(), rtol=1e-5, atol=0)


class TestMemory:
    def test_a_linear_pipeline_keeps_nothing_of_the_images_size(self):
        pipe = Pipeline(va.RandomResizedCrop((64, 64)), va.HorizontalFlip(), va.GaussianBlur(1.0), va.Normalize(0.5, 0.2))
        x = torch.rand(4, 3, 80, 80, requires_grad=True)
        assert max(saved_bytes(lambda: pipe(image=x)["image"]), default=0) < 4096

    def test_a_pipeline_with_colours_keeps_its_input(self):
        pipe = Pipeline(va.Affine((-20, 20)), va.Perspective(0.2), va.ColorJitter(0.4, 0.4, 0.4, 0.1))
        x = torch.rand(4, 3, 80, 80, requires_grad=True)
        kept = saved_bytes(lambda: pipe(image=x)["image"])
        assert sum(kept) < x.numel() * 4 + 8192


def work(queue):
    torch.set_num_threads(1)
    image = photo().requires_grad_()
    taps = np.array([[0.2, 0.5, 0.3]])
    out = filter_separable(warp(image, matrices(2), (30, 70), program=[STEPS["CONTRAST"]]), taps, taps)
    out.square().sum().backward()
    queue.put(image.grad.numpy())


class TestProcesses:
    @pytest.mark.parametrize("method", ["fork", "spawn"])
    def test_gradients_in_another_process(self, method):
        context = multiprocessing.get_context(method)
        mine, theirs = context.SimpleQueue(), context.SimpleQueue()
        threads = torch.get_num_threads()
        try:
            work(mine)
        finally:
            torch.set_num_threads(threads)
        process = context.Process(target=work, args=(theirs,))
        process.start()
        try:
            assert np.array_equal(theirs.get(), mine.get())
        finally:
            process.join(60)
        assert process.exitcode == 0


@pytest.mark.parametrize("isa", ["baseline", "avx2", "avx512"])
def test_instruction_sets_agree(isa):
    known = ("baseline", "avx2", "avx512", "avx512vbmi")
    if known.index(isa) >= known.index(native.module.features()):
        pytest.skip("the widest, or not of this machine")
    command = [sys.executable, "-m", "pytest", "-q", "--import-mode=importlib", "-p", "no:cacheprovider", __file__, "-k",
               "(perspective and reflect) or each_operation or domains or reduced or (taps_twice and constant)"]  # fmt: skip
    done = subprocess.run(command, env={**os.environ, "VISIONOPS_ISA": isa}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
