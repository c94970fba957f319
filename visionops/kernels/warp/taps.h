// Bicubic samples of one run of pixels, and samples with taps anywhere.
#pragma once

#include <algorithm>

#include "pixel/elementary.h"
#include "common/fetch.h"
#include "warp/view.h"

namespace visionops {
namespace VISIONOPS_ISA {

// The taps of any interpolation along one axis: indices folded into the image, and weights, zero outside of it
// where the border is constant.
struct Taps {
  int count;
  alignas(64) int32_t index[4][RUN];
  alignas(64) float weight[4][RUN];
  alignas(64) float inside[RUN];  // the sum of the weights
};

inline void cubic_weights(const float* __restrict t, float (*__restrict weight)[RUN]) {
  constexpr float a = -0.75f;
  auto inner = [](float d) { return ((a + 2) * d - (a + 3)) * d * d + 1; };
  auto outer = [](float d) { return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a; };
  for (int i = 0; i < RUN; ++i) {
    const float s = t[i], r = 1.0f - s;
    weight[0][i] = outer(s + 1);
    weight[1][i] = inner(s);
    weight[2][i] = inner(r);
    weight[3][i] = outer(r + 1);
  }
}

// `first` is the place of the first of `count` taps, from a position's whole part.
inline void make_taps(const int32_t* x, const float* t, int n, int first, int count, Border border, Taps& out) {
  out.count = count;
  if (count == 4)
    cubic_weights(t, out.weight);
  else
    for (int i = 0; i < RUN; ++i) out.weight[0][i] = 1.0f - t[i], out.weight[1][i] = t[i];
  for (int k = 0; k < count; ++k)
    for (int i = 0; i < RUN; ++i) {
      const int32_t at = x[i] + first + k;
      if (border == Border::constant && (at < 0 || at >= n)) out.weight[k][i] = 0;
      out.index[k][i] = fold(at, n, border);
    }
  for (int i = 0; i < RUN; ++i) {
    float sum = 0;
    for (int k = 0; k < count; ++k) sum += out.weight[k][i];
    out.inside[i] = sum;
  }
}

// Any taps of any source, one at a time.
template <class T>
void sample_taps(const View<T>& view, int channels, const Taps& xs, const Taps& ys, float* __restrict tile) {
  alignas(64) T fetched[RUN];
  alignas(64) int32_t offset[RUN];
  std::fill(tile, tile + channels * RUN, 0.0f);
  for (int j = 0; j < ys.count; ++j)
    for (int k = 0; k < xs.count; ++k) {
      for (int i = 0; i < RUN; ++i) offset[i] = view.offset(xs.index[k][i], ys.index[j][i]);
      for (int c = 0; c < channels; ++c) {
        const T* const data = view.data + c * view.channel_stride;
        float* __restrict const out = tile + c * RUN;
        fetch(data, offset, fetched);
        for (int i = 0; i < RUN; ++i)
          out[i] += weigh(ys.weight[j][i] * xs.weight[k][i], static_cast<float>(fetched[i]) * view.unit);
      }
    }
}

// Four neighbours along each of four rows, all inside: pixels of three bytes, twelve bytes in two loads of eight.
// `offset` is that of the first tap.
inline void bicubic_packed(const View<uint8_t>& view, const int32_t* offset, const float (*wx)[RUN],
                           const float (*wy)[RUN], float* __restrict tile) {
  alignas(64) uint32_t words[4][RUN];
  std::fill(tile, tile + 3 * RUN, 0.0f);
  for (int j = 0; j < 4; ++j) {
    const uint8_t* const row = view.data + j * view.row_stride;
    fetch_eight<1>(row, offset, words[0], words[1]);
    fetch_eight<1>(row + 4, offset, words[1], words[2]);
    for (int i = 0; i < RUN; ++i) {
      const float weight = wy[j][i] * view.unit;
      for (int c = 0; c < 3; ++c) {
        float sum = 0;
        for (int k = 0; k < 4; ++k) {
          const int place = 3 * k + c;
          sum += wx[k][i] * static_cast<float>(static_cast<int32_t>(words[place / 4][i] >> 8 * (place % 4) & 255));
        }
        tile[c * RUN + i] += weight * sum;
      }
    }
  }
}

// The same of planes of float32.
inline void bicubic_planar(const View<float>& view, int channels, const int32_t* offset, const float (*wx)[RUN],
                           const float (*wy)[RUN], float* __restrict tile) {
  alignas(64) uint32_t words[4][RUN];
  std::fill(tile, tile + channels * RUN, 0.0f);
  for (int c = 0; c < channels; ++c)
    for (int j = 0; j < 4; ++j) {
      const float* const row = view.data + c * view.channel_stride + j * view.row_stride;
      fetch_eight<4>(row, offset, words[0], words[1]);
      fetch_eight<4>(row + 2, offset, words[2], words[3]);
      float* __restrict const out = tile + c * RUN;
      for (int i = 0; i < RUN; ++i) {
        float sum = 0;
        for (int k = 0; k < 4; ++k) sum += weigh(wy[j][i] * wx[k][i], float_of(static_cast<int32_t>(words[k][i])));
        out[i] += sum * view.unit;
      }
    }
}

// The same of planes of bytes: a fetch holds the four taps of a row.
inline void bicubic_planar(const View<uint8_t>& view, int channels, const int32_t* offset, const float (*wx)[RUN],
                           const float (*wy)[RUN], float* __restrict tile) {
  alignas(64) uint32_t words[RUN];
  std::fill(tile, tile + channels * RUN, 0.0f);
  for (int c = 0; c < channels; ++c)
    for (int j = 0; j < 4; ++j) {
      fetch_four<1>(view.data + c * view.channel_stride + j * view.row_stride, offset, words);
      float* __restrict const out = tile + c * RUN;
      for (int i = 0; i < RUN; ++i) {
        float sum = 0;
        for (int k = 0; k < 4; ++k)
          sum += weigh(wy[j][i] * wx[k][i], static_cast<float>(static_cast<int32_t>(words[i] >> 8 * k & 255)));
        out[i] += sum * view.unit;
      }
    }
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
