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

#define VISIONOPS_DECLARE(isa)                        \
  namespace isa {                                     \
  void eigen_group(const Eigen& job, int64_t group);  \
  }
VISIONOPS_DECLARE(baseline)
VISIONOPS_DECLARE(avx2)
VISIONOPS_DECLARE(avx512)
VISIONOPS_DECLARE(avx512vbmi)
#undef VISIONOPS_DECLARE

}  // namespace visionops
