// Exponential and logarithm of rotations and rigid motions, and their adjoints: the formulas of
// `visionops.geometry.rotations.forms` and `visionops.geometry.groups.se3`, a sample at a time, in double precision.
#pragma once

#include <cstdint>

namespace visionops {

struct Motions {
  const void* in;    // (count, ...) contiguous: tangents or matrices
  const void* grad;  // of the result; null forward
  void* out;         // the result, or the gradient by `in`
  int64_t count;
  bool doubles;  // else floats
  bool rigid;    // 4 x 4 with a shift; else 3 x 3
};

// Samples [begin, end).
#define VISIONOPS_DECLARE(isa)                                                   \
  namespace isa {                                                                \
  void exp_motions(const Motions& job, int64_t begin, int64_t end);              \
  void exp_motions_adjoint(const Motions& job, int64_t begin, int64_t end);      \
  void log_motions(const Motions& job, int64_t begin, int64_t end);              \
  void log_motions_adjoint(const Motions& job, int64_t begin, int64_t end);      \
  }
VISIONOPS_DECLARE(baseline)
VISIONOPS_DECLARE(avx2)
VISIONOPS_DECLARE(avx512)
VISIONOPS_DECLARE(avx512vbmi)
#undef VISIONOPS_DECLARE

}  // namespace visionops
