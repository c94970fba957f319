// Indices brought into an image, as a border asks.
#pragma once

#include <algorithm>
#include <cstdint>

#include "common/source.h"

namespace visionops {
namespace VISIONOPS_ISA {

// Returns an index brought into [0, n): as `fold` of definition.py.
inline int32_t fold(int32_t i, int32_t n, Border border) {
  if (border == Border::circular) {
    const int32_t r = i % n;
    return r < 0 ? r + n : r;
  }
  if (border == Border::reflect) {
    const int32_t period = std::max(2 * n - 2, 1);
    int32_t r = i % period;
    r = r < 0 ? r + period : r;
    return std::min(std::min(r, period - r), n - 1);
  }
  return i < 0 ? 0 : i < n ? i : n - 1;
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
