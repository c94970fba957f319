// How the samples of a run change with their positions.
#pragma once

#include <cmath>
#include <cstring>

#include "warp/positions.h"
#include "warp/reduce.h"
#include "warp/taps.h"

namespace visionops {
namespace VISIONOPS_ISA {

// Weights of 2 or 4 taps, and their derivatives by the fraction t.
inline void weights_and_slopes(const float* __restrict t, int count, float (*__restrict weight)[RUN],
                               float (*__restrict slope)[RUN]) {
  if (count == 2) {
    for (int i = 0; i < RUN; ++i) weight[0][i] = 1.0f - t[i], weight[1][i] = t[i], slope[0][i] = -1, slope[1][i] = 1;
    return;
  }
  cubic_weights(t, weight);
  constexpr float a = -0.75f;
  auto inner = [](float d) { return (3 * (a + 2) * d - 2 * (a + 3)) * d; };
  auto outer = [](float d) { return (3 * a * d - 10 * a) * d + 8 * a; };
  for (int i = 0; i < RUN; ++i) {
    const float s = t[i], r = 1.0f - s;
    slope[0][i] = outer(s + 1);
    slope[1][i] = inner(s);
    slope[2][i] = -inner(r);
    slope[3][i] = -outer(r + 1);
  }
}

// Folded places of one tap of a run, and whether it lies outside of a constant border.
inline void fold_taps(const int32_t* x, int shift, int n, Border border, int32_t* __restrict index,
                      int32_t* __restrict out) {
  for (int i = 0; i < RUN; ++i) {
    const int32_t at = x[i] + shift;
    out[i] = border == Border::constant && (at < 0 || at >= n);
    index[i] = fold(at, n, border);
  }
}

// Sums over channels of a gradient times the derivative of the sample by x, and by y.
template <class T>
void position_slopes(const View<T>& view, const Sweep& job, const Reduction& small, const Positions& at, int first,
                     int count, const float* fill, const float* grads, float* __restrict by_x,
                     float* __restrict by_y) {
  alignas(64) float wx[4][RUN], wy[4][RUN], sx[4][RUN], sy[4][RUN];
  alignas(64) int32_t column[4][RUN], row[4][RUN], out_x[4][RUN], out_y[4][RUN], offset[RUN];
  alignas(64) T fetched[RUN];
  weights_and_slopes(at.tx, count, wx, sx);
  weights_and_slopes(at.ty, count, wy, sy);
  for (int k = 0; k < count; ++k) {
    fold_taps(at.x, first + k, small.width, job.border, column[k], out_x[k]);
    fold_taps(at.y, first + k, small.height, job.border, row[k], out_y[k]);
  }
  std::fill(by_x, by_x + RUN, 0.0f);
  std::fill(by_y, by_y + RUN, 0.0f);
  for (int j = 0; j < count; ++j)
    for (int k = 0; k < count; ++k) {
      for (int i = 0; i < RUN; ++i) offset[i] = view.offset(column[k][i], row[j][i]);
      for (int c = 0; c < job.channels; ++c) {
        const float* __restrict const g = grads + c * RUN;
        const float outside = fill[c];
        fetch(view.data + c * view.channel_stride, offset, fetched);
        for (int i = 0; i < RUN; ++i) {
          float value = static_cast<float>(fetched[i]) * view.unit;
          value = out_x[k][i] | out_y[j][i] ? outside : value;
          // As in the definition, a tap of weight zero that is not finite is not read.
          value = wx[k][i] * wy[j][i] != 0 || std::fabs(value) <= 3.4028235e38f ? value : 0.0f;
          by_x[i] += g[i] * value * (sx[k][i] * wy[j][i]);
          by_y[i] += g[i] * value * (wx[k][i] * sy[j][i]);
        }
      }
    }
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
