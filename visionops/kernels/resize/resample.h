// Separable resampling: see `visionops.kernels.resize.tables` for the taps.
#pragma once

#include <cstdint>

#include "common/source.h"

namespace visionops {

// What the outputs along one axis read: `taps` neighbours from `start` on.
struct Band {
  const int32_t* start;  // (size)
  const float* weights;  // (size, taps)
  int size, taps;
};

struct Resample {
  const Source* sources;
  int64_t batch;
  int channels;
  Dtype dtype;  // of images and outputs
  Band rows, columns;
  const int64_t* outputs;
};

// Results do not depend on the number of threads.
void resample(const Resample& job, int threads);

// Resamples the output rows [begin, end) of one channel.
#define VISIONOPS_DECLARE(isa) \
  namespace isa {              \
  void resample_rows(const Resample& job, int64_t sample, int channel, int begin, int end); \
  }
VISIONOPS_DECLARE(baseline)
VISIONOPS_DECLARE(avx2)
VISIONOPS_DECLARE(avx512)
VISIONOPS_DECLARE(avx512vbmi)
#undef VISIONOPS_DECLARE

}  // namespace visionops
