"""The Triton twins without a GPU: run by Triton's interpreter, and compiled for one.

Triton decides when it is imported whether it interprets, so that each happens in a Python of its own.
"""

import os
import subprocess
import sys
from importlib import util
from pathlib import Path

import pytest

from visionops.kernels import native

HERE = Path(__file__).parent
pytestmark = [
    pytest.mark.skipif(util.find_spec("triton") is None, reason="Triton is missing"),
    pytest.mark.skipif(not native.active(), reason="the run with the compiled kernels has tested this"),
]

# What a GPU's driver would say, and a launch that only compiles.
OFFLINE = """
import triton
from triton.backends.compiler import GPUTarget
from triton.runtime.jit import JITFunction

class Offline:
    get_current_target = lambda self: GPUTarget("cuda", 90, 32)
    get_current_device = lambda self: 0
    get_current_stream = lambda self, device: 0

made = []

def launch(self, grid):
    return lambda *args, **options: made.append((self.__name__, self.run(*args, grid=grid, warmup=True, **options)))

triton.runtime.driver.set_active(Offline())
JITFunction.__getitem__ = launch
"""
EVERYTHING = """
import numpy as np
import torch
from visionops.kernels.filter import cuda as filters
from visionops.kernels.pixel.program import Instruction, Op, encode_tensors
from visionops.kernels.warp import cuda as warps
from visionops.kernels.warp.spec import Spec

def go(image, matrix, ops, interpolation, border, dtype, *, levels=None, planes=None, coordinates=None):
    program = [Instruction(torch.full((2,), int(o[0]), dtype=torch.int32), (0.0,) * 260, o) for o in ops]
    codes, params, layout = encode_tensors(program, image.device)
    spec = Spec((9, 13), interpolation, border, (0.0,) * 3, ((0.0,) * 3,), dtype, layout)
    rest = (matrix, coordinates, params, planes, levels, codes, spec)
    warps.forward(image, *rest)
    if dtype != torch.uint8:
        needs = (image.is_floating_point(), matrix is not None, coordinates is not None, len(ops) > 0)
        warps.backward(torch.zeros(2, 3, 9, 13, dtype=dtype), image, image.shape, *rest, needs)

packed = torch.zeros(2, 8, 11, 3, dtype=torch.uint8).permute(0, 3, 1, 2)
planar, one = torch.zeros(2, 3, 8, 11), torch.zeros(2, 3, 1, 1)
exact, single = torch.zeros(1, 3, 3, dtype=torch.float64), torch.zeros(2, 3, 3)
jitter = ((Op.SCALE, Op.CONTRAST, Op.HUE, Op.MATRIX),) * 2
rest = ((Op.NONE, Op.GAMMA, Op.LUT), (Op.SOLARIZE,), (Op.NOISE,), (Op.NONE, Op.ERASE))
go(packed, exact, ((Op.SCALE,),), "bilinear", "replicate", torch.float32)
go(packed, exact, (), "nearest", "constant", torch.uint8, planes=torch.zeros(1, 2, 4, 3))
go(planar.half(), single, jitter, "bilinear", "constant", torch.bfloat16)
go(planar, None, rest, "bilinear", "reflect", torch.float32, coordinates=torch.zeros(2, 9, 13, 2))
go(torch.zeros(2, 3, 9, 13), None, ((Op.SCALE,),), "bilinear", "reflect", torch.float16)
go(one, single, (), "bicubic", "circular", torch.float16, levels=torch.zeros(2, 2, dtype=torch.int64))
for image in (packed, planar.bfloat16()):
    taps = torch.ones(2, 3)
    filters.forward(image, taps, taps, "reflect", 0.0)
    filters.backward(image.float(), image.float(), taps, taps, "constant", 0.0, (True, True, True))
kernels = {name for name, _ in made}
assert kernels == {"sweep_kernel", "adjoint_kernel", "along_kernel", "back_kernel", "taps_kernel"}, kernels
for name, kernel in made:
    kernel = kernel.result() if hasattr(kernel, "result") else kernel
    assert kernel.asm["cubin"], name
    # A product that is contracted with a sum would round elsewhere than the definitions.
    assert ".target sm_90" in kernel.asm["ptx"]
"""


def fresh_python(*arguments, **environment):
    path = os.pathsep.join(p for p in sys.path if p)
    env = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"} | environment
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
    return done.stdout


class TestTriton:
    @pytest.mark.parametrize("name", ["warp", "filter", "pipeline"])
    def test_interpreted(self, name):
        out = fresh_python("-m", "pytest", "-p", "no:cacheprovider", str(HERE / f"test_triton_{name}.py"),
                           TRITON_INTERPRET="1", VISIONOPS_TRITON="1")  # fmt: skip
        assert " passed" in out and "skipped" not in out

    def test_every_kernel_compiles_for_a_gpu(self, tmp_path):
        fresh_python("-W", "error", "-c", OFFLINE + EVERYTHING, TRITON_CACHE_DIR=str(tmp_path), TRITON_INTERPRET="0")

    def test_is_imported_on_demand(self):
        out = fresh_python("-c", "import sys, visionops, visionops.augment; print('triton' in sys.modules)")
        assert out == "False\n"
