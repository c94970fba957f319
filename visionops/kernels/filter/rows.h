// Rows of pixels as registers of floats, and back.
#pragma once

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "common/lanes.h"
#include "pixel/elementary.h"

namespace visionops {
namespace VISIONOPS_ISA {

inline void convert(const float* __restrict x, int n, float* __restrict out) {
  std::memcpy(out, x, sizeof(float) * n);
}

inline void convert(const uint8_t* __restrict x, int n, float* __restrict out) {
  for (int i = 0; i < n; ++i) out[i] = x[i];
}

inline void convert(const float* __restrict x, int n, uint8_t* __restrict out) {
  for (int i = 0; i < n; ++i) out[i] = byte_of(x[i]);
}

// Stores the first n lanes, or all; bytes are rounded, ties to even, and saturate.
template <class T>
inline void put(Floats x, int n, T* out) {
  if constexpr (std::is_same_v<T, float>) {
    if (n >= LANES) return store(x, out);
    std::memcpy(out, &x, sizeof(float) * n);
  } else {
    n = std::min(LANES, n);
#if defined(__AVX512F__)
    // A NaN becomes 0: the second operand is returned where one is.
    const __m512 bounded = _mm512_min_ps(_mm512_max_ps(x, _mm512_setzero_ps()), _mm512_set1_ps(255));
    const __m128i bytes = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(bounded));
    if (n == LANES) return _mm_storeu_si128(reinterpret_cast<__m128i*>(out), bytes);
    std::memcpy(out, &bytes, n);
#else
    alignas(64) float block[LANES];
    store(x, block);
    convert(block, n, out);
#endif
  }
}

inline Floats load_some(const float* from, int n) {
  Floats x = {};
  std::memcpy(&x, from, sizeof(float) * n);
  return x;
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
