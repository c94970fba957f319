// The operations of a pixel program on a run of pixels; pixel/definition.py says what each means.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "common/fetch.h"
#include "common/isa.h"
#include "common/lanes.h"
#include "pixel/elementary.h"
#include "pixel/noise.h"
#include "warp/sweep.h"

namespace visionops {
namespace VISIONOPS_ISA {

// Colours of a run: channel c of pixel i is colours[c * stride + i]. Loops run over `size` of them, whole vectors.
struct Tile {
  float* colours;
  int64_t stride;
  int channels, size;
  int row, column;  // of the first pixel

  float* channel(int c) const { return colours + c * stride; }
};

// As torch.clamp: a NaN stays.
inline float clamp(float x, float low, float high) {
  x = x < low ? low : x;
  return x > high ? high : x;
}

// The steps that images meet most read from one tile and write to another, or the same one: the first of a pass may
// read the image itself and the last may write it, without a copy in between.
inline void move(const Tile& from, const Tile& to) {
  if (from.colours == to.colours) return;
  for (int c = 0; c < from.channels; ++c)
    for (int i = 0; i < from.size; i += LANES) store(load(from.channel(c) + i), to.channel(c) + i);
}

inline void scale(const float* from, float* to, int size, float factor, float shift, float low, float high) {
  if (low == -INFINITY && high == INFINITY)
    for (int i = 0; i < size; i += LANES) store(load(from + i) * factor + shift, to + i);
  else
    for (int i = 0; i < size; i += LANES)
      store(clamp(load(from + i) * factor + shift, all(low), all(high)), to + i);
}

inline void matrix(const Tile& from, const Tile& to, const float* m) {
  const float *r = from.channel(0), *g = from.channel(1), *b = from.channel(2);
  Floats rows[12];
  for (int k = 0; k < 12; ++k) rows[k] = all(m[k]);
  const Floats low = all(m[12]), high = all(m[13]);
  for (int i = 0; i < from.size; i += LANES) {
    const Floats x = load(r + i), y = load(g + i), z = load(b + i);
    for (int c = 0; c < 3; ++c) {
      const Floats* const row = rows + 4 * c;
      store(clamp(row[0] * x + (row[1] * y + (row[2] * z + row[3])), low, high), to.channel(c) + i);
    }
  }
}

// With v the largest channel, c the chroma and s the sextant, a channel becomes v - c max(0, min(1, 2 - d)), where d
// is the distance of s + 6 turns + n - 2 (n = 5, 3, 1) from a multiple of six. All of it is multiplied by c, which
// leaves no division.
inline void hue(const Tile& from, const Tile& to, float turns) {
  const float *r = from.channel(0), *g = from.channel(1), *b = from.channel(2);
  const float turned = 6.0f * (turns - std::floor(turns));
  float shift[3];  // in [-3, 3), so that with s in [-1, 5] the multiples that can be near are 0 and 6
  for (int c = 0; c < 3; ++c) {
    shift[c] = turned + static_cast<float>(3 - 2 * c);
    shift[c] -= shift[c] >= 3.0f ? 6.0f : 0.0f;
  }
  for (int i = 0; i < from.size; i += LANES) {
    const Floats x = load(r + i), y = load(g + i), z = load(b + i);
    const Floats value = at_least(at_least(x, y), z), chroma = value - at_most(at_most(x, y), z);
    Floats sextant = (x - y) + 4.0f * chroma;
    sextant = where_equal(value, y, (z - x) + 2.0f * chroma, sextant);
    sextant = where_equal(value, x, y - z, sextant);
    const Floats twice = chroma + chroma;
    for (int c = 0; c < 3; ++c) {
      const Floats distance = least_magnitude(sextant + shift[c] * chroma, sextant + (shift[c] - 6.0f) * chroma);
      store(value - clamp(twice - distance, Floats{}, chroma), to.channel(c) + i);
    }
  }
}

// The rest run in place, on all of a run's RUN pixels.
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

// Whether a step reads one tile and writes another.
inline bool streams(Op op) { return op == Op::scale || op == Op::matrix || op == Op::contrast || op == Op::hue; }

// Runs one step that streams; `mean` is that of the image before a contrast.
inline void stream_step(const Tile& from, const Tile& to, Op op, const float* p, float mean) {
  const int channels = from.channels, size = from.size;
  if (op == Op::matrix) return matrix(from, to, p);
  if (op == Op::hue) return hue(from, to, p[0]);
  for (int c = 0; c < channels; ++c)
    if (op == Op::contrast)
      scale(from.channel(c), to.channel(c), size, p[0], (1.0f - p[0]) * mean, 0.0f, 1.0f);
    else
      scale(from.channel(c), to.channel(c), size, p[c], p[channels + c], p[2 * channels], p[2 * channels + 1]);
}

// Runs one of the others.
inline void run_step(const Tile& tile, Op op, const float* p) {
  if (op == Op::noise) return add_noise(tile, p);
  for (int c = 0; c < tile.channels; ++c) {
    float* const x = tile.channel(c);
    if (op == Op::gamma) gamma(x, p[0], p[1]);
    if (op == Op::lut) look_up(x, p);
    if (op == Op::solarize) solarize(x, p[0]);
    if (op == Op::erase && static_cast<float>(tile.row) >= p[1] && static_cast<float>(tile.row) < p[3])
      erase(x, tile.column, p[0], p[2], p[4 + c]);
  }
}

// Moves a tile and returns the sum over its first `count` pixels, lane by lane, of the luma (three channels) or of the
// mean of the channels.
inline Floats move_and_sum(const Tile& from, const Tile& to, int count) {
  constexpr float luma[3] = {0.299f, 0.587f, 0.114f};
  const float equal = 1.0f / static_cast<float>(from.channels);
  Floats sum = {};
  for (int i = 0; i < from.size; i += LANES) {
    Floats grey = {};
    for (int c = 0; c < from.channels; ++c) {
      const Floats x = load(from.channel(c) + i);
      store(x, to.channel(c) + i);
      grey += x * (from.channels == 3 ? luma[c] : equal);
    }
    for (int j = count - i; j < LANES; ++j) grey[j] = 0;
    sum += grey;
  }
  return sum;
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
