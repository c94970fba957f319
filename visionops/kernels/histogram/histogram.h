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

// float32 of one size. Of one image alone the second is null, and so are weights where each pixel counts 1.
struct Images {
  const Source *first, *second, *weights;
  int64_t batch;
  int channels;
};

// Addresses of what is (channels, height, width) for each sample, or null.
struct Outputs {
  const int64_t *by_first, *by_second, *by_weights;
};

// Adds to `sums`, zeros (batch * channels, bins) or (batch * channels, bins, bins).
void bin_sums(const Images& images, const Bins& bins, double* sums, int threads);

// Writes the gradients, where there are outputs for them, given those by the sums.
void bin_sums_adjoint(const float* grads, const Images& images, const Bins& bins, const Outputs& outputs, int threads);

}  // namespace visionops
