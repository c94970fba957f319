// Vectors of pixels out of bytes and into them.
#pragma once

#include "common/lanes.h"
#include "pixel/elementary.h"

namespace visionops {
namespace VISIONOPS_ISA {

inline Floats load_bytes(const uint8_t* from) {
#if defined(__AVX512F__)
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
#elif defined(__AVX2__)
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from))));
#else
  Floats x;
  for (int i = 0; i < LANES; ++i) x[i] = static_cast<float>(from[i]);
  return x;
#endif
}

// As byte_of: rounded, ties to even, and saturated; a NaN becomes 0.
inline void store_bytes(Floats x, uint8_t* to) {
  x = at_most(all(255.0f), at_least(x, Floats{}));
#if defined(__AVX512F__)
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(x)));
#elif defined(__AVX2__)
  const __m256i whole = _mm256_cvtps_epi32(x);
  const __m128i half = _mm_packus_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(to), _mm_packus_epi16(half, half));
#else
  for (int i = 0; i < LANES; ++i) to[i] = byte_of(x[i]);
#endif
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
