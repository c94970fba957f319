// Images as kernels are given them.
#pragma once

#include <cstdint>

namespace visionops {

enum class Dtype : int { uint8 = 0, float32 = 1 };
enum class Border : int { constant = 0, replicate = 1, reflect = 2, circular = 3 };

// A row of the table that `native.describe` makes. Strides are in elements.
struct Source {
  int64_t address, height, width, channel_stride, row_stride, column_stride;
};

}  // namespace visionops
