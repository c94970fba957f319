// Means over windows: see `visionops.kernels.box.definition` for the meaning.
#pragma once

#include "common/source.h"

namespace visionops {

struct Box {
  const Source* sources;
  int64_t batch;
  int channels;
  Dtype dtype;
  int size_y, size_x;
  Border border;
  float fill;  // in the units of the image
  const int64_t* outputs;
};

void filter_box(const Box& job, int threads);
// The sources are gradients, float32.
void filter_box_adjoint(const Box& job, int threads);

// One channel; of the first, the rows [begin, end).
#define VISIONOPS_DECLARE(isa)                                                               \
  namespace isa {                                                                            \
  void box_rows(const Box& job, int64_t sample, int channel, int begin, int end);            \
  void box_adjoint(const Box& job, int64_t sample, int channel);                             \
  }
VISIONOPS_DECLARE(baseline)
VISIONOPS_DECLARE(avx2)
VISIONOPS_DECLARE(avx512)
VISIONOPS_DECLARE(avx512vbmi)
#undef VISIONOPS_DECLARE

}  // namespace visionops
