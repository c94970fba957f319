// HSV and HLS, with their adjoints: stages, as in stages.h.
#pragma once

#include "color/stages.h"

namespace visionops {
namespace VISIONOPS_ISA {

// What both spaces see in red, green and blue.
struct Hued {
  Floats high, low, chroma;
  Integers is_red, is_green;  // where the hue starts from; blue elsewhere
  Floats inverse;             // of the chroma, 0 where there is none
  Floats part;                // the sextant's, without its start

  explicit Hued(const Three& x)
      : high(at_least(at_least(x[0], x[1]), x[2])), low(at_most(at_most(x[0], x[1]), x[2])), chroma(high - low),
        is_red(x[0] == high), is_green(x[1] == high) {
    const Integers coloured = chroma > 0.0f;
    inverse = select(coloured, 1.0f / select(coloured, chroma, all(1.0f)), Floats{});
    part = select(is_red, x[1] - x[2], select(is_green, x[2] - x[0], x[0] - x[1])) * inverse;
  }

  // In [0, 1).
  Floats hue() const {
    const Floats start = select(is_red, Floats{}, select(is_green, all(2.0f), all(4.0f)));
    Floats h = select(inverse > 0.0f, (part + start) * (1 / 6.0f), Floats{});
    h = select(h < 0.0f, h + 1.0f, h);
    return select(h >= 1.0f, h - 1.0f, h);
  }

  // The gradient of the colours; channels that are equal share what the largest and the smallest get.
  Three back(const Three& x, Floats by_hue, Floats by_high, Floats by_low, Floats by_chroma) const {
    const Floats by_part = by_hue * (1 / 6.0f) * inverse;
    by_chroma -= by_part * part;
    by_high += by_chroma;
    by_low -= by_chroma;
    Floats highest[3], lowest[3], above = {}, below = {};
    for (int c = 0; c < 3; ++c) {
      highest[c] = select(x[c] == high, all(1.0f), Floats{});
      lowest[c] = select(x[c] == low, all(1.0f), Floats{});
      above += highest[c];
      below += lowest[c];
    }
    by_high *= reciprocal(above);
    by_low *= reciprocal(below);
    Three g;
    for (int c = 0; c < 3; ++c) g[c] = by_high * highest[c] + by_low * lowest[c];
    const Floats none = {};
    g[0] += select(is_red, none, select(is_green, -by_part, by_part));
    g[1] += select(is_red, by_part, select(is_green, none, -by_part));
    g[2] += select(is_red, -by_part, select(is_green, by_part, none));
    return g;
  }
};

struct ToHsv {
  static constexpr int OUT = 3;

  Three forward(const Three& x) const {
    const Hued p(x);
    const Integers positive = p.high > 0.0f;
    return {p.hue(), select(positive, p.chroma / select(positive, p.high, all(1.0f)), Floats{}), p.high};
  }

  Three adjoint(const Three& x, const Three& g) const {
    const Hued p(x);
    const Integers positive = p.high > 0.0f;
    const Floats inverse = 1.0f / select(positive, p.high, all(1.0f));
    const Floats by_chroma = select(positive, g[1] * inverse, Floats{});
    return p.back(x, g[0], g[2] - by_chroma * p.chroma * inverse, Floats{}, by_chroma);
  }
};

struct ToHls {
  static constexpr int OUT = 3;

  Three forward(const Three& x) const {
    const Hued p(x);
    const Floats total = p.high + p.low, whole = at_most(total, 2.0f - total);
    const Integers positive = whole > 0.0f;
    return {p.hue(), 0.5f * total, select(positive, p.chroma / select(positive, whole, all(1.0f)), Floats{})};
  }

  Three adjoint(const Three& x, const Three& g) const {
    const Hued p(x);
    const Floats total = p.high + p.low, rest = 2.0f - total, whole = at_most(total, rest);
    const Integers positive = whole > 0.0f;
    const Floats inverse = 1.0f / select(positive, whole, all(1.0f));
    const Floats by_chroma = select(positive, g[2] * inverse, Floats{}), by_whole = -by_chroma * p.chroma * inverse;
    const Floats by_total =
        0.5f * g[1] + select(total < rest, by_whole, select(total > rest, -by_whole, Floats{}));
    return p.back(x, g[0], by_total, by_total, by_chroma);
  }
};

// A channel is v - c t, t = clamp(min(k, 4 - k), 0, 1) with k = (n + 6 hue) mod 6 and n = 5, 3, 1.
struct Wheel {
  Floats turn;  // 6 hue, in [0, 6]

  explicit Wheel(Floats hue) : turn(6.0f * (hue - floor_of(hue))) {}

  Floats place(int c) const {
    const Floats k = turn + static_cast<float>(5 - 2 * c);
    return k - select(k >= 6.0f, all(6.0f), Floats{});
  }

  Three forward(Floats value, Floats chroma) const {
    Three out;
    for (int c = 0; c < 3; ++c) {
      const Floats k = place(c);
      out[c] = value - chroma * clamp(at_most(k, 4.0f - k), Floats{}, all(1.0f));
    }
    return out;
  }

  void adjoint(const Three& g, Floats chroma, Floats& by_hue, Floats& by_value, Floats& by_chroma) const {
    by_hue = by_value = by_chroma = Floats{};
    for (int c = 0; c < 3; ++c) {
      const Floats k = place(c), falling = 4.0f - k, nearer = at_most(k, falling);
      by_value += g[c];
      by_chroma -= g[c] * clamp(nearer, Floats{}, all(1.0f));
      const Floats slope = select(k < falling, all(1.0f), select(k == falling, Floats{}, all(-1.0f)));
      by_hue -= select((nearer >= 0.0f) & (nearer <= 1.0f), g[c] * slope, Floats{});
    }
    by_hue *= 6.0f * chroma;
  }
};

struct OfHsv {
  static constexpr int OUT = 3;

  Three forward(const Three& x) const { return Wheel(x[0]).forward(x[2], x[1] * x[2]); }

  Three adjoint(const Three& x, const Three& g) const {
    Floats by_hue, by_value, by_chroma;
    Wheel(x[0]).adjoint(g, x[1] * x[2], by_hue, by_value, by_chroma);
    return {by_hue, by_chroma * x[2], by_value + by_chroma * x[1]};
  }
};

struct OfHls {
  static constexpr int OUT = 3;

  Three forward(const Three& x) const {
    const Floats half = x[2] * at_most(x[1], 1.0f - x[1]);
    return Wheel(x[0]).forward(x[1] + half, half + half);
  }

  Three adjoint(const Three& x, const Three& g) const {
    const Floats rest = 1.0f - x[1], side = at_most(x[1], rest), half = x[2] * side;
    Floats by_hue, by_value, by_chroma;
    Wheel(x[0]).adjoint(g, half + half, by_hue, by_value, by_chroma);
    const Floats by_half = by_value + 2.0f * by_chroma, by_side = by_half * x[2];
    return {by_hue, by_value + select(x[1] < rest, by_side, select(x[1] > rest, -by_side, Floats{})), by_half * side};
  }
};

}  // namespace VISIONOPS_ISA
}  // namespace visionops
