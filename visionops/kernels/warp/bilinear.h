// Bilinear samples of one run of pixels.
#pragma once

#include <cmath>
#include <cstring>
#include <type_traits>

#include "common/fetch.h"
#include "warp/view.h"

namespace visionops {
namespace VISIONOPS_ISA {

// The two taps of a linear interpolation along one axis: at `base` and `base + 1`, inside the image.
struct Pair {
  alignas(64) int32_t base[RUN];
  alignas(64) float first[RUN], second[RUN];
};

// One element of a Pair.
struct Tap {
  int32_t base;
  float first, second;
};

// Brings a position along an axis of n pixels to taps inside it. Replicated and reflected borders move the position
// itself; a constant border takes from the taps what lies outside.
inline Tap make_tap(int32_t x, float t, int n, Border border) {
  const int32_t last = n > 1 ? n - 2 : 0;
  const float end = n > 1 ? 1.0f : 0.0f;
  const int32_t base = x < 0 ? 0 : x < last ? x : last;
  float d = static_cast<float>(x - base) + t;
  if (border == Border::constant) {
    const float first = 1.0f - std::fabs(d), second = 1.0f - std::fabs(d - 1.0f);
    return {base, first > 0 ? first : 0, second > 0 ? second * end : 0};
  }
  d = d > 0 ? d : 0;
  d = d < end ? d : end;
  return {base, 1.0f - d, d};
}

inline void make_pair(const int32_t* __restrict x, const float* __restrict t, int n, Border border, Pair& out) {
  auto make = [&](auto border) {
    for (int i = 0; i < RUN; ++i) {
      const Tap tap = make_tap(x[i], t[i], n, border);
      out.base[i] = tap.base;
      out.first[i] = tap.first;
      out.second[i] = tap.second;
    }
  };
  if (border == Border::constant)
    make(std::integral_constant<Border, Border::constant>{});
  else
    make(std::integral_constant<Border, Border::replicate>{});
}

// The same where all taps are inside.
inline void keep_pair(const int32_t* __restrict x, const float* __restrict t, Pair& out) {
  for (int i = 0; i < RUN; ++i) {
    out.base[i] = x[i];
    out.first[i] = 1.0f - t[i];
    out.second[i] = t[i];
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

// Two neighbouring pixels of STRIDE bytes arrive in one load of eight bytes; `safe` says that eight may be read. The
// second is `right` bytes after the first.
template <int STRIDE, int CHANNELS>
void fetch_pixels(const uint8_t* data, const int32_t* offset, int64_t right, bool safe, uint32_t (*words)[RUN]) {
  if (safe) return fetch_eight<1>(data, offset, words[0], words[1]);
  for (int i = 0; i < RUN; ++i) {
    uint8_t bytes[8] = {};
    std::memcpy(bytes, data + offset[i], CHANNELS);
    std::memcpy(bytes + STRIDE, data + offset[i] + right, CHANNELS);
    std::memcpy(words[0] + i, bytes, 4);
    std::memcpy(words[1] + i, bytes + 4, 4);
  }
}

// Returns channel c of pixel i or (which = 1) its neighbour.
template <int STRIDE>
float byte_of_pair(const uint32_t (*words)[RUN], int i, int which, int c) {
  const int k = which * STRIDE + c;
  return static_cast<float>(static_cast<int32_t>(words[k / 4][i] >> 8 * (k % 4) & 255));
}

template <int STRIDE, int CHANNELS>
void bilinear_packed(const View<uint8_t>& view, const Bilinear& at, bool safe, float* __restrict tile) {
  alignas(64) uint32_t upper[2][RUN], lower[2][RUN];
  const int64_t right = view.width > 1 ? STRIDE : 0;
  fetch_pixels<STRIDE, CHANNELS>(view.data, at.offset, right, safe, upper);
  fetch_pixels<STRIDE, CHANNELS>(view.data + (view.height > 1 ? view.row_stride : 0), at.offset, right, safe, lower);
  const float unit = view.unit;
  for (int i = 0; i < RUN; ++i) {
    const float left = at.left[i] * unit, right = at.right[i] * unit;
    for (int c = 0; c < CHANNELS; ++c) {
      const float above = left * byte_of_pair<STRIDE>(upper, i, 0, c) + right * byte_of_pair<STRIDE>(upper, i, 1, c);
      const float below = left * byte_of_pair<STRIDE>(lower, i, 0, c) + right * byte_of_pair<STRIDE>(lower, i, 1, c);
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
