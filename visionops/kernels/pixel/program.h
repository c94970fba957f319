// The operations of a pixel program on a run of pixels; pixel/definition.py says what each means.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "common/fetch.h"
#include "common/isa.h"
#include "common/lanes.h"
#include "pixel/elementary.h"
#include "pixel/noise.h"
#include "warp/sweep.h"

namespace visionops {
namespace VISIONOPS_ISA {

// Where the colours of a run are: channel c of pixel i is colours[c * stride + i]. Small enough to travel in registers.
struct Tile {
  float* colours;
  int64_t stride;

  float* channel(int c) const { return colours + c * stride; }
};

// What a tile holds. Loops run over `size` pixels, whole vectors.
struct Extent {
  int channels, size;
  int row, column;  // of the first pixel
};

// As torch.clamp: a NaN stays.
inline float clamp(float x, float low, float high) {
  x = x < low ? low : x;
  return x > high ? high : x;
}

// The steps that images meet most read from one tile and write to another, or the same one: the first of a pass may
// read the image itself and the last may write it, without a copy in between.
// Channels with a function of each channel's own. Three planes are read before any is written: planes of images often
// lie a multiple of 4096 bytes apart, where a load waits for a store before it, as if they met.
template <class Function>
void each_channel(const Extent& extent, Tile from, Tile to, Function function) {
  if (extent.channels == 3) {
    const float *r = from.channel(0), *g = from.channel(1), *b = from.channel(2);
    float *red = to.channel(0), *green = to.channel(1), *blue = to.channel(2);
    for (int i = 0; i < extent.size; i += LANES) {
      const Floats x = function(0, load(r + i)), y = function(1, load(g + i)), z = function(2, load(b + i));
      store(x, red + i);
      store(y, green + i);
      store(z, blue + i);
    }
    return;
  }
  for (int c = 0; c < extent.channels; ++c)
    for (int i = 0; i < extent.size; i += LANES) store(function(c, load(from.channel(c) + i)), to.channel(c) + i);
}

inline void move(const Extent& extent, Tile from, Tile to) {
  if (from.colours != to.colours) each_channel(extent, from, to, [](int, Floats x) { return x; });
}

// As SCALE, of which CONTRAST is one too.
inline void scale(const Extent& extent, Tile from, Tile to, const float* factors, const float* shifts, float low,
                  float high) {
  const Floats lowest = all(low), highest = all(high);
  if (low == -INFINITY && high == INFINITY)
    each_channel(extent, from, to, [=](int c, Floats x) { return x * factors[c] + shifts[c]; });
  else
    each_channel(extent, from, to, [=](int c, Floats x) { return clamp(x * factors[c] + shifts[c], lowest, highest); });
}

inline void matrix(const Extent& extent, Tile from, Tile to, const float* m) {
  const float *r = from.channel(0), *g = from.channel(1), *b = from.channel(2);
  float* const out[3] = {to.channel(0), to.channel(1), to.channel(2)};
  Floats rows[12];
  for (int k = 0; k < 12; ++k) rows[k] = all(m[k]);
  const Floats low = all(m[12]), high = all(m[13]);
  for (int i = 0; i < extent.size; i += LANES) {
    const Floats x = load(r + i), y = load(g + i), z = load(b + i);
    for (int c = 0; c < 3; ++c) {
      const Floats* const row = rows + 4 * c;
      store(clamp(row[0] * x + (row[1] * y + (row[2] * z + row[3])), low, high), out[c] + i);
    }
  }
}

// With v the largest channel, c the chroma and s the sextant, a channel becomes v - c max(0, min(1, 2 - d)), where d
// is the distance of s + 6 turns + n - 2 (n = 5, 3, 1) from a multiple of six. All of it is multiplied by c, which
// leaves no division.
inline void hue(const Extent& extent, Tile from, Tile to, float turns) {
  const float *r = from.channel(0), *g = from.channel(1), *b = from.channel(2);
  float* const out[3] = {to.channel(0), to.channel(1), to.channel(2)};
  const float turned = 6.0f * (turns - std::floor(turns));
  float shift[3];  // in [-3, 3), so that with s in [-1, 5] the multiples that can be near are 0 and 6
  for (int c = 0; c < 3; ++c) {
    shift[c] = turned + static_cast<float>(3 - 2 * c);
    shift[c] -= shift[c] >= 3.0f ? 6.0f : 0.0f;
  }
  for (int i = 0; i < extent.size; i += LANES) {
    const Floats x = load(r + i), y = load(g + i), z = load(b + i);
    const Floats value = at_least(at_least(x, y), z), chroma = value - at_most(at_most(x, y), z);
    Floats sextant = (x - y) + 4.0f * chroma;
    sextant = where_equal(value, y, (z - x) + 2.0f * chroma, sextant);
    sextant = where_equal(value, x, y - z, sextant);
    const Floats twice = chroma + chroma;
    for (int c = 0; c < 3; ++c) {
      const Floats distance = least_magnitude(sextant + shift[c] * chroma, sextant + (shift[c] - 6.0f) * chroma);
      store(value - clamp(twice - distance, Floats{}, chroma), out[c] + i);
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

inline void add_noise(const Extent& extent, Tile tile, const float* p) {
  alignas(64) float normals[4][RUN];
  const uint32_t key0 = static_cast<uint32_t>(p[1]), key1 = static_cast<uint32_t>(p[2]);
  const float sigma = p[0], low = p[3], high = p[4];
  for (int c = 0; c < extent.channels; ++c) {
    if (c % 4 == 0) normal_run(extent.column, extent.row, c / 4, key0, key1, normals);
    float* __restrict x = tile.channel(c);
    const float* __restrict normal = normals[c % 4];
    for (int i = 0; i < RUN; ++i) x[i] = clamp(x[i] + sigma * normal[i], low, high);
  }
}

// Whether a step reads one tile and writes another.
inline bool streams(Op op) { return op == Op::scale || op == Op::matrix || op == Op::hue; }

// Runs one step that streams.
inline void stream_step(const Extent& extent, Tile from, Tile to, Op op, const float* p) {
  if (op == Op::matrix) return matrix(extent, from, to, p);
  if (op == Op::hue) return hue(extent, from, to, p[0]);
  scale(extent, from, to, p, p + extent.channels, p[2 * extent.channels], p[2 * extent.channels + 1]);
}

// Returns the parameters of a SCALE that does what a contrast does to an image of this mean.
inline std::vector<float> contrast_as_scale(float factor, float mean, int channels) {
  std::vector<float> p(2 * channels + 2);
  std::fill(p.begin(), p.begin() + channels, factor);
  std::fill(p.begin() + channels, p.end(), (1.0f - factor) * mean);
  p[2 * channels] = 0;
  p[2 * channels + 1] = 1;
  return p;
}

// Runs one of the others.
inline void run_step(const Extent& extent, Tile tile, Op op, const float* p) {
  if (op == Op::noise) return add_noise(extent, tile, p);
  for (int c = 0; c < extent.channels; ++c) {
    float* const x = tile.channel(c);
    if (op == Op::gamma) gamma(x, p[0], p[1]);
    if (op == Op::lut) look_up(x, p);
    if (op == Op::solarize) solarize(x, p[0]);
    if (op == Op::erase && static_cast<float>(extent.row) >= p[1] && static_cast<float>(extent.row) < p[3])
      erase(x, extent.column, p[0], p[2], p[4 + c]);
  }
}

// Moves a tile and returns the sum over its first `count` pixels, lane by lane, of the luma (three channels) or of the
// mean of the channels.
inline Floats move_and_sum(const Extent& extent, Tile from, Tile to, int count) {
  move(extent, from, to);
  Floats sum = {};
  for (int i = 0; i < extent.size; i += LANES) {
    Floats grey = {};
    if (extent.channels == 3) {
      const Floats red = load(from.channel(0) + i), green = load(from.channel(1) + i), blue = load(from.channel(2) + i);
      grey = red * 0.299f + green * 0.587f + blue * 0.114f;
    } else {
      for (int c = 0; c < extent.channels; ++c) grey += load(from.channel(c) + i);
      grey *= 1.0f / static_cast<float>(extent.channels);
    }
    for (int j = count - i; j < LANES; ++j) grey[j] = 0;
    sum += grey;
  }
  return sum;
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
