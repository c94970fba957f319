// Canny's edges: see `visionops.kernels.canny.definition` for the meaning.
#pragma once

#include "common/source.h"

namespace visionops {

struct Canny {
  const Source* sources;
  int64_t batch;
  int channels;
  Dtype dtype;
  const double *low, *high;      // (batch or 1)
  int64_t low_step, high_step;   // from one sample to the next: 0 where all share one
  bool squares;                  // compare dx^2 + dy^2, not |dx| + |dy|
  const int64_t* edges;          // in the image's dtype
  const int64_t* magnitudes;     // float32, or null
};

void find_edges(const Canny& job, int threads);

// What a map says of a pixel. It has a pixel more on each side, which says `not_one`.
enum Mark : uint8_t { may_be = 0, not_one = 1, edge = 2 };

// Marks the rows [begin, end) of a sample, and writes the magnitude.
#define VISIONOPS_DECLARE(isa)                                                        \
  namespace isa {                                                                     \
  void mark_rows(const Canny& job, int64_t sample, int begin, int end, uint8_t* map); \
  }
VISIONOPS_DECLARE(baseline)
VISIONOPS_DECLARE(avx2)
VISIONOPS_DECLARE(avx512)
VISIONOPS_DECLARE(avx512vbmi)
#undef VISIONOPS_DECLARE

}  // namespace visionops
