"""`philox_uniform` against NumPy's generator."""

import numpy as np
import pytest

from visionops.kernels import native

pytestmark = pytest.mark.skipif(native.module is None, reason="the compiled module is missing")


def expected(seed, epoch, view, index, counts):
    columns = []
    for i in index:
        parts = []
        for step, count in enumerate(counts):
            counter = np.array([0, step, int(i) % 2**64, view], np.uint64)
            bits = np.random.Philox(counter=counter, key=np.array([seed, epoch], np.uint64))
            parts.append(np.random.Generator(bits).random(count))
        columns.append(np.concatenate(parts) if parts else np.zeros(0))
    return np.stack(columns, 1) if columns else np.zeros((sum(counts), 0))


class TestPhiloxUniform:
    @pytest.mark.parametrize("key", [(0, 0, 0), (1, 2, 3), (2**64 - 1, 2**63, 2**64 - 1)])
    @pytest.mark.parametrize("counts", [[1], [4, 1, 0, 9], [0], [], [64]])
    @pytest.mark.parametrize("index", [[0], [5, 0, -1, 2**62, -(2**63)], []])
    def test_is_numpys_bit_for_bit(self, key, counts, index):
        got = native.module.philox_uniform(*key, np.array(index, np.int64), counts)
        assert got.dtype == np.float64 and got.shape == (sum(counts), len(index))
        assert (got == expected(*key, index, counts)).all()

    def test_a_sample_does_not_depend_on_its_batch(self):
        alone = native.module.philox_uniform(1, 2, 3, np.array([7]), [3, 5])
        batch = native.module.philox_uniform(1, 2, 3, np.arange(10), [3, 5, 2])
        assert (batch[:8, 7] == alone[:, 0]).all()

    def test_refuses_negative_counts(self):
        with pytest.raises(ValueError, match="counts"):
            native.module.philox_uniform(0, 0, 0, np.array([1]), [-1])
