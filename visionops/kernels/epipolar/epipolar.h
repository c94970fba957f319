// Squared distances of matches from what a fundamental matrix allows, and their adjoint; see
// `visionops.geometry.epipolar.distances`. With A = alpha h2 + beta2 (l2x, l2y, 0) and B = alpha h1 + beta1 (l1x, l1y, 0)
// the gradients are  F: A h1^T + h2 beta1 (l1x, l1y, 0)^T,   x1: F^T A,   x2: F B.
#pragma once

#include <cstdint>

namespace visionops {

struct Matching {
  const void *matrices, *points1, *points2;  // (count, 3, 3), (count or 1, n, 2)
  int64_t count, n, step1, step2;            // steps from one sample's points to the next, in numbers: 0 for one row
  bool each;                                 // of both points from their lines; else Sampson's
  void* out;                                 // (count, n)
  // Of the adjoint: the gradient of that, and where the others go; sums are (count, stretches, 9), null if not wanted.
  const void* grad;
  double* sums;
  void *by_points1, *by_points2;  // (count, n, 2)
};

// Matches of a sample that are computed together.
constexpr int64_t STRETCH = 4096;

#define VISIONOPS_DECLARE(isa)                                                                             \
  namespace isa {                                                                                          \
  template <class T>                                                                                       \
  void epipolar_distances(const Matching& job, int64_t sample, int64_t begin, int64_t end);                \
  template <class T>                                                                                       \
  void epipolar_adjoint(const Matching& job, int64_t sample, int64_t begin, int64_t end);                  \
  extern template void epipolar_distances<float>(const Matching&, int64_t, int64_t, int64_t);              \
  extern template void epipolar_distances<double>(const Matching&, int64_t, int64_t, int64_t);             \
  extern template void epipolar_adjoint<float>(const Matching&, int64_t, int64_t, int64_t);                \
  extern template void epipolar_adjoint<double>(const Matching&, int64_t, int64_t, int64_t);               \
  }
VISIONOPS_DECLARE(baseline)
VISIONOPS_DECLARE(avx2)
VISIONOPS_DECLARE(avx512)
VISIONOPS_DECLARE(avx512vbmi)
#undef VISIONOPS_DECLARE

}  // namespace visionops
