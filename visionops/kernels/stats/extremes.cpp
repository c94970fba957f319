// The least and the greatest value of a channel.
#include <algorithm>
#include <limits>

#include "common/lanes.h"
#include "stats/stats.h"

namespace visionops {
namespace VISIONOPS_ISA {

void find_extremes(const Source& source, int channel, float* out) {
  constexpr float INFINITE = std::numeric_limits<float>::infinity();
  Floats least = all(INFINITE), greatest = all(-INFINITE), odd = {};
  float low = INFINITE, high = -INFINITE, sum = 0;
  for (int64_t y = 0; y < source.height; ++y) {
    const float* const row =
        reinterpret_cast<const float*>(source.address) + channel * source.channel_stride + y * source.row_stride;
    int64_t x = 0;
    if (source.column_stride == 1)
      for (; x + LANES <= source.width; x += LANES) {
        const Floats values = load(row + x);
        least = at_most(values, least);  // a NaN leaves it
        greatest = at_least(values, greatest);
        odd += values * 0.0f;  // 0, but NaN from the first NaN or infinity on
      }
    for (; x < source.width; ++x) {
      const float value = row[x * source.column_stride];
      low = value < low ? value : low;
      high = value > high ? value : high;
      sum += value * 0.0f;
    }
  }
  for (int i = 0; i < LANES; ++i) {
    low = std::min(low, least[i]);
    high = std::max(high, greatest[i]);
    sum += odd[i];
  }
  out[0] = low;
  out[1] = high;
  if (sum == 0.0f) return;
  // Rare: was it a NaN?
  for (int64_t y = 0; y < source.height; ++y)
    for (int64_t x = 0; x < source.width; ++x) {
      const float value = reinterpret_cast<const float*>(source.address)[channel * source.channel_stride +
                                                                         y * source.row_stride +
                                                                         x * source.column_stride];
      if (value != value) out[0] = out[1] = value;
    }
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
