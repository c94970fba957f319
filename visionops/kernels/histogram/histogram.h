// Histograms: see `visionops.kernels.histogram.definition` for the meaning.
#pragma once

#include <cstdint>

#include "common/source.h"

namespace visionops {

struct Bins {
  int count;
  float low, high, scale;  // bins by unit of colour
  int taps;                // 1, 2 or 4
};

// Adds to `sums`, zeros (batch * channels, bins) or (batch * channels, bins, bins). Images are float32; of one alone
// the second is null.
void bin_sums(const Source* first, const Source* second, int64_t batch, int channels, const Bins& bins, double* sums,
              int threads);

// Writes the gradients by the images, where there are outputs for them, given those by the sums.
void bin_sums_adjoint(const float* grads, const Source* first, const Source* second, int64_t batch, int channels,
                      const Bins& bins, const int64_t* by_first, const int64_t* by_second, int threads);

}  // namespace visionops
