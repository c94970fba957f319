// Separable correlation: see `visionops.kernels.filter.definition` for the meaning.
#pragma once

#include "warp/sweep.h"

namespace visionops {

struct Separable {
  const Source* sources;
  int64_t batch;
  int channels;
  Dtype dtype;
  const float *taps_x, *taps_y;         // (batch or 1, size)
  int64_t taps_x_step, taps_y_step;     // from one sample to the next: 0 where all share one
  int size_x, size_y;                   // odd
  Border border;
  float fill;                           // in the units of the image
  const int64_t* outputs;
};

void filter_separable(const Separable& job, int threads);

// Filters float32 images and runs a pixel program on each while it is in cache; of `colours` only the program and the
// outputs are read. The filter's own outputs are not written.
void filter_then_sweep(const Separable& job, const Sweep& colours, int threads);

// Filters the rows [begin, end) of one channel.
namespace baseline { void filter_rows(const Separable& job, int64_t sample, int channel, int begin, int end); }
namespace avx2 { void filter_rows(const Separable& job, int64_t sample, int channel, int begin, int end); }
namespace avx512 { void filter_rows(const Separable& job, int64_t sample, int channel, int begin, int end); }
namespace avx512vbmi { void filter_rows(const Separable& job, int64_t sample, int channel, int begin, int end); }

}  // namespace visionops
