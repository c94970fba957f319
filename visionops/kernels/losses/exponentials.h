// Exponentials and logarithms near 0 of vectors in float32.
#pragma once

#include "color/powers.h"

namespace visionops {
namespace VISIONOPS_ISA {

constexpr float LN2 = 0.693147181f, LOG2E = 1.44269504f;

inline Floats exp_of(Floats y) { return exp2_of(LOG2E * y); }

// log(1 + y) of y >= 0: the rounding of 1 + y cancels in the quotient.
inline Floats log1p_of(Floats y) {
  y = at_most(all(3e38f), y);
  const Floats u = 1.0f + y, more = u - 1.0f;
  const Integers some = more > 0.0f;
  const Floats log = LN2 * log2_of(u) * (y / select(some, more, all(1.0f)));
  return select(some, log, y);
}

// 1 - exp(-y) of y >= 0.
inline Floats one_less_exp(Floats y) {
  const Floats far = 1.0f - exp_of(-y);
  const Floats near = y * (1.0f - y * (1 / 2.0f) * (1.0f - y * (1 / 3.0f) * (1.0f - y * (1 / 4.0f) * (1.0f - y * (1 / 5.0f) * (1.0f - y * (1 / 6.0f))))));
  return select(y < 0.3f, near, far);
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
