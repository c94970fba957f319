// What becomes of a row of one image and a row of another.
#include <cstdint>
#include <vector>

#include "pair/pair.h"

namespace visionops {
namespace VISIONOPS_ISA {
namespace {

// Calls function(a, b) for each pixel of a row, and writes what it returns.
template <class T, class Out, class Function>
void each(const Pair& pair, int64_t sample, int channel, int64_t row, Out* __restrict out, const Function& function) {
  const Source &one = pair.first[sample], &two = pair.second[sample];
  const T* const a = reinterpret_cast<const T*>(one.address) + channel * one.channel_stride + row * one.row_stride;
  const T* const b = reinterpret_cast<const T*>(two.address) + channel * two.channel_stride + row * two.row_stride;
  if (one.column_stride == 1 && two.column_stride == 1) {
    for (int64_t x = 0; x < one.width; ++x) out[x] = function(a[x], b[x]);
  } else if (one.column_stride == 1 && two.column_stride == 0) {
    const T other = *b;
    for (int64_t x = 0; x < one.width; ++x) out[x] = function(a[x], other);
  } else {
    for (int64_t x = 0; x < one.width; ++x) out[x] = function(a[x * one.column_stride], b[x * two.column_stride]);
  }
}

template <class T>
T* row_of_output(const Pair& pair, int64_t sample, int channel, int64_t row) {
  const Source& one = pair.first[sample];
  return reinterpret_cast<T*>(pair.outputs[sample]) + (channel * one.height + row) * one.width;
}

// Without branches, so that loops become vectors; a NaN stays.
inline float clamp(float x, float low, float high) {
  x = x < low ? low : x;
  return x > high ? high : x;
}

}  // namespace

void blend_row(const Pair& pair, int64_t sample, int channel, int64_t row, const Weights& w, float low, float high) {
  if (pair.dtype == Dtype::float32)
    return each<float>(pair, sample, channel, row, row_of_output<float>(pair, sample, channel, row),
                       [=](float a, float b) { return clamp(a * w.alpha + b * w.beta + w.gamma, low, high); });
  // By way of floats in memory: the compiler makes no vectors of both at once.
  thread_local std::vector<float> line;
  line.resize(pair.first[sample].width);
  each<uint8_t>(pair, sample, channel, row, line.data(), [=](uint8_t a, uint8_t b) {
    return clamp(static_cast<float>(a) * w.alpha + static_cast<float>(b) * w.beta + w.gamma, 0.0f, 255.0f);
  });
  uint8_t* const __restrict out = row_of_output<uint8_t>(pair, sample, channel, row);
  const float* const values = line.data();
  const int64_t width = pair.first[sample].width;
  // Adding 2^23 rounds, half to even; the lowest byte is then the level.
  for (int64_t x = 0; x < width; ++x)
    out[x] = static_cast<uint8_t>(static_cast<int32_t>(values[x] + 8388608.0f));
}

void where_above_row(const Pair& pair, int64_t sample, int channel, int64_t row, const Choice& choice) {
  if (pair.dtype == Dtype::float32)
    return each<float>(pair, sample, channel, row, row_of_output<float>(pair, sample, channel, row),
                       [=](float a, float b) { return a > b - choice.offset ? choice.yes : choice.no; });
  const int16_t offset = static_cast<int16_t>(clamp(choice.offset, -256.0f, 256.0f));
  const uint8_t yes = static_cast<uint8_t>(choice.yes), no = static_cast<uint8_t>(choice.no);
  uint8_t* const out = row_of_output<uint8_t>(pair, sample, channel, row);
  if (offset == 0)
    return each<uint8_t>(pair, sample, channel, row, out, [=](uint8_t a, uint8_t b) { return a > b ? yes : no; });
  each<uint8_t>(pair, sample, channel, row, out,
                [=](uint8_t a, uint8_t b) {
                  return static_cast<int16_t>(a) > static_cast<int16_t>(b - offset) ? yes : no;
                });
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
