// Linear estimates: the null vector of equations of matches, with all that is before and after it, and its adjoint. What
// they compute is said in `visionops.geometry`: find_homography, find_fundamental and triangulate.
#pragma once

#include <cstdint>

namespace visionops {

// Of a fit: the null vector, the pseudo-inverse that it moves by, and the right null vector of a matrix of rank two. All
// are 0 where the fit is not unique.
constexpr int FIT = 9 + 81 + 3;
// Of a point in space: its homogeneous coordinates, and the pseudo-inverse.
constexpr int POINT = 4 + 16;

struct Fits {
  const void *points1, *points2;  // (count, n, 2)
  const void* weights;            // (count, n) or null
  int64_t count;
  int n;
  bool doubles;   // else floats
  bool epipolar;  // a fundamental matrix; else a homography
  double gap;     // to the next eigenvalue, below which a vector is not unique
  void* matrices;   // (count, 3, 3)
  uint8_t* valid;   // (count)
  double* saved;    // (count, FIT)
  // Of the adjoint: the gradient of the matrices, and where those of the points and weights go.
  const void* grad;
  void *by_points1, *by_points2, *by_weights;
};

struct Rays {
  const void* projections;  // (count, views, 3, 4)
  const void* points;       // (count, views, n, 2)
  const void* weights;      // (count, views, n) or null
  int64_t count;
  int views, n;
  bool doubles;
  double gap;
  void* out;       // (count, n, 3)
  uint8_t* valid;  // (count, n)
  double* saved;   // (count, n, POINT), or null
  const void* grad;
  void *by_projections, *by_points, *by_weights;
};

// Groups of as many as `eigen.h` says; the adjoint of rays: problems.
#define VISIONOPS_DECLARE(isa)                              \
  namespace isa {                                           \
  void fit_group(const Fits& job, int64_t group);           \
  void fit_group_adjoint(const Fits& job, int64_t group);   \
  void ray_group(const Rays& job, int64_t group);           \
  void ray_adjoint(const Rays& job, int64_t problem);       \
  }
VISIONOPS_DECLARE(baseline)
VISIONOPS_DECLARE(avx2)
VISIONOPS_DECLARE(avx512)
VISIONOPS_DECLARE(avx512vbmi)
#undef VISIONOPS_DECLARE

}  // namespace visionops
