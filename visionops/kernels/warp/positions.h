// Where the pixels of a run read their source.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "common/isa.h"
#include "common/lanes.h"
#include "warp/sweep.h"

namespace visionops {
namespace VISIONOPS_ISA {

// Pixels [column, column + count) of a row. Loops go on to RUN all the same, whose constant length saves more than
// the last run of a row wastes; what they compute there is not stored.
struct Run {
  int row, column, count;
};

inline Run make_run(int row, int column, int end) { return {row, column, end - column < RUN ? end - column : RUN}; }

// Positions (x + tx, y + ty) with integers x, y and fractions in [0, 1].
struct Positions {
  alignas(64) int32_t x[RUN], y[RUN];
  alignas(64) float tx[RUN], ty[RUN];
  alignas(64) int32_t lost[RUN];  // 1 where the position is not finite (x and y are then 0)
  bool any_lost;
};

// Splits a finite position.
inline void split(double at, int32_t& whole, float& part) {
  at = at < -FAR ? -FAR : at;
  at = at > FAR ? FAR : at;
  const double low = std::floor(at);
  whole = static_cast<int32_t>(low);
  part = static_cast<float>(at - low);
}

inline void split_all(const double* __restrict at, double bias, int32_t* __restrict whole, float* __restrict part) {
  for (int i = 0; i < RUN; ++i) split(at[i] + bias, whole[i], part[i]);
}

// The exact way, in double: for nearest taps (bias NEAREST_BIAS), and near a horizon.
inline void exact_positions(const double* m, const Run& run, double bias, Positions& out) {
  alignas(64) double x[RUN], y[RUN];
  const double v = run.row;
  const double x0 = m[1] * v, y0 = m[4] * v, w0 = m[7] * v;
  for (int i = 0; i < RUN; ++i) {
    const double u = run.column + i;
    x[i] = m[0] * u + x0 + m[2];
    y[i] = m[3] * u + y0 + m[5];
  }
  if (m[6] != 0 || m[7] != 0 || m[8] != 1)
    for (int i = 0; i < RUN; ++i) {
      const double u = run.column + i;
      const double w = m[6] * u + w0 + m[8];
      x[i] /= w;
      y[i] /= w;
    }
  int32_t lost = 0;
  for (int i = 0; i < RUN; ++i) {
    const int32_t finite = (std::fabs(x[i]) <= 1.7e308) & (std::fabs(y[i]) <= 1.7e308);
    x[i] = finite ? x[i] : 0;
    y[i] = finite ? y[i] : 0;
    out.lost[i] = !finite;
    lost |= !finite;
  }
  out.any_lost = lost;
  split_all(x, bias, out.x, out.tx);
  split_all(y, bias, out.y, out.ty);
}

// One coordinate in float32, relative to an integer near the run, where increments are small and so exact enough:
// (start + slope i) / (1 + bend i) pixels from `base`.
struct Relative {
  int32_t base;
  float start, slope;

  Relative(double numerator, double step, double w, double w_step, double inverse_w) {
    const double at = std::floor(numerator * inverse_w);
    base = static_cast<int32_t>(at);
    start = static_cast<float>((numerator - at * w) * inverse_w);
    slope = static_cast<float>((step - at * w_step) * inverse_w);
  }

  void split(Floats i, Floats shrink, int32_t* whole, float* part) const {
    const Floats x = (start + slope * i) * shrink, low = floor_of(x);
    store(base + integer_of(low), whole);
    store(x - low, part);
  }
};

// Positions of a run at a matrix.
inline void matrix_positions(const double* m, const Run& run, Positions& out) {
  const double u = run.column, v = run.row, far = RUN - 1;
  const double w = m[6] * u + m[7] * v + m[8], x = m[0] * u + m[1] * v + m[2], y = m[3] * u + m[4] * v + m[5];
  const double w_end = w + far * m[6], x_end = x + far * m[0], y_end = y + far * m[3];
  // Without a pole in the run both coordinates are monotone along it, so that its ends bound them.
  auto near = [](double at, double below) { return std::fabs(at) < FAR / 2 * std::fabs(below); };
  const bool tame = w * w_end > 0 && std::fabs(w_end) < 4 * std::fabs(w) && std::fabs(w) < 4 * std::fabs(w_end) &&
                    near(x, w) && near(y, w) && near(x_end, w_end) && near(y_end, w_end);
  if (!tame) return exact_positions(m, run, 0.0, out);
  out.any_lost = false;
  const double inverse_w = 1 / w;
  const Relative rx(x, m[0], w, m[6], inverse_w), ry(y, m[3], w, m[6], inverse_w);
  const float bend = static_cast<float>(m[6] * inverse_w);
  alignas(64) float ramp[RUN];
  for (int i = 0; i < RUN; ++i) ramp[i] = static_cast<float>(i);
  for (int i = 0; i < RUN; i += LANES) {
    const Floats at = load(ramp + i), shrink = bend == 0 ? all(1.0f) : reciprocal(1.0f + bend * at);
    rx.split(at, shrink, out.x + i, out.tx + i);
    ry.split(at, shrink, out.y + i, out.ty + i);
  }
}

// Positions of a run at a map of a source that was reduced by (factor_x, factor_y), powers of two.
inline void map_positions(const float* map, int width, const Run& run, float bias, const int factors[2],
                          Positions& out) {
  alignas(64) float xy[2 * RUN];
  const float* const at = map + 2 * (static_cast<int64_t>(run.row) * width + run.column);
  std::memcpy(xy, at, sizeof(float) * 2 * run.count);
  std::fill(xy + 2 * run.count, xy + 2 * RUN, 0.0f);
  const float scale_x = 1.0f / factors[0], scale_y = 1.0f / factors[1];
  const float shift_x = 0.5f * scale_x - 0.5f, shift_y = 0.5f * scale_y - 0.5f;
  constexpr float far = FAR;
  int32_t lost = 0;
  for (int i = 0; i < RUN; ++i) {
    float x = xy[2 * i] * scale_x + shift_x, y = xy[2 * i + 1] * scale_y + shift_y;
    const bool finite = (std::fabs(x) <= 3.4028235e38f) & (std::fabs(y) <= 3.4028235e38f);
    x = (!finite ? 0 : x < -far ? -far : x > far ? far : x) + bias;
    y = (!finite ? 0 : y < -far ? -far : y > far ? far : y) + bias;
    const int32_t cut_x = static_cast<int32_t>(x), cut_y = static_cast<int32_t>(y);
    out.x[i] = cut_x - (x < static_cast<float>(cut_x));
    out.y[i] = cut_y - (y < static_cast<float>(cut_y));
    out.tx[i] = x - static_cast<float>(out.x[i]);
    out.ty[i] = y - static_cast<float>(out.y[i]);
    out.lost[i] = !finite;
    lost |= !finite;
  }
  out.any_lost = lost;
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
