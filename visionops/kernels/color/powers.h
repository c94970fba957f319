// Powers and roots of vectors in float32, each with its error bound.
#pragma once

#include "common/lanes.h"

namespace visionops {
namespace VISIONOPS_ISA {

inline Integers bits_of(Floats x) { return (Integers)x; }
inline Floats of_bits(Integers bits) { return (Floats)bits; }
inline Floats as_floats(Integers x) { return __builtin_convertvector(x, Floats); }
inline Floats select(Integers condition, Floats yes, Floats no) { return condition ? yes : no; }

// Returns the logarithm to base two of a normal x > 0: exponent plus 2 atanh(s) / ln 2 with s = (m - 1) / (m + 1), m in
// [sqrt(1/2), sqrt(2)). The series left out is below 2e-9 of it; absolute error below half a unit of the sum's last
// place plus 1e-7.
inline Floats log2_of(Floats x) {
  const Integers bits = bits_of(x), exponent = (bits - 0x3f3504f3) >> 23;
  const Floats m = of_bits(bits - (exponent << 23)), s = (m - 1.0f) * reciprocal(m + 1.0f), q = s * s;
  const Floats series = 1.0f + q * (1 / 3.0f + q * (1 / 5.0f + q * (1 / 7.0f + q * (1 / 9.0f))));
  return as_floats(exponent) + 2.88539008f * s * series;
}

// Returns 2^y for y in [-126, 127], clamped to it. The series left out is below 1.3e-7.
inline Floats exp2_of(Floats y) {
  y = clamp(y, all(-126.0f), all(127.0f));
  const Floats whole = (y + 12582912.0f) - 12582912.0f, f = (y - whole) * 0.693147181f;
  const Floats e = 1.0f + f * (1.0f + f * (1 / 2.0f + f * (1 / 6.0f + f * (1 / 24.0f + f * (1 / 120.0f + f * (1 / 720.0f))))));
  return e * of_bits((integer_of(whole) + 127) << 23);
}

// Returns x^g of a normal x > 0, to 1e-6 where |g log2 x| < 8.
inline Floats power(Floats x, float g) { return exp2_of(g * log2_of(x)); }

// Returns the cube root, to 3e-7 down to 1e-6 and 2e-6 below; what is no normal number stays as it is.
inline Floats cube_root(Floats x) {
  const Integers sign = bits_of(x) & static_cast<int32_t>(0x80000000u);
  const Floats size = of_bits(bits_of(x) ^ sign);
  const Integers normal = size >= 1.17549435e-38f;
  const Floats root = power(select(normal, size, all(1.0f)), 1 / 3.0f);
  return select(normal, of_bits(bits_of(root) | sign), x);
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
