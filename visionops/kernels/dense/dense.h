// Dense correlation: see `visionops.kernels.dense.definition` for the meaning.
#pragma once

#include "common/source.h"

namespace visionops {

enum class Norm : int { none = 0, l1 = 1, l2 = 2 };

struct Dense {
  int64_t image;  // its address; 0 where the adjoint does not read it
  int64_t batch, channels;
  int depth, height, width;
  int64_t strides[5];  // in elements: sample, channel, depth, row, column
  Dtype dtype;
  const float* kernel;  // (batch or 1, count, kd, kh, kw), odd
  int64_t kernel_step;  // from one sample to the next: 0 where all share one
  int count, kd, kh, kw;
  Border border;
  float fill;  // in the units of the image
  Norm norm;
  int64_t output;  // contiguous
  int64_t grad;    // of the adjoints: the gradient by the result, float32
  int64_t grad_strides[6];  // sample, channel, kernel, depth, row, column
  double* sums;             // of the products: (batch * channels, count * kd * kh * kw)
};

void filter_dense(const Dense& job, int threads);
void filter_dense_adjoint(const Dense& job, int threads);   // in the image
void filter_dense_products(const Dense& job, int threads);  // in the kernels

// One channel of one sample; of the first, the rows [begin, end) of all depth * height.
#define VISIONOPS_DECLARE(isa)                                                    \
  namespace isa {                                                                 \
  void dense_rows(const Dense& job, int64_t plane, int begin, int end);           \
  void dense_adjoint(const Dense& job, int64_t plane);                            \
  void dense_products(const Dense& job, int64_t plane);                           \
  }
VISIONOPS_DECLARE(baseline)
VISIONOPS_DECLARE(avx2)
VISIONOPS_DECLARE(avx512)
VISIONOPS_DECLARE(avx512vbmi)
#undef VISIONOPS_DECLARE

}  // namespace visionops
