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
  const float* sharpen;                 // (batch or 1), see `filter_separable` of op.py; null: nothing
  int64_t sharpen_step;
};

void filter_separable(const Separable& job, int threads);

// Filters float32 images and runs a pixel program on each while it is in cache; of `colours` only the program and the
// outputs are read. The filter's own outputs are not written.
void filter_then_sweep(const Separable& job, const Sweep& colours, int threads);

// The adjoint in the image. The sources are gradients, float32, and the taps are mirrored.
void filter_adjoint(const Separable& job, int threads);

// The adjoint in the taps of one axis: `sums` (batch, size) receives the sums over pixels and channels of `grads` times
// the image shifted by each tap. Both are float32.
struct Products {
  const Source* grads;
  const Source* images;
  int64_t batch;
  int channels;
  bool down;  // along y instead of x
  int size;   // odd
  Border border;
  float fill;
  double* sums;
};

void filter_products(const Products& job, int threads);

// Filters the rows [begin, end) of one channel; adds the products of one channel to `sums`.
#define VISIONOPS_DECLARE(isa)                                                                    \
  namespace isa {                                                                                 \
  void filter_rows(const Separable& job, int64_t sample, int channel, int begin, int end);        \
  void product_rows(const Products& job, int64_t sample, int channel, double* sums);              \
  }
VISIONOPS_DECLARE(baseline)
VISIONOPS_DECLARE(avx2)
VISIONOPS_DECLARE(avx512)
VISIONOPS_DECLARE(avx512vbmi)
#undef VISIONOPS_DECLARE

}  // namespace visionops
