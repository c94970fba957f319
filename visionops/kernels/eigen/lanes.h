// A number of each matrix of a group, as one value.
#pragma once

#include <cmath>

#include "eigen/eigen.h"

namespace visionops {
namespace VISIONOPS_ISA {

typedef double Lanes __attribute__((vector_size(GROUP * sizeof(double))));

inline void root(Lanes& x) {
  for (int l = 0; l < GROUP; ++l) x[l] = std::sqrt(x[l]);
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
