// Eigenvalues and eigenvectors of small symmetric matrices, several side by side.
#pragma once

#include <cstdint>

namespace visionops {

// Matrices in one group: a register of the widest instruction set holds a number of each.
constexpr int GROUP = 8;
constexpr int LARGEST_MATRIX = 16;

struct Eigen {
  const double* matrices;  // (count, n, n)
  int64_t count;
  int n;
  double* values;   // (count, n), ascending
  double* vectors;  // (count, n, n), columns
};

// The eigenvector of the least eigenvalue alone, and the pseudo-inverse of M - lambda I.
struct Least {
  const double* matrices;  // (count, n, n)
  int64_t count;
  int n;
  double gap;         // to the next eigenvalue, of the norm of M, below which the vector is not unique
  double* vectors;    // (count, n), the largest component positive
  double* inverses;   // (count, n, n), 0 where not unique
  uint8_t* unique;    // (count)
};

#define VISIONOPS_DECLARE(isa)                        \
  namespace isa {                                     \
  void eigen_group(const Eigen& job, int64_t group);  \
  void least_group(const Least& job, int64_t group);  \
  }
VISIONOPS_DECLARE(baseline)
VISIONOPS_DECLARE(avx2)
VISIONOPS_DECLARE(avx512)
VISIONOPS_DECLARE(avx512vbmi)
#undef VISIONOPS_DECLARE

}  // namespace visionops
