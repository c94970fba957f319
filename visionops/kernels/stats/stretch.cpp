// A channel stretched so that its extremes become two given values, and the adjoint of that.
#include <algorithm>
#include <vector>

#include "common/lanes.h"
#include "stats/stats.h"

namespace visionops {
namespace VISIONOPS_ISA {
namespace {

// A row of a channel: in place where its pixels lie side by side, else in a copy.
class Rows {
 public:
  Rows(const Source& source, int channel)
      : source_(source), first_(reinterpret_cast<const float*>(source.address) + channel * source.channel_stride) {}

  const float* at(int64_t y) {
    const float* const row = first_ + y * source_.row_stride;
    if (source_.column_stride == 1) return row;
    copy_.resize(source_.width);
    for (int64_t x = 0; x < source_.width; ++x) copy_[x] = row[x * source_.column_stride];
    return copy_.data();
  }

 private:
  const Source& source_;
  const float* const first_;
  std::vector<float> copy_;
};

template <class Lanes>
double total(Lanes lanes) {
  double sum = 0;
  for (int i = 0; i < LANES; ++i) sum += static_cast<double>(lanes[i]);
  return sum;
}

// What a channel is multiplied by; 0 of a flat one.
float factor(const float* ends, float low, float high) {
  return ends[1] > ends[0] ? (high - low) / (ends[1] - ends[0]) : 0.0f;
}

}  // namespace

void stretch_plane(const Source& source, int channel, float low, float high, float* out) {
  float ends[2];
  find_extremes(source, channel, ends);
  const float scale = factor(ends, low, high), shift = low - ends[0] * scale;
  const float least = std::min(low, high), most = std::max(low, high);
  Rows rows(source, channel);
  for (int64_t y = 0; y < source.height; ++y) {
    const float* const from = rows.at(y);
    float* __restrict const to = out + y * source.width;
    for (int64_t x = 0; x < source.width; ++x) {
      float value = from[x] * scale + shift;
      value = value < least ? least : value;
      to[x] = value > most ? most : value;
    }
  }
}

// The result is s (x - least) + low with s = (high - low) / (greatest - least). With G the sum of the gradients g and M
// that of s g (x - least) / (greatest - least), x gets s g, the least pixels share M - s G, the greatest -M.
void stretch_adjoint_plane(const Source& grad, const Source& source, int channel, float low, float high, float* out) {
  float ends[2];
  find_extremes(source, channel, ends);
  const float scale = factor(ends, low, high), least = ends[0], greatest = ends[1];
  const int64_t width = source.width;
  Rows grads(grad, channel), rows(source, channel);
  double sum = 0, moment = 0, lows = 0, highs = 0;
  for (int64_t y = 0; y < source.height; ++y) {
    const float *const g = grads.at(y), *const x = rows.at(y);
    Floats by_shift = {}, by_scale = {};
    Integers low_ones = {}, high_ones = {};
    int64_t i = 0;
    for (; i + LANES <= width; i += LANES) {
      const Floats down = load(g + i), at = load(x + i);
      by_shift += down;
      by_scale += down * (at - least);
      low_ones -= at == least;
      high_ones -= at == greatest;
    }
    sum += total(by_shift), moment += total(by_scale), lows += total(low_ones), highs += total(high_ones);
    for (; i < width; ++i) {
      sum += g[i], moment += g[i] * (x[i] - least);
      lows += x[i] == least, highs += x[i] == greatest;
    }
  }
  moment *= scale == 0.0f ? 0.0 : scale / (double{greatest} - least);
  const float to_least = static_cast<float>((moment - scale * sum) / std::max(lows, 1.0));
  const float to_greatest = static_cast<float>(-moment / std::max(highs, 1.0));
  for (int64_t y = 0; y < source.height; ++y) {
    const float *const g = grads.at(y), *const x = rows.at(y);
    float* __restrict const to = out + y * width;
    for (int64_t i = 0; i < width; ++i)
      to[i] = g[i] * scale + (x[i] == least ? to_least : 0.0f) + (x[i] == greatest ? to_greatest : 0.0f);
  }
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
