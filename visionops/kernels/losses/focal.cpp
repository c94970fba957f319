// Focal losses and their slopes: of labels, and of classes.
#include <algorithm>
#include <cstring>

#include "common/isa.h"
#include "losses/exponentials.h"
#include "losses/losses.h"

namespace visionops {
namespace VISIONOPS_ISA {
namespace {

// x^gamma of x from 0 to 1 whose logarithm is known.
inline Floats raised(Floats x, Floats log, float gamma) {
  if (gamma == 2.0f) return x * x;
  if (gamma == 0.0f) return all(1.0f);
  return exp_of(gamma * log);
}

struct Chances {
  Floats p, q, log_p, log_q;
};

// Of a sigmoid: p = 1 / (1 + exp(-x)) and q = 1 - p, each exact where it is small.
inline Chances chances(Floats x) {
  const Integers above = x > 0.0f;
  const Floats size = select(above, x, -x), small = exp_of(-size), log = log1p_of(small);
  const Floats high = 1.0f / (1.0f + small), low = small * high;
  return {select(above, high, low), select(above, low, high), select(above, -log, x - log),
          select(above, -x - log, -log)};
}

// Vectors of a row, the last of which may not be all there.
template <class Body>
inline void for_vectors(int64_t n, Body body) {
  for (int64_t i = 0; i < n; i += LANES) body(i, static_cast<int>(std::min<int64_t>(LANES, n - i)));
}

inline Floats some(const float* from, int n) {
  if (n == LANES) return load(from);
  float room[LANES] = {};
  std::copy(from, from + n, room);
  return load(room);
}

inline void put(Floats x, int n, float* to) { std::memcpy(to, &x, n * sizeof(float)); }

}  // namespace

void focal_of_labels(const Labels& job, int64_t n, float* out) {
  for_vectors(n, [&](int64_t i, int there) {
    const Floats y = some(job.y + i, there);
    const Chances c = chances(some(job.x + i, there));
    const Floats one = raised(c.q, c.log_q, job.gamma) * c.log_p, zero = raised(c.p, c.log_p, job.gamma) * c.log_q;
    put(-(job.on * y * one + job.off * (1.0f - y) * zero), there, out + i);
  });
}

void focal_slopes_of_labels(const Labels& job, const float* grad, int64_t n, float* by_x, float* by_y) {
  const float gamma = job.gamma;
  for_vectors(n, [&](int64_t i, int there) {
    const Floats y = some(job.y + i, there), g = some(grad + i, there);
    const Chances c = chances(some(job.x + i, there));
    const Floats one = raised(c.q, c.log_q, gamma), zero = raised(c.p, c.log_p, gamma);
    if (by_x)
      put(g * (job.on * y * one * (gamma * c.p * c.log_p - c.q) - job.off * (1.0f - y) * zero * (gamma * c.q * c.log_q - c.p)),
          there, by_x + i);
    if (by_y) put(g * (job.off * zero * c.log_q - job.on * one * c.log_p), there, by_y + i);
  });
}

namespace {

// The logarithm of the sum of exponentials less the maximum, and the maximum, of a vector of pixels.
inline void of_channels(const Classes& job, int64_t i, int there, Floats& most, Floats& sum) {
  most = some(job.x + i, there);
  for (int k = 1; k < job.channels; ++k) {
    const Floats x = some(job.x + k * job.n + i, there);
    most = at_least(most, x);
  }
  sum = Floats{};
  for (int k = 0; k < job.channels; ++k) sum += exp_of(some(job.x + k * job.n + i, there) - most);
}

inline Floats at_class(const Classes& job, int64_t i, int there) {
  float room[LANES] = {};
  for (int j = 0; j < there; ++j) room[j] = job.x[job.place[i + j] * job.n + i + j];
  return load(room);
}

}  // namespace

void focal_of_classes(const Classes& job, int64_t begin, int64_t end, float* out) {
  for_vectors(end - begin, [&](int64_t at, int there) {
    const int64_t i = begin + at;
    Floats most, sum;
    of_channels(job, i, there, most, sum);
    // At least 0, as p is at most 1; NaN stays.
    const Floats less = at_least(Floats{}, LN2 * log2_of(sum) - (at_class(job, i, there) - most));
    const Floats rest = one_less_exp(less);
    put(raised(rest, LN2 * log2_of(at_least(all(1.17549435e-38f), rest)), job.gamma) * less, there, out + i);
  });
}

void focal_slopes_of_classes(const Classes& job, const float* grad, int64_t begin, int64_t end, float* by_x) {
  for_vectors(end - begin, [&](int64_t at, int there) {
    const int64_t i = begin + at;
    Floats most, sum;
    of_channels(job, i, there, most, sum);
    const Floats less = at_least(Floats{}, LN2 * log2_of(sum) - (at_class(job, i, there) - most));
    const Floats rest = at_least(all(1.17549435e-38f), one_less_exp(less));
    // -(1 - p)^gamma log p by log p; log p / (1 - p) is finite
    const Floats slope = job.gamma == 0.0f
        ? all(-1.0f)
        : raised(rest, LN2 * log2_of(rest), job.gamma) * (-job.gamma * exp_of(-less) * (less / rest) - 1.0f);
    const Floats by_log = some(grad + i, there) * slope, share = by_log / sum;
    for (int k = 0; k < job.channels; ++k)
      put(-exp_of(some(job.x + k * job.n + i, there) - most) * share, there, by_x + k * job.n + i);
    for (int j = 0; j < there; ++j) by_x[job.place[i + j] * job.n + i + j] += by_log[j];
  });
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
