// Minimal problems of two views and all real roots of polynomials, a problem at a time, in double precision. What they
// compute is said in `visionops.geometry.epipolar` and `visionops.geometry.polynomials`.
#pragma once

#include <cstdint>

namespace visionops {

// Numbers of a slot: a matrix by rows, and what it is worth.
constexpr int SLOT = 10;
constexpr int SEVEN_SLOTS = 3, FIVE_SLOTS = 10;
// No matrix; one that is not isolated; one that is.
enum Worth { NOTHING = 0, DOUBLE = 1, SINGLE = 2 };

struct Matches {
  const void *points1, *points2;  // (count, n, dims)
  int64_t count;
  int dims;      // 2, or 3 for rays
  bool doubles;  // else floats
  void* slots;   // (count, slots, SLOT), written forward and read by the adjoint
  // Of the adjoint: the gradient of the slots, and where those of the points go.
  const void* grad;
  void *by_points1, *by_points2;
};

struct Polynomials {
  const double* coefficients;  // (count, n), that of 1 first
  int64_t count;
  int n;
  double* pairs;   // (count, n - 1, 2): (u, v) of roots u / v
  uint8_t* found;  // (count, n - 1)
};

constexpr int LARGEST_DEGREE = 16;

// Problems [begin, end).
#define VISIONOPS_DECLARE(isa)                                                            \
  namespace isa {                                                                         \
  void seven_point(const Matches& job, int64_t begin, int64_t end);                       \
  void seven_point_adjoint(const Matches& job, int64_t begin, int64_t end);               \
  void five_point(const Matches& job, int64_t begin, int64_t end);                        \
  void five_point_adjoint(const Matches& job, int64_t begin, int64_t end);                \
  void real_roots(const Polynomials& job, int64_t begin, int64_t end);                    \
  }
VISIONOPS_DECLARE(baseline)
VISIONOPS_DECLARE(avx2)
VISIONOPS_DECLARE(avx512)
VISIONOPS_DECLARE(avx512vbmi)
#undef VISIONOPS_DECLARE

}  // namespace visionops
