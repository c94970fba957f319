// The stages that conversions are chained from, on vectors of pixels, each with its adjoint: `forward` makes colours of
// colours, `adjoint` the gradient of x from x and the gradient of the result. At kinks they follow torch's autograd of
// definition.py.
#pragma once

#include "color/powers.h"

namespace visionops {
namespace VISIONOPS_ISA {

template <int N>
struct Vectors {
  Floats v[N];
  Floats& operator[](int i) { return v[i]; }
  const Floats& operator[](int i) const { return v[i]; }
};
using Three = Vectors<3>;

// OUT rows of three factors and a shift.
template <int N>
struct Affine {
  static constexpr int OUT = N;
  float m[4 * N];

  explicit Affine(const float* numbers) { std::memcpy(m, numbers, sizeof m); }

  Vectors<N> forward(const Three& x) const {
    Vectors<N> y;
    for (int c = 0; c < N; ++c) y[c] = m[4 * c] * x[0] + (m[4 * c + 1] * x[1] + (m[4 * c + 2] * x[2] + m[4 * c + 3]));
    return y;
  }

  Three adjoint(const Three&, const Vectors<N>& g) const {
    Three back = {};
    for (int j = 0; j < 3; ++j)
      for (int c = 0; c < N; ++c) back[j] += m[4 * c + j] * g[c];
    return back;
  }
};

// A function of each channel's own: `Curve::value` and `Curve::slope`.
template <class Curve>
struct Each {
  static constexpr int OUT = 3;

  Three forward(const Three& x) const { return {Curve::value(x[0]), Curve::value(x[1]), Curve::value(x[2])}; }

  Three adjoint(const Three& x, const Three& g) const {
    return {g[0] * Curve::slope(x[0]), g[1] * Curve::slope(x[1]), g[2] * Curve::slope(x[2])};
  }
};

template <class First, class Second>
struct Chain {
  static constexpr int OUT = Second::OUT;
  First first;
  Second second;

  Vectors<OUT> forward(const Three& x) const { return second.forward(first.forward(x)); }

  Three adjoint(const Three& x, const Vectors<OUT>& g) const {
    return first.adjoint(x, second.adjoint(first.forward(x), g));
  }
};

template <class First, class Second>
Chain<First, Second> chain(const First& first, const Second& second) {
  return {first, second};
}

template <class First, class Second, class... Rest>
auto chain(const First& first, const Second& second, const Rest&... rest) {
  return chain(first, chain(second, rest...));
}

// sRGB to linear light.
struct Decoding {
  static Floats base(Floats x) { return (select(x > 0.04045f, x, all(1.0f)) + 0.055f) * (1 / 1.055f); }
  static Floats value(Floats x) { return select(x > 0.04045f, power(base(x), 2.4f), x * (1 / 12.92f)); }
  static Floats slope(Floats x) {
    return select(x > 0.04045f, (2.4f / 1.055f) * power(base(x), 1.4f), all(1 / 12.92f));
  }
};

struct Encoding {
  static Floats value(Floats x) {
    const Integers high = x > 0.0031308f;
    return select(high, 1.055f * power(select(high, x, all(1.0f)), 1 / 2.4f) - 0.055f, 12.92f * x);
  }
  static Floats slope(Floats x) {
    const Integers high = x > 0.0031308f;
    return select(high, (1.055f / 2.4f) * power(select(high, x, all(1.0f)), 1 / 2.4f - 1.0f), all(12.92f));
  }
};

// CIE's curve, which is 0 at 0.
struct LabCurve {
  static constexpr float threshold = 216 / 24389.0f, steepness = static_cast<float>(24389 / 27.0 / 116), shift = 4 / 29.0f;
  static Floats value(Floats t) {
    const Integers high = t > threshold;
    return select(high, power(select(high, t, all(1.0f)), 1 / 3.0f) - shift, t * steepness);
  }
  static Floats slope(Floats t) {
    const Integers high = t > threshold;
    return select(high, (1 / 3.0f) * power(select(high, t, all(1.0f)), -2 / 3.0f), all(steepness));
  }
};

struct LabUncurve {
  static Floats value(Floats f) {
    const Floats up = f + LabCurve::shift;
    return select(f > 2 / 29.0f, up * up * up, f * (1 / LabCurve::steepness));
  }
  static Floats slope(Floats f) {
    const Floats up = f + LabCurve::shift;
    return select(f > 2 / 29.0f, 3.0f * up * up, all(1 / LabCurve::steepness));
  }
};

struct CubeRoot {
  static Floats value(Floats x) { return cube_root(x); }
  static Floats slope(Floats x) {
    const Floats size = at_least(x, -x);
    const Integers normal = size >= 1.17549435e-38f;
    return select(normal, (1 / 3.0f) * power(select(normal, size, all(1.0f)), -2 / 3.0f), Floats{});
  }
};

struct Cube {
  static Floats value(Floats x) { return x * x * x; }
  static Floats slope(Floats x) { return 3.0f * x * x; }
};

// Linear XYZ to L, u, v.
struct ToLuv {
  static constexpr int OUT = 3;
  float un, vn;

  struct Chroma {
    Integers lit;
    Floats inverse, u, v;  // u' and v' without the white's, 0 where there is no light
  };

  Chroma chroma(const Three& x) const {
    const Floats total = x[0] + 15.0f * x[1] + 3.0f * x[2];
    const Integers lit = total > 0.0f;
    const Floats inverse = 1.0f / select(lit, total, all(1.0f));
    return {lit, inverse, select(lit, 4.0f * x[0] * inverse - un, Floats{}),
            select(lit, 9.0f * x[1] * inverse - vn, Floats{})};
  }

  Three forward(const Three& x) const {
    const Chroma c = chroma(x);
    const Floats light = 116.0f * LabCurve::value(x[1]), scale = 13.0f * light;
    return {light, scale * c.u, scale * c.v};
  }

  Three adjoint(const Three& x, const Three& g) const {
    const Chroma c = chroma(x);
    const Floats scale = (13.0f * 116.0f) * LabCurve::value(x[1]);
    const Floats by_light = g[0] + 13.0f * (g[1] * c.u + g[2] * c.v);
    const Floats by_u = select(c.lit, g[1] * scale * c.inverse, Floats{});
    const Floats by_v = select(c.lit, g[2] * scale * c.inverse, Floats{});
    const Floats by_total = -(by_u * (c.u + un) + by_v * (c.v + vn));
    return {4.0f * by_u + by_total, 9.0f * by_v + 15.0f * by_total + 116.0f * by_light * LabCurve::slope(x[1]),
            3.0f * by_total};
  }
};

// L, u, v to linear XYZ.
struct OfLuv {
  static constexpr int OUT = 3;
  static constexpr float least_v = 0.01f;
  float un, vn;

  // u' and v' are top and bottom over scale.
  struct Chroma {
    Integers lit, visible;
    Floats y, scale, top, bottom, inverse, third;
  };

  Chroma chroma(const Three& x) const {
    const Integers lit = x[0] > 0.0f;
    const Floats scale = select(lit, 13.0f * x[0], all(1.0f)), top = select(lit, x[1], Floats{}) + un * scale;
    const Floats v = select(lit, x[2], Floats{}) + vn * scale, least = least_v * scale;
    const Integers visible = v > least;
    const Floats bottom = select(visible, v, least);
    return {lit, visible, LabUncurve::value(x[0] * (1 / 116.0f)), scale, top, bottom, 1.0f / bottom,
            3.0f * scale - 0.75f * top - 5.0f * bottom};
  }

  Three forward(const Three& x) const {
    const Chroma c = chroma(x);
    const Floats ratio = c.y * c.inverse;
    return {2.25f * c.top * ratio, c.y, ratio * c.third};
  }

  Three adjoint(const Three& x, const Three& g) const {
    const Chroma c = chroma(x);
    const Floats ratio = c.y * c.inverse, by_ratio = 2.25f * g[0] * c.top + g[2] * c.third;
    const Floats by_top = ratio * (2.25f * g[0] - 0.75f * g[2]);
    const Floats by_bottom = ratio * (-5.0f * g[2] - by_ratio * c.inverse);
    const Floats by_y = (g[1] + by_ratio * c.inverse) * (1 / 116.0f) * LabUncurve::slope(x[0] * (1 / 116.0f));
    const Floats by_scale = 3.0f * ratio * g[2] + un * by_top + select(c.visible, all(vn), all(least_v)) * by_bottom;
    return {by_y + select(c.lit, 13.0f * by_scale, Floats{}), select(c.lit, by_top, Floats{}),
            select(c.lit & c.visible, by_bottom, Floats{})};
  }
};

}  // namespace VISIONOPS_ISA
}  // namespace visionops
