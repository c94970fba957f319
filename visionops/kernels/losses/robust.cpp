// Sums of robust functions of residuals, and their slopes.
#include "losses/losses.h"

#include <algorithm>
#include <cmath>

#include "common/isa.h"
#include "losses/exponentials.h"

namespace visionops {
namespace VISIONOPS_ISA {
namespace {

inline Floats root(Floats x) {
  for (int i = 0; i < LANES; ++i) x[i] = std::sqrt(x[i]);
  return x;
}

// rho(z) and 2 rho'(z) of z = x^2: what `visionops.losses.robust.RHO` has.
template <Rho RHO>
inline Floats value(Floats z) {
  if constexpr (RHO == Rho::charbonnier) return z / (root(1.0f + z) + 1.0f);
  if constexpr (RHO == Rho::cauchy) return log1p_of(0.5f * z);
  if constexpr (RHO == Rho::welsch) return one_less_exp(0.5f * z);
  if constexpr (RHO == Rho::geman_mcclure) return 2.0f * z / (z + 4.0f);
  return z;
}

template <Rho RHO>
inline Floats weight(Floats z) {
  if constexpr (RHO == Rho::charbonnier) return 1.0f / root(1.0f + z);
  if constexpr (RHO == Rho::cauchy) return 2.0f / (2.0f + z);
  if constexpr (RHO == Rho::welsch) return select(z > 174.0f, all(0.0f), exp2_of(-0.72134752f * z));
  if constexpr (RHO == Rho::geman_mcclure) return 16.0f / ((z + 4.0f) * (z + 4.0f));
  return all(2.0f);
}

// Returns residuals, of which the robust functions take no more than their squares can hold: an infinite one is an
// outlier like any. NaN stays.
template <Rho RHO>
inline Floats residual(Floats a, Floats b, float scale) {
  const Floats x = (a - b) * scale;
  return RHO == Rho::square ? x : clamp(x, all(-1e18f), all(1e18f));
}

// Calls body(first pixel, vector of a, vector of b, pixels of it that are there).
template <class Body>
inline void for_vectors(const Residuals& job, int64_t begin, int64_t end, Body body) {
  int64_t i = begin;
  for (; i + LANES <= end; i += LANES) body(i, load(job.a + i), load(job.b + i), LANES);
  if (i == end) return;
  float a[LANES] = {}, b[LANES] = {};
  std::copy(job.a + i, job.a + end, a);
  std::copy(job.b + i, job.b + end, b);
  body(i, load(a), load(b), static_cast<int>(end - i));
}

template <Rho RHO>
double sum(const Residuals& job, int64_t begin, int64_t end) {
  double total = 0;
  for (int64_t at = begin; at < end; at += RUN * LANES) {
    Floats part{};
    for_vectors(job, at, std::min(at + RUN * LANES, end), [&](int64_t, Floats a, Floats b, int) {
      const Floats x = residual<RHO>(a, b, job.scale);
      part += value<RHO>(x * x);  // 0 of what is not there
    });
    for (int k = 0; k < LANES; ++k) total += static_cast<double>(part[k]);
  }
  return total;
}

template <Rho RHO>
void slopes(const Residuals& job, float grad, int64_t begin, int64_t end, float* by_a, float* by_b) {
  const float factor = grad * job.scale;
  for_vectors(job, begin, end, [&](int64_t i, Floats a, Floats b, int n) {
    const Floats x = residual<RHO>(a, b, job.scale), slope = factor * (weight<RHO>(x * x) * x), back = -slope;
    if (by_a) std::memcpy(by_a + i, &slope, n * sizeof(float));
    if (by_b) std::memcpy(by_b + i, &back, n * sizeof(float));
  });
}

}  // namespace

double robust_sum(const Residuals& job, int64_t begin, int64_t end) {
  switch (job.rho) {
    case Rho::square: return sum<Rho::square>(job, begin, end);
    case Rho::charbonnier: return sum<Rho::charbonnier>(job, begin, end);
    case Rho::cauchy: return sum<Rho::cauchy>(job, begin, end);
    case Rho::welsch: return sum<Rho::welsch>(job, begin, end);
    default: return sum<Rho::geman_mcclure>(job, begin, end);
  }
}

void robust_slopes(const Residuals& job, float grad, int64_t begin, int64_t end, float* by_a, float* by_b) {
  switch (job.rho) {
    case Rho::square: return slopes<Rho::square>(job, grad, begin, end, by_a, by_b);
    case Rho::charbonnier: return slopes<Rho::charbonnier>(job, grad, begin, end, by_a, by_b);
    case Rho::cauchy: return slopes<Rho::cauchy>(job, grad, begin, end, by_a, by_b);
    case Rho::welsch: return slopes<Rho::welsch>(job, grad, begin, end, by_a, by_b);
    default: return slopes<Rho::geman_mcclure>(job, grad, begin, end, by_a, by_b);
  }
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
