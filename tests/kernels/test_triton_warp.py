"""The Triton sweep against the definitions, on the CPU in Triton's interpreter: see `test_triton.py`, which runs this."""

import os

import numpy as np
import pytest
import torch

if os.environ.get("TRITON_INTERPRET") != "1":
    pytest.skip("runs inside test_triton.py, with TRITON_INTERPRET=1", allow_module_level=True)

from visionops.kernels import Instruction, Op, native, pixel, warp
from visionops.kernels.pixel.noise import philox4x32
from visionops.kernels.pixel.program import encode_tensors
from visionops.kernels.warp import cuda
from visionops.kernels.warp.spec import Spec

INF = float("inf")
BORDERS = ("constant", "replicate", "reflect", "circular")
INTERPOLATIONS = ("nearest", "bilinear", "bicubic")
# In the order of program.py: what each operation needs, at values where clamps cut some colours.
PARAMS = {
    Op.NONE: (),
    Op.SCALE: (1.4, 0.8, 1.1, -0.2, 0.1, 0.0, 0.05, 0.9),
    Op.MATRIX: (0.9, 0.3, 0.1, -0.1, 0.2, 0.8, 0.1, 0.05, -0.1, 0.2, 1.2, 0.0, 0.1, 0.95),
    Op.CONTRAST: (1.6,),
    Op.HUE: (0.17,),
    Op.GAMMA: (0.7, 1.1),
    Op.LUT: tuple(np.linspace(0.1, 0.8, 256) ** 2),
    Op.SOLARIZE: (0.6,),
    Op.NOISE: (0.1, 5, 2**23 + 1, 0.1, 0.9),
    Op.ERASE: (3, 2, 9, 6.5, 0.2, 0.5, 0.7),
}
AFFINE = [[0.8, 0.25, 1.3], [-0.3, 0.9, 2.1], [0, 0, 1]]
PERSPECTIVE = [[0.8, 0.25, -1.3], [-0.3, 0.9, 3.1], [0.004, -0.006, 1]]


@pytest.fixture(autouse=True)
def quiet():
    """The interpreter computes in NumPy, which warns of NaN and infinity; the definitions run on request."""
    with np.errstate(all="ignore"), native.definitions_only():
        yield


def image_of(*shape, seed=0, dtype=torch.float32):
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.random(shape) * 1.1 - 0.05).to(dtype)


def program_of(*ops):
    """Returns steps of parameters that may need gradients, (1, k)."""
    return [Instruction(int(op), torch.tensor([PARAMS[op]], dtype=torch.float64)) for op in ops]


def mixed(codes, seed=0):
    """Returns steps that run codes[:, step], each sample with parameters of its own."""
    rng = np.random.default_rng(seed)
    steps = []
    for column in np.asarray(codes).T:
        params = np.zeros((len(column), 260))
        for row, code in zip(params, column, strict=True):
            row[: len(PARAMS[Op(code)])] = np.array(PARAMS[Op(code)]) * (1 + 0.1 * rng.random())
        params[column == Op.NOISE, 1:3] = 5, 7
        steps.append(Instruction(column.astype(np.int32), torch.from_numpy(params)))
    return steps


def check(
    image, inverse, size, *, coordinates=None, interpolation="bilinear", border="replicate", fill=0.25, planes=None,
    fills=None, levels=None, program=(), dtype=torch.float32, atol=2e-6, grad_rtol=2e-6, grads=True,
):  # fmt: skip
    """Compares values, and gradients with those that autograd finds in the definition at float64 positions."""
    c = image.shape[1]
    rows = lambda value: tuple(np.broadcast_to(np.asarray(value, float), c).tolist())  # noqa: E731
    codes, params, layout = encode_tensors(program, image.device)
    spec = Spec(size, interpolation, border, rows(fill), tuple(map(rows, fills or ())), dtype, layout)
    where = (inverse, coordinates)
    levels_ = None if levels is None else torch.as_tensor(levels)
    got = cuda.forward(image, inverse, coordinates, params, planes, levels_, codes, spec)
    floating = image.dtype.is_floating_point
    x = image.clone().requires_grad_() if floating else image
    leaves = [None if t is None else t.clone().requires_grad_() for t in where]
    steps = [step._replace(params=step.params.clone().requires_grad_()) for step in program]
    steps_float = [step._replace(params=step.params.float()) for step in steps]
    if inverse is None and coordinates is None:
        want = pixel(x, steps_float, dtype=dtype)
    else:
        want = warp(x, leaves[0], size, coordinates=leaves[1], interpolation=interpolation, border=border, fill=fill,
                    planes=planes, fills=fills, levels=levels, program=steps_float, dtype=dtype)  # fmt: skip
    assert got.dtype == dtype and got.shape == want.shape and got.is_contiguous()
    torch.testing.assert_close(got.double(), want.detach().double(), rtol=0, atol=atol, equal_nan=True)
    if not grads or dtype == torch.uint8:
        return got
    grad = image_of(*want.shape, seed=9).to(dtype)
    wanted = [t for t in (x if floating else None, *leaves, *(s.params for s in steps)) if t is not None]
    found = dict(zip(map(id, wanted), torch.autograd.grad(want, wanted, grad, allow_unused=True), strict=True))
    needs = (floating, inverse is not None, coordinates is not None, params.shape[1] > 0)
    by = cuda.backward(grad, image, image.shape, *where, params, planes, levels_, codes, spec, needs)
    assert [g is not None for g in by] == [
        n and (i in (0, 3) or interpolation != "nearest") for i, n in enumerate(needs)
    ]
    pairs = [(by[0], x), (by[1], leaves[0]), (by[2], leaves[1])]
    if by[3] is not None:
        ends = [*layout.starts, params.shape[1]]
        pairs += [(by[3][:, a:b], s.params) for a, b, s in zip(ends, ends[1:], steps, strict=False)]
    for mine, leaf in pairs:
        if mine is None:
            continue
        theirs = found[id(leaf)]
        theirs = torch.zeros_like(leaf) if theirs is None else theirs
        assert mine.dtype == (torch.float64 if leaf is leaves[0] and leaf.dtype == torch.float64 else torch.float32)
        if mine.shape != theirs.shape:  # steps of one row in a batch whose other steps have a row each
            mine = mine.sum(0, keepdim=True)
        scale = max(float(theirs.abs().max()), 1.0) if theirs.numel() else 1.0
        torch.testing.assert_close(mine.double(), theirs.double(), rtol=0, atol=grad_rtol * scale, equal_nan=True)
    return got


class TestPositions:
    @pytest.mark.parametrize("border", BORDERS)
    @pytest.mark.parametrize("interpolation", INTERPOLATIONS)
    def test_matrices(self, interpolation, border):
        inverse = torch.tensor([AFFINE, PERSPECTIVE], dtype=torch.float64)
        # Bicubic weights reach 1.4, and their derivatives are sums that cancel.
        check(image_of(2, 2, 9, 11), inverse, (10, 13), interpolation=interpolation, border=border, grad_rtol=2e-5)

    def test_float32_and_shared_matrix_over_several_tiles(self):
        check(image_of(2, 1, 17, 30), torch.tensor([PERSPECTIVE]), (19, 35), atol=2e-5, grad_rtol=2e-5)

    @pytest.mark.parametrize("interpolation", INTERPOLATIONS)
    def test_whole_positions_are_exact(self, interpolation):
        image = image_of(1, 2, 7, 9)
        image[0, 0, 2, 2] = torch.nan  # a tap of weight zero beside most pixels is not read
        image[0, 1, 4, 4] = INF
        flip = torch.tensor([[[-1, 0, 8], [0, 1, -2], [0, 0, 1.0]]], dtype=torch.float64)
        got = check(image, flip, (9, 9), interpolation=interpolation, grads=False, atol=0)
        assert torch.equal(got[:, :, 2:].nan_to_num(7), image.flip(-1).nan_to_num(7))

    def test_ties_go_up(self):
        image = torch.arange(16.0).reshape(1, 1, 1, 16)
        half = torch.tensor([[[2, 0, 0.5 - 1e-9], [0, 1, 0], [0, 0, 1.0]]], dtype=torch.float64)
        got = check(image, half, (1, 8), interpolation="nearest", atol=0)
        assert got.flatten().tolist() == [1, 3, 5, 7, 9, 11, 13, 15]

    @pytest.mark.parametrize("interpolation", INTERPOLATIONS)
    @pytest.mark.parametrize("shared", [False, True])
    def test_maps_with_lost_positions(self, interpolation, shared):
        xy = torch.rand(1 if shared else 2, 8, 9, 2, generator=torch.Generator().manual_seed(1)) * 16 - 4
        xy[0, 3, 5], xy[0, 4, 6, 0], xy[0, 5, 4, 1], xy[0, 6, 1, 0] = torch.nan, INF, -INF, 1e9
        xy[0, 7] = xy[0, 7].round()
        got = check(image_of(2, 2, 7, 8), None, (8, 9), coordinates=xy, interpolation=interpolation, border="constant",
                    grad_rtol=2e-5)  # fmt: skip
        assert (got[0, :, 3, 5] == 0.25).all() and (got[0, :, 5, 4] == 0.25).all()

    def test_a_pole_gives_the_fill_and_no_gradient(self):
        pole = torch.tensor([[[1, 0, 0.0], [0, 1, 0], [0.5, 0, -2]]], dtype=torch.float64)  # at column 4
        image = image_of(1, 1, 5, 6)
        got = check(image, pole, (5, 8), grads=False, fill=0.5)
        assert (got[..., 4] == 0.5).all()
        spec = Spec((5, 8), "bilinear", "replicate", (0.5,), (), torch.float32, encode_tensors((), image.device)[2])
        none = torch.empty(1, 0)
        by = cuda.backward(torch.ones(1, 1, 5, 8), image, image.shape, pole, None, none, None, None, none.int(), spec,
                           (True, True, False, False))  # fmt: skip
        assert by[0].isfinite().all() and by[1].isfinite().all()

    @pytest.mark.parametrize("form", ["matrix", "map"])
    def test_domains_take_their_own_fill(self, form):
        planes = torch.from_numpy(np.random.default_rng(7).normal(size=(2, 2, 4, 3)) * (1, 1, 6) + (0, 0, 9))
        planes[0, 0, 1] = torch.tensor([0, 1, -2.0])
        inverse = torch.tensor([AFFINE, PERSPECTIVE], dtype=torch.float64) if form == "matrix" else None
        xy = torch.rand(2, 9, 12, 2, generator=torch.Generator().manual_seed(1)) * 8 if form == "map" else None
        got = check(image_of(2, 2, 9, 11), inverse, (9, 12), coordinates=xy, planes=planes, fills=[0.7, (0.8, 0.9)],
                    program=program_of(Op.GAMMA), grad_rtol=1e-5)  # fmt: skip
        assert len(got[:, 1].unique()) < got[:, 1].numel() - 10

    @pytest.mark.parametrize("levels", [[(1, 0), (0, 2)], [(2, 1), (5, 1)]])
    @pytest.mark.parametrize("border", ["constant", "reflect"])
    def test_levels(self, levels, border):
        inverse = torch.tensor([AFFINE, PERSPECTIVE], dtype=torch.float64) * torch.tensor([2, 2, 1.0])[:, None]
        check(image_of(2, 2, 11, 14), inverse, (6, 7), levels=np.array(levels), border=border, grad_rtol=1e-5)

    def test_levels_of_a_map(self):
        xy = torch.rand(1, 6, 7, 2, generator=torch.Generator().manual_seed(1)) * 16 - 2
        check(image_of(2, 1, 11, 14), None, (6, 7), coordinates=xy, levels=np.array([(1, 1), (0, 2)]), grad_rtol=1e-5)


class TestForms:
    @pytest.mark.parametrize("packed", [False, True])
    @pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
    @pytest.mark.parametrize("ops", [(), (Op.SCALE, Op.CONTRAST)])
    def test_bytes(self, packed, dtype, ops):
        image = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 3, 9, 11), dtype=np.uint8))
        image = image.contiguous(memory_format=torch.channels_last) if packed else image
        inverse = torch.tensor([AFFINE], dtype=torch.float64)
        # A mean of bytes may lie at a half, which rounds either way.
        atol = 1 if dtype == torch.uint8 else 2e-6
        check(image, inverse, (8, 10), dtype=dtype, atol=atol, border="constant", fill=(3, 100, 255),
              program=program_of(*ops), grad_rtol=1e-5)  # fmt: skip

    def test_bytes_come_back(self):
        image = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 8, 32)
        unit = torch.tensor([[[1.0]]])
        for size, matrix in (((8, 32), None), ((8, 32), torch.eye(3, dtype=torch.float64)[None])):
            for program in ((), [Instruction(int(Op.SCALE), unit.new_tensor([[1, 0, -9, 9]]))]):
                assert torch.equal(check(image, matrix, size, dtype=torch.uint8, program=program, atol=0), image)
        assert torch.equal(check(image, None, (8, 32), atol=0, grads=False), image / 255)

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_halves(self, dtype):
        image = image_of(1, 3, 6, 7, dtype=dtype)
        inverse = torch.tensor([AFFINE], dtype=torch.float64)
        unit = torch.finfo(dtype).eps
        check(image, inverse, (7, 6), dtype=dtype, atol=unit, grad_rtol=unit, program=program_of(Op.SCALE))
        check(image.to(torch.float32), inverse, (7, 6), dtype=dtype, atol=unit)
        check(image, None, (6, 7), atol=0, grad_rtol=unit)

    @pytest.mark.parametrize("border", BORDERS)
    def test_one_pixel(self, border):
        inverse = torch.tensor([AFFINE], dtype=torch.float64)
        for interpolation in INTERPOLATIONS:
            check(image_of(1, 1, 1, 1), inverse, (2, 3), interpolation=interpolation, border=border, grad_rtol=1e-5)
        check(image_of(1, 3, 4, 5), inverse, (1, 1), program=program_of(Op.CONTRAST), grad_rtol=1e-5)

    def test_empty_batch(self):
        inverse = torch.zeros(0, 3, 3, dtype=torch.float64)
        check(image_of(0, 3, 4, 5), inverse, (3, 3), program=program_of(Op.CONTRAST))

    def test_an_image_is_not_needed_for_its_own_gradient(self):
        inverse, grad = torch.tensor([AFFINE], dtype=torch.float64), image_of(1, 2, 4, 5)
        codes, params, layout = encode_tensors((), grad.device)
        spec = Spec((4, 5), "bilinear", "reflect", (0.0, 0.0), (), torch.float32, layout)
        rest = (inverse, None, params, None, None, codes, spec, (True, False, False, False))
        without = cuda.backward(grad, None, (1, 2, 6, 7), *rest)[0]
        assert torch.equal(without, cuda.backward(grad, image_of(1, 2, 6, 7), (1, 2, 6, 7), *rest)[0])

    def test_a_gradient_that_is_one_number(self):
        image, inverse = image_of(1, 2, 6, 7), torch.tensor([AFFINE], dtype=torch.float64)
        codes, params, layout = encode_tensors((), image.device)
        spec = Spec((4, 5), "bilinear", "reflect", (0.0, 0.0), (), torch.float32, layout)
        rest = (image, image.shape, inverse, None, params, None, None, codes, spec, (True, True, False, False))
        one = torch.ones(()).expand(1, 2, 4, 5)
        for got, want in zip(cuda.backward(one, *rest), cuda.backward(one.contiguous(), *rest), strict=True):
            assert (got is None and want is None) or torch.equal(got, want)


class TestProgram:
    @pytest.mark.parametrize("op", list(Op))
    def test_each_operation(self, op):
        # A power in float32 from logarithms: 2e-6; sums of gradients over 2 * 3 * 99 colours.
        check(image_of(2, 3, 9, 11), None, (9, 11), program=program_of(op), atol=3e-6, grad_rtol=1e-5)

    @pytest.mark.parametrize("c", [1, 2, 4, 5])
    def test_other_channels(self, c):
        values = np.linspace(0.1, 0.9, c)
        program = [
            Instruction(int(Op.SCALE), torch.tensor([[*(1 + values), *-values, 0.1, 0.9]])),
            Instruction(int(Op.CONTRAST), torch.tensor([[1.3]])),
            Instruction(int(Op.NOISE), torch.tensor([[0.1, 7, 9, 0.1, 0.9]])),
            Instruction(int(Op.ERASE), torch.tensor([[1, 1, 3, 3, *values]])),
        ]
        check(image_of(1, c, 5, 6), None, (5, 6), program=program, atol=3e-6, grad_rtol=1e-5)

    def test_equal_colours_and_bounds(self):
        image = image_of(1, 3, 4, 6)
        image[:, 1, :2] = image[:, 0, :2]  # red = green, grey, green = blue
        image[:, :, 1] = image[:, :1, 1]
        image[:, 2, 2] = image[:, 1, 2]
        image[:, :, 3] = torch.tensor([0, 0.5, 1.0]).repeat(2)
        for op in (Op.HUE, Op.GAMMA, Op.SOLARIZE):
            check(image, None, (4, 6), program=program_of(op), atol=3e-6, grad_rtol=1e-5)
        whole = [Instruction(int(Op.SCALE), torch.tensor([[1.0, 1, 1, 0, 0, 0, 0, 1]]))]
        check(image.round(), None, (4, 6), program=whole)
        crossed = [Instruction(int(Op.SCALE), torch.tensor([[1.0, 1, 1, 0, 0, 0, 0.7, 0.3]]))]
        check(image, None, (4, 6), program=crossed)
        check(image, None, (4, 6), program=[Instruction(int(Op.HUE), torch.zeros(1, 1))], atol=3e-6, grad_rtol=1e-5)

    def test_every_sample_in_an_order_of_its_own(self):
        codes = [
            (Op.SCALE, Op.CONTRAST, Op.MATRIX, Op.HUE, Op.NOISE),
            (Op.CONTRAST, Op.HUE, Op.NONE, Op.CONTRAST, Op.ERASE),
            (Op.NONE, Op.GAMMA, Op.CONTRAST, Op.LUT, Op.NONE),
        ]
        inverse = torch.tensor([AFFINE, PERSPECTIVE, AFFINE], dtype=torch.float64)
        # The longest chain, through a table of 256 steps.
        check(image_of(3, 3, 8, 9), inverse, (7, 8), program=mixed(codes), atol=1e-5, grad_rtol=1e-4)

    def test_contrast_of_several_tiles(self):
        # The factor's gradient is a float32 sum over 3672 colours that cancel, on both sides.
        check(image_of(2, 3, 18, 34), None, (18, 34), program=program_of(Op.CONTRAST, Op.CONTRAST), grad_rtol=5e-5)

    def test_codes_that_are_tensors(self):
        codes = torch.tensor([int(Op.HUE), int(Op.NONE)], dtype=torch.int32)
        params = torch.tensor([[0.3]])
        (layout,) = [encode_tensors([Instruction(codes, params, (Op.NONE, Op.HUE))], params.device)[2]]
        assert layout.ops == ((Op.NONE, Op.HUE),)
        image = image_of(2, 3, 4, 5)
        spec = Spec((4, 5), "bilinear", "replicate", (0.0,) * 3, (), torch.float32, layout)
        got = cuda.forward(image, None, None, params, None, None, codes[:, None], spec)
        want = pixel(image, [Instruction(codes.numpy(), params)])
        torch.testing.assert_close(got, want, rtol=0, atol=2e-6)
        assert torch.equal(got[1], image[1])

    def test_noise_is_that_of_the_definition(self):
        """Box-Muller's cosine and logarithm differ by an ulp or two; a wrong word would differ by about 1."""
        key = (2**24 - 1, 2**23 + 5)
        program = [Instruction(int(Op.NOISE), torch.tensor([[1.0, *key, -INF, INF]]))]
        got = check(torch.zeros(1, 5, 3, 40), None, (3, 40), program=program, atol=4e-6, grads=False)
        word = philox4x32(tuple(map(torch.tensor, (39, 2, 1, 0))), tuple(map(torch.tensor, key)))
        u = [((int(w) >> 9) + 0.5) * 2.0**-23 for w in word]
        assert abs(float(got[0, 4, 2, 39]) - np.sqrt(-2 * np.log(u[0])) * np.cos(2 * np.pi * u[1])) < 4e-6
