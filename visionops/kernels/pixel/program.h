// The operations of a pixel program on a run of pixels; pixel/definition.py says what each means.
#pragma once

#include <cmath>
#include <cstdint>

#include "common/fetch.h"
#include "common/isa.h"
#include "common/lanes.h"
#include "pixel/elementary.h"
#include "pixel/noise.h"
#include "warp/sweep.h"

namespace visionops {
namespace VISIONOPS_ISA {

// Colours of a run: channel c of pixel i is colours[c * RUN + i]. Loops run over RUN of them.
struct Tile {
  float* colours;
  int channels;
  int row, column;  // of the first pixel

  float* channel(int c) const { return colours + c * RUN; }
};

// As torch.clamp: a NaN stays.
inline float clamp(float x, float low, float high) {
  x = x < low ? low : x;
  return x > high ? high : x;
}

inline void scale(float* __restrict x, float factor, float shift, float low, float high) {
  for (int i = 0; i < RUN; ++i) x[i] = clamp(x[i] * factor + shift, low, high);
}

inline void matrix(float* __restrict r, float* __restrict g, float* __restrict b, const float* m) {
  const float m00 = m[0], m01 = m[1], m02 = m[2], m03 = m[3], m10 = m[4], m11 = m[5], m12 = m[6], m13 = m[7],
              m20 = m[8], m21 = m[9], m22 = m[10], m23 = m[11], low = m[12], high = m[13];
  for (int i = 0; i < RUN; ++i) {
    const float x = r[i], y = g[i], z = b[i];
    r[i] = clamp(m00 * x + m01 * y + m02 * z + m03, low, high);
    g[i] = clamp(m10 * x + m11 * y + m12 * z + m13, low, high);
    b[i] = clamp(m20 * x + m21 * y + m22 * z + m23, low, high);
  }
}

inline void hue(float* __restrict r, float* __restrict g, float* __restrict b, float turns) {
  // In [0, 6), so that k below is not negative and its whole part is its floor.
  const float shift = 6.0f * (turns - std::floor(turns));
  for (int i = 0; i < RUN; ++i) {
    const float x = r[i], y = g[i], z = b[i];
    float value = x > y ? x : y;
    value = value > z ? value : z;
    float low = x < y ? x : y;
    low = low < z ? low : z;
    const float chroma = value - low;
    const float inverse = 1.0f / (chroma > 0 ? chroma : 1.0f);
    const float from_blue = 4.0f + (x - y) * inverse, from_green = 2.0f + (z - x) * inverse;
    const float sextant = value == x ? (y - z) * inverse : value == y ? from_green : from_blue;
    const float turned = sextant + shift;
    auto back = [=](float offset) {
      float k = turned + offset;
      k -= 6.0f * static_cast<float>(static_cast<int32_t>(k * (1 / 6.0f)));
      k = k < 4.0f - k ? k : 4.0f - k;
      return value - chroma * clamp(k, 0.0f, 1.0f);
    };
    r[i] = back(5.0f);
    g[i] = back(3.0f);
    b[i] = back(1.0f);
  }
}

inline void gamma(float* __restrict x, float exponent, float gain) {
  for (int i = 0; i < RUN; ++i) {
    const bool positive = x[i] > 0;
    const float raised = power(positive ? x[i] : 1.0f, exponent);
    x[i] = clamp(gain * (positive ? raised : 0.0f), 0.0f, 1.0f);
  }
}

inline void look_up(float* __restrict x, const float* table) {
  alignas(64) int32_t index[RUN];
  for (int i = 0; i < RUN; ++i) {
    float at = x[i] > 0 ? x[i] : 0;  // not clamp(): a NaN must not become an index
    at = at < 1 ? at : 1;
    index[i] = static_cast<int32_t>(round_even(at * 255.0f));
  }
  fetch(table, index, x);
}

inline void solarize(float* __restrict x, float threshold) {
  for (int i = 0; i < RUN; ++i) x[i] = x[i] >= threshold ? 1.0f - x[i] : x[i];
}

inline void erase(float* __restrict x, int column, float begin, float end, float value) {
  for (int i = 0; i < RUN; ++i) {
    const float at = static_cast<float>(column + i);
    x[i] = at >= begin && at < end ? value : x[i];
  }
}

inline void add_noise(const Tile& tile, const float* p) {
  alignas(64) float normals[4][RUN];
  const uint32_t key0 = static_cast<uint32_t>(p[1]), key1 = static_cast<uint32_t>(p[2]);
  const float sigma = p[0], low = p[3], high = p[4];
  for (int c = 0; c < tile.channels; ++c) {
    if (c % 4 == 0) normal_run(tile.column, tile.row, c / 4, key0, key1, normals);
    float* __restrict x = tile.channel(c);
    const float* __restrict normal = normals[c % 4];
    for (int i = 0; i < RUN; ++i) x[i] = clamp(x[i] + sigma * normal[i], low, high);
  }
}

// Runs one step; `mean` is that of the image before a contrast.
inline void run_step(const Tile& tile, Op op, const float* p, float mean) {
  const int channels = tile.channels;
  switch (op) {
    case Op::none: return;
    case Op::scale:
      for (int c = 0; c < channels; ++c)
        scale(tile.channel(c), p[c], p[channels + c], p[2 * channels], p[2 * channels + 1]);
      return;
    case Op::matrix: return matrix(tile.channel(0), tile.channel(1), tile.channel(2), p);
    case Op::contrast:
      for (int c = 0; c < channels; ++c) scale(tile.channel(c), p[0], (1.0f - p[0]) * mean, 0.0f, 1.0f);
      return;
    case Op::hue: return hue(tile.channel(0), tile.channel(1), tile.channel(2), p[0]);
    case Op::gamma:
      for (int c = 0; c < channels; ++c) gamma(tile.channel(c), p[0], p[1]);
      return;
    case Op::lut:
      for (int c = 0; c < channels; ++c) look_up(tile.channel(c), p);
      return;
    case Op::solarize:
      for (int c = 0; c < channels; ++c) solarize(tile.channel(c), p[0]);
      return;
    case Op::noise: return add_noise(tile, p);
    case Op::erase:
      if (static_cast<float>(tile.row) >= p[1] && static_cast<float>(tile.row) < p[3])
        for (int c = 0; c < channels; ++c) erase(tile.channel(c), tile.column, p[0], p[2], p[4 + c]);
      return;
  }
}

// Returns the sum of value(i) for i < count, a vector at a time: the compiler may not reorder additions.
template <class Value>
float sum_of(int count, Value value) {
  alignas(64) float values[RUN];
  for (int i = 0; i < RUN; ++i) {
    const float x = value(i);
    values[i] = i < count ? x : 0.0f;
  }
  Floats sums = {};
  for (int i = 0; i < RUN; i += LANES) sums += load(values + i);
  float sum = 0;
  for (int j = 0; j < LANES; ++j) sum += sums[j];
  return sum;
}

// Returns the sum over the first `count` pixels of the luma (three channels) or of the mean of the channels.
inline double sum_luma(const Tile& tile, int count) {
  if (tile.channels == 3) {
    const float *r = tile.channel(0), *g = tile.channel(1), *b = tile.channel(2);
    return sum_of(count, [=](int i) { return 0.299f * r[i] + 0.587f * g[i] + 0.114f * b[i]; });
  }
  double sum = 0;
  for (int c = 0; c < tile.channels; ++c) {
    const float* const x = tile.channel(c);
    sum += sum_of(count, [=](int i) { return x[i]; });
  }
  return sum / tile.channels;
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
