// Sources as the samplers see them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "common/border.h"
#include "warp/sweep.h"

namespace visionops {
namespace VISIONOPS_ISA {

// A source as the samplers see it. A part of a (reduced) image may stand for it: rows from `top`, columns from `left`.
template <class T>
struct View {
  const T* data;
  int height, width;
  int top, left;
  int64_t channel_stride, row_stride, column_stride;
  float unit;  // what a 1 in memory is worth

  int32_t offset(int32_t x, int32_t y) const {
    return (y - top) * static_cast<int32_t>(row_stride) + (x - left) * static_cast<int32_t>(column_stride);
  }
};

template <class T>
View<T> view_of(const Source& source) {
  return {reinterpret_cast<const T*>(source.address), static_cast<int>(source.height), static_cast<int>(source.width),
          0, 0, source.channel_stride, source.row_stride, source.column_stride,
          std::is_same_v<T, uint8_t> ? 1.0f / 255 : 1.0f};
}

// A tap of weight zero is not read: it may be a NaN or infinite.
inline float weigh(float weight, float value) { return weight != 0 ? weight * value : 0.0f; }

}  // namespace VISIONOPS_ISA
}  // namespace visionops
