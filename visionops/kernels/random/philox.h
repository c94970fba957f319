// Uniform draws as a function of (seed, epoch, view, index, step), equal to NumPy's Philox bit for bit.
#pragma once

#include <cstdint>

namespace visionops {

// Writes `count` doubles in [0, 1), `stride` apart: what
// np.random.Generator(np.random.Philox(counter=[0, step, index, view], key=[seed, epoch])).random(count) returns.
void philox_uniform(uint64_t seed, uint64_t epoch, uint64_t view, uint64_t index, uint64_t step, int64_t count,
                    double* out, int64_t stride);

}  // namespace visionops
