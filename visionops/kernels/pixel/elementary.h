// Elementary functions in float32 that the compiler can vectorise, each with its error bound.
#pragma once

#include <cstdint>
#include <cstring>

namespace visionops {
namespace VISIONOPS_ISA {

inline int32_t bits_of(float x) {
  int32_t bits;
  std::memcpy(&bits, &x, 4);
  return bits;
}

inline float float_of(int32_t bits) {
  float x;
  std::memcpy(&x, &bits, 4);
  return x;
}

// Returns x rounded to an integer, ties to even, for |x| < 2^22: adding 1.5 * 2^23 leaves no room for a fraction.
inline float round_even(float x) { return (x + 12582912.0f) - 12582912.0f; }

// Returns x rounded, ties to even, and saturated. Where x is a NaN it returns 0.
inline uint8_t byte_of(float x) {
  x = x > 0 ? x : 0;
  x = x < 255.0f ? x : 255.0f;
  return static_cast<uint8_t>(bits_of(x + 12582912.0f));  // as in round_even: the integer is in the low bits
}

// Splits x > 0 into 2^exponent * m with m in [sqrt(1/2), sqrt(2)) and returns the natural logarithm of m:
// 2 atanh(s) with s = (m - 1) / (m + 1), |s| < 0.172; the series left out is below 2e-9 of it.
inline float log_mantissa(float x, float& exponent) {
  const int32_t bits = bits_of(x);
  const int32_t e = (bits - 0x3f3504f3) >> 23;
  const float m = float_of(bits - e * (1 << 23));
  exponent = static_cast<float>(e);
  const float s = (m - 1.0f) / (m + 1.0f), q = s * s;
  return 2.0f * s * (1.0f + q * (1 / 3.0f + q * (1 / 5.0f + q * (1 / 7.0f + q * (1 / 9.0f)))));
}

// Natural logarithm of a normal x > 0, to 1.5e-7 relative also near 1.
inline float log_of(float x) {
  float exponent;
  const float part = log_mantissa(x, exponent);
  return exponent * 0.693147181f + part;
}

// x^g for x > 0: 2^(g log2 x). Relative error below 2e-6 where the result is above 2^-20; tiny results flush to 2^-126.
inline float power(float x, float g) {
  float exponent;
  const float part = log_mantissa(x, exponent);
  float y = g * (exponent + part * 1.44269504f);
  y = y < -126.0f ? -126.0f : y;
  y = y > 127.0f ? 127.0f : y;
  const float whole = round_even(y), f = (y - whole) * 0.693147181f;
  // exp(f), |f| <= 0.347: the series left out is below 1.3e-7.
  const float e =
      1 + f * (1 + f * (1 / 2.0f + f * (1 / 6.0f + f * (1 / 24.0f + f * (1 / 120.0f + f * (1 / 720.0f))))));
  return e * float_of((static_cast<int32_t>(whole) + 127) * (1 << 23));
}

// 2^y for y <= 0, to 1.2e-7 relative; below 2^-125 it is that, which no sum with the middle's weight of 1 can tell.
inline float fall(float y) {
  y = y < -125.0f ? -125.0f : y;
  const float shifted = y + 12582912.0f;  // as in round_even: the integer is in the low bits
  const float f = y - (shifted - 12582912.0f);
  const float e = 1 + f * (0.693146978f + f * (0.240222421f + f * (0.0555073375f + f * (0.00967151287f +
                  f * 0.00132647239f))));
  const uint32_t exponent = static_cast<uint32_t>(bits_of(shifted)) << 23;
  return float_of(static_cast<int32_t>(static_cast<uint32_t>(bits_of(e)) + exponent));
}

// Cosine and sine of 2 pi u for u in [0, 1], to 2e-7: by quarter turns, and Taylor series within pi / 4 of one.
inline void cos_sin_turns(float u, float& cosine, float& sine) {
  const float quarter = round_even(4.0f * u);
  const float a = (u - 0.25f * quarter) * 6.28318531f, q = a * a;
  const float s = a * (1 + q * (-1 / 6.0f + q * (1 / 120.0f + q * (-1 / 5040.0f + q * (1 / 362880.0f)))));
  const float c = 1 + q * (-1 / 2.0f + q * (1 / 24.0f + q * (-1 / 720.0f + q * (1 / 40320.0f))));
  const int32_t k = static_cast<int32_t>(quarter);
  const float x = k & 1 ? s : c, y = k & 1 ? c : s;
  cosine = (k + 1) & 2 ? -x : x;
  sine = k & 2 ? -y : y;
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
