// Bilinear samples of one run of pixels.
#pragma once

#include <cmath>
#include <cstring>

#include "common/fetch.h"
#include "warp/view.h"

namespace visionops {
namespace VISIONOPS_ISA {

// The two taps of a linear interpolation along one axis: at `base` and `base + 1`, inside the image.
struct Pair {
  alignas(64) int32_t base[RUN];
  alignas(64) float first[RUN], second[RUN];
};

// Brings positions along an axis of n pixels to taps inside it. Replicated and reflected borders move the position
// itself; a constant border takes from the taps what lies outside.
inline void make_pair(const int32_t* __restrict x, const float* __restrict t, int n, Border border,
                      Pair& out) {
  const int32_t last = n > 1 ? n - 2 : 0;
  const float end = n > 1 ? 1.0f : 0.0f;
  if (border == Border::constant) {
    for (int i = 0; i < RUN; ++i) {
      const int32_t base = x[i] < 0 ? 0 : x[i] < last ? x[i] : last;
      const float d = static_cast<float>(x[i] - base) + t[i];
      const float first = 1.0f - std::fabs(d), second = 1.0f - std::fabs(d - 1.0f);
      out.base[i] = base;
      out.first[i] = first > 0 ? first : 0;
      out.second[i] = second > 0 ? second * end : 0;
    }
    return;
  }
  for (int i = 0; i < RUN; ++i) {
    const int32_t base = x[i] < 0 ? 0 : x[i] < last ? x[i] : last;
    float d = static_cast<float>(x[i] - base) + t[i];
    d = d > 0 ? d : 0;
    d = d < end ? d : end;
    out.base[i] = base;
    out.first[i] = 1.0f - d;
    out.second[i] = d;
  }
}

// Mirrors a position into [0, n - 1]: an interpolation of reflected pixels is the reflection of the interpolation.
inline void reflect_position(int32_t& x, float& t, int n) {
  const int32_t period = std::max(2 * n - 2, 1);
  const int32_t r = x % period, from_start = r < 0 ? r + period : r;
  const bool back = from_start >= n - 1;
  x = back ? period - from_start - 1 : from_start;
  t = back ? 1.0f - t : t;
}

inline void reflect_positions(int32_t* x, float* t, int n) {
  for (int i = 0; i < RUN; ++i) reflect_position(x[i], t[i], n);
}

// What a bilinear sample needs of a pixel: where its first tap is, and the weights of columns and rows.
struct Bilinear {
  const int32_t* offset;
  const float *left, *right, *upper, *lower;
};

// Two neighbouring pixels of STRIDE bytes arrive in one load of eight bytes; `safe` says that eight may be read.
template <int STRIDE, int CHANNELS>
void bilinear_packed(const View<uint8_t>& view, const Bilinear& at, bool safe, float* __restrict tile) {
  alignas(64) uint32_t upper[2][RUN], lower[2][RUN];
  const uint8_t* const first_row = view.data;
  const uint8_t* const second_row = view.data + (view.height > 1 ? view.row_stride : 0);
  if (safe) {
    fetch_eight<1>(first_row, at.offset, upper[0], upper[1]);
    fetch_eight<1>(second_row, at.offset, lower[0], lower[1]);
  } else {
    const int64_t right = view.width > 1 ? STRIDE : 0;
    auto fetch = [=](uint32_t (*to)[RUN], int i, const uint8_t* pixel) {
      uint8_t bytes[8] = {};
      std::memcpy(bytes, pixel, CHANNELS);
      std::memcpy(bytes + STRIDE, pixel + right, CHANNELS);
      std::memcpy(to[0] + i, bytes, 4);
      std::memcpy(to[1] + i, bytes + 4, 4);
    };
    for (int i = 0; i < RUN; ++i) {
      fetch(upper, i, first_row + at.offset[i]);
      fetch(lower, i, second_row + at.offset[i]);
    }
  }
  const float unit = view.unit;
  for (int i = 0; i < RUN; ++i) {
    const float left = at.left[i] * unit, right = at.right[i] * unit;
    for (int c = 0; c < CHANNELS; ++c) {
      const int k = STRIDE + c;  // the byte of the second pixel
      auto byte = [](uint32_t word, int place) {
        return static_cast<float>(static_cast<int32_t>(word >> 8 * place & 255));
      };
      const float above = left * byte(upper[0][i], c) + right * byte(upper[k / 4][i], k % 4);
      const float below = left * byte(lower[0][i], c) + right * byte(lower[k / 4][i], k % 4);
      tile[c * RUN + i] = at.upper[i] * above + at.lower[i] * below;
    }
  }
}

// Reads each pixel and its neighbour to the right; `safe` says that four bytes may be read where a pixel is.
inline void fetch_pairs(const uint8_t* data, int64_t right, const int32_t* __restrict offset, bool safe,
                        uint8_t* __restrict first, uint8_t* __restrict second) {
  if (right == 1 && safe) {
    alignas(64) uint32_t words[RUN];
    fetch_four<1>(data, offset, words);
    for (int i = 0; i < RUN; ++i) {
      first[i] = static_cast<uint8_t>(words[i]);
      second[i] = static_cast<uint8_t>(words[i] >> 8);
    }
  } else {
    fetch(data, offset, first);
    fetch(data + right, offset, second);
  }
}

inline void fetch_pairs(const float* data, int64_t right, const int32_t* __restrict offset, bool,
                        float* __restrict first, float* __restrict second) {
  if (right == 1) {
    alignas(64) uint32_t low[RUN], high[RUN];
    fetch_eight<4>(data, offset, low, high);
    std::memcpy(first, low, sizeof low);
    std::memcpy(second, high, sizeof high);
  } else {
    fetch(data, offset, first);
    fetch(data + right, offset, second);
  }
}

// Any strides, a channel at a time.
template <class T>
void bilinear_strided(const View<T>& view, int channels, const Bilinear& at, bool safe, float* __restrict tile) {
  const int64_t down = view.height > 1 ? view.row_stride : 0, right = view.width > 1 ? view.column_stride : 0;
  const float unit = view.unit;
  alignas(64) T ul[RUN], ur[RUN], ll[RUN], lr[RUN];
  for (int c = 0; c < channels; ++c) {
    const T* const data = view.data + c * view.channel_stride;
    fetch_pairs(data, right, at.offset, safe, ul, ur);
    fetch_pairs(data + down, right, at.offset, safe, ll, lr);
    float* __restrict const out = tile + c * RUN;
    for (int i = 0; i < RUN; ++i) {
      const float above = at.upper[i] * unit, below = at.lower[i] * unit;
      out[i] = (weigh(above * at.left[i], ul[i]) + weigh(above * at.right[i], ur[i])) +
               (weigh(below * at.left[i], ll[i]) + weigh(below * at.right[i], lr[i]));
    }
  }
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
