// The adjoints of a pixel program's operations on a run of pixels: from the gradient of what comes out, that of what
// went in and of the parameters. At clamps, ties and kinks they follow torch's autograd of pixel/definition.py.
#pragma once

#include "pixel/program.h"

namespace visionops {
namespace VISIONOPS_ISA {

// Lanes that add up to the gradients of an operation's parameters; null: not wanted.
struct Sums {
  float* lanes;

  explicit operator bool() const { return lanes; }
  void add(int parameter, Floats x) const { store(load(lanes + parameter * LANES) + x, lanes + parameter * LANES); }
};

inline Floats select(Integers condition, Floats yes, Floats no) { return condition ? yes : no; }

// Passes a gradient through clamp(u, low, high), and adds what the bounds get.
inline Floats through_clamp(Floats g, Floats u, Floats low, Floats high, const Sums& sums, int place) {
  if (sums) {
    sums.add(place, select(u < low, g, Floats{}));
    sums.add(place + 1, select(u > high, g, Floats{}));
  }
  return select((u >= low) & (u <= high), g, Floats{});
}

// `in` is what the operation read; the gradient is changed in place.
inline void scale_adjoint(const Extent& extent, Tile in, Tile gradient, const float* factors, const float* shifts,
                          float low, float high, const Sums& sums) {
  const int channels = extent.channels;
  const Floats lowest = all(low), highest = all(high);
  for (int c = 0; c < channels; ++c) {
    const float* const x = in.channel(c);
    float* const g = gradient.channel(c);
    Floats by_factor = {}, by_shift = {};
    for (int i = 0; i < extent.size; i += LANES) {
      const Floats at = load(x + i);
      const Floats inner =
          through_clamp(load(g + i), at * factors[c] + shifts[c], lowest, highest, sums, 2 * channels);
      by_factor += inner * at;
      by_shift += inner;
      store(inner * factors[c], g + i);
    }
    if (sums) sums.add(c, by_factor), sums.add(channels + c, by_shift);
  }
}

inline void matrix_adjoint(const Extent& extent, Tile in, Tile gradient, const float* m, const Sums& sums) {
  const Floats low = all(m[12]), high = all(m[13]);
  for (int i = 0; i < extent.size; i += LANES) {
    const Floats x[3] = {load(in.channel(0) + i), load(in.channel(1) + i), load(in.channel(2) + i)};
    Floats back[3] = {};
    for (int c = 0; c < 3; ++c) {
      const float* const row = m + 4 * c;
      const Floats u = row[0] * x[0] + (row[1] * x[1] + (row[2] * x[2] + row[3]));
      const Floats g = through_clamp(load(gradient.channel(c) + i), u, low, high, sums, 12);
      for (int j = 0; j < 3; ++j) back[j] += row[j] * g;
      if (sums) {
        for (int j = 0; j < 3; ++j) sums.add(4 * c + j, g * x[j]);
        sums.add(4 * c + 3, g);
      }
    }
    for (int j = 0; j < 3; ++j) store(back[j], gradient.channel(j) + i);
  }
}

// The derivative of max(a, b) by a: halves where they are equal.
inline Floats share_of_larger(Floats a, Floats b) {
  return select(a > b, all(1.0f), select(a == b, all(0.5f), Floats{}));
}

// As `hue`: a channel is v - c t(k), with t = clamp(min(k, 4 - k), 0, 1) and k = (n + s + 6 turns) mod 6.
inline void hue_adjoint(const Extent& extent, Tile in, Tile gradient, float turns, const Sums& sums) {
  const float turned = 6.0f * (turns - std::floor(turns));
  for (int i = 0; i < extent.size; i += LANES) {
    const Floats r = load(in.channel(0) + i), g = load(in.channel(1) + i), b = load(in.channel(2) + i);
    const Floats rg = at_least(r, g), least_rg = at_most(r, g);
    const Floats value = at_least(rg, b), low = at_most(least_rg, b), chroma = value - low;
    const Floats inverse = select(chroma > 0, 1.0f / select(chroma > 0, chroma, all(1.0f)), all(1.0f));
    const Integers is_r = value == r, is_g = value == g;
    const Floats part = select(is_r, g - b, select(is_g, b - r, r - g)) * inverse;  // the sextant without its start
    const Floats sextant = part + select(is_r, Floats{}, select(is_g, all(2.0f), all(4.0f)));
    Floats by_value = {}, by_chroma = {}, by_sextant = {};
    for (int c = 0; c < 3; ++c) {
      const Floats out = load(gradient.channel(c) + i);
      Floats k = sextant + (turned + static_cast<float>(5 - 2 * c));
      k -= 6.0f * floor_of(k * (1 / 6.0f));
      const Floats rising = k, falling = 4.0f - k, nearer = at_most(rising, falling);
      const Floats t = clamp(nearer, Floats{}, all(1.0f));
      by_value += out;
      by_chroma -= out * t;
      const Floats slope = select(rising < falling, all(1.0f), select(rising == falling, Floats{}, all(-1.0f)));
      by_sextant -= select((nearer >= 0.0f) & (nearer <= 1.0f), out * chroma * slope, Floats{});
    }
    if (sums) sums.add(0, 6.0f * by_sextant);
    const Floats by_difference = by_sextant * inverse;
    by_chroma -= select(chroma > 0, by_difference * part, Floats{});
    by_value += by_chroma;
    // value = max(max(r, g), b) and low = min(min(r, g), b), which takes -by_chroma.
    const Floats high_rg = share_of_larger(rg, b), high_r = share_of_larger(r, g);
    const Floats low_rg = share_of_larger(b, least_rg), low_r = share_of_larger(g, r);
    Floats to_r = by_value * high_rg * high_r - by_chroma * low_rg * low_r;
    Floats to_g = by_value * high_rg * (1.0f - high_r) - by_chroma * low_rg * (1.0f - low_r);
    Floats to_b = by_value * (1.0f - high_rg) - by_chroma * (1.0f - low_rg);
    const Floats none = {};
    to_r += select(is_r, none, select(is_g, -by_difference, by_difference));
    to_g += select(is_r, by_difference, select(is_g, none, -by_difference));
    to_b += select(is_r, -by_difference, select(is_g, by_difference, none));
    store(to_r, gradient.channel(0) + i);
    store(to_g, gradient.channel(1) + i);
    store(to_b, gradient.channel(2) + i);
  }
}

// A clamp over [0, 1] of gain x^exponent. At 0 the subgradient is 0, in x and in the exponent.
inline void gamma_adjoint(const float* __restrict x, float* __restrict g, float exponent, float gain,
                          const Sums& sums) {
  alignas(64) float by_exponent[RUN], by_gain[RUN];
  for (int i = 0; i < RUN; ++i) {
    const bool positive = x[i] > 0;
    const float safe = positive ? x[i] : 1.0f, raised = positive ? power(safe, exponent) : 0.0f, u = gain * raised;
    const float inner = u >= 0.0f && u <= 1.0f ? g[i] : 0.0f;
    by_gain[i] = inner * raised;
    by_exponent[i] = inner * u * log_of(safe);
    g[i] = inner * exponent * u / safe;
  }
  if (!sums) return;
  for (int i = 0; i < RUN; i += LANES) sums.add(0, load(by_exponent + i)), sums.add(1, load(by_gain + i));
}

// The table gets what its entries were read for; what was looked up gets nothing.
inline void look_up_adjoint(const float* x, float* g, const Sums& sums) {
  for (int i = 0; i < RUN; ++i) {
    if (sums) {
      float at = x[i] > 0 ? x[i] : 0;
      at = at < 1 ? at : 1;
      sums.lanes[static_cast<int>(round_even(at * 255.0f)) * LANES] += g[i];
    }
    g[i] = 0;
  }
}

inline void solarize_adjoint(const float* __restrict x, float* __restrict g, float threshold) {
  for (int i = 0; i < RUN; ++i) g[i] = x[i] >= threshold ? -g[i] : g[i];
}

inline void noise_adjoint(const Extent& extent, Tile in, Tile gradient, const float* p, const Sums& sums) {
  alignas(64) float normals[4][RUN];
  const uint32_t key0 = static_cast<uint32_t>(p[1]), key1 = static_cast<uint32_t>(p[2]);
  for (int c = 0; c < extent.channels; ++c) {
    if (c % 4 == 0) normal_run(extent.column, extent.row, c / 4, key0, key1, normals);
    for (int i = 0; i < RUN; i += LANES) {
      const Floats normal = load(normals[c % 4] + i), u = load(in.channel(c) + i) + p[0] * normal;
      const Floats g = through_clamp(load(gradient.channel(c) + i), u, all(p[3]), all(p[4]), sums, 3);
      if (sums) sums.add(0, g * normal);
      store(g, gradient.channel(c) + i);
    }
  }
}

inline void erase_adjoint(const Extent& extent, float* g, const float* p, int channel, const Sums& sums) {
  const float row = static_cast<float>(extent.row);
  if (!(row >= p[1] && row < p[3])) return;
  for (int i = 0; i < RUN; ++i) {
    const float at = static_cast<float>(extent.column + i);
    if (!(at >= p[0] && at < p[2])) continue;
    if (sums) sums.lanes[(4 + channel) * LANES] += g[i];
    g[i] = 0;
  }
}

// The adjoint of one step other than a contrast, which is a SCALE once its mean is known.
inline void step_adjoint(const Extent& extent, Tile in, Tile gradient, Op op, const float* p, const Sums& sums) {
  const int channels = extent.channels;
  if (op == Op::scale)
    return scale_adjoint(extent, in, gradient, p, p + channels, p[2 * channels], p[2 * channels + 1], sums);
  if (op == Op::matrix) return matrix_adjoint(extent, in, gradient, p, sums);
  if (op == Op::hue) return hue_adjoint(extent, in, gradient, p[0], sums);
  if (op == Op::noise) return noise_adjoint(extent, in, gradient, p, sums);
  for (int c = 0; c < channels; ++c) {
    const float* const x = in.channel(c);
    float* const g = gradient.channel(c);
    if (op == Op::gamma) gamma_adjoint(x, g, p[0], p[1], sums);
    if (op == Op::lut) look_up_adjoint(x, g, sums);
    if (op == Op::solarize) solarize_adjoint(x, g, p[0]);
    if (op == Op::erase) erase_adjoint(extent, g, p, c, sums);
  }
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
