// All real roots of a polynomial: see `visionops.geometry.polynomials`.
#pragma once

#include <algorithm>
#include <cmath>

#include "common/isa.h"
#include "eigen/lanes.h"
#include "minimal/minimal.h"

namespace visionops {
namespace VISIONOPS_ISA {
namespace {

// Steps for each root, guarded by bisection: extrema need not be exact, roots do.
constexpr int COARSE = 20, FINE = 32;
constexpr double ROUNDING = 1e-15;
// How far an extremum may be from where it is found, where steps end on rounding.
constexpr double PLACE = 1e-14;
// After a step of this size an extremum is right to its square, and the value there to the fourth power.
constexpr double NEAR = 1e-5;
// An extremum nearer to 0 than this, relative to the sum of the terms' sizes, is a double root.
constexpr double TOUCH = 1e-12;
// A root this near to an end is that of the end.
constexpr double APART = 1e-5;

inline double value_at(const double* c, int n, double x) {
  double value = c[n - 1];
  for (int k = n - 2; k >= 0; --k) value = value * x + c[k];
  return value;
}

// A stretch where a polynomial is monotone and changes its sign, and whether it is positive at its low end.
struct Piece {
  double low, high;
  bool below;
};

// Where a polynomial changes its sign in each of up to GROUP pieces, to steps of a size that counts as rounding.
inline void search(const double* c, int n, const Piece* pieces, int count, int steps, double rounding, double* out) {
  Lanes low, high, below;
  for (int l = 0; l < GROUP; ++l) {
    const Piece& p = pieces[l < count ? l : 0];
    low[l] = p.low;
    high[l] = p.high;
    below[l] = p.below ? 1 : -1;
  }
  Lanes x = (low + high) / 2, before = high - low;
  const Lanes zero = x - x;
  for (int i = 0; i < steps; ++i) {
    Lanes value = c[n - 1] * x + c[n - 2], slope = zero + c[n - 1];
    for (int k = n - 3; k >= 0; --k) {
      slope = slope * x + value;
      value = value * x + c[k];
    }
    const auto left = (value >= 0) == (below > 0);
    low = left ? x : low;
    high = left ? high : x;
    // A step must stay inside and shrink, or the piece is halved, until steps are rounding.
    const Lanes step = value / (slope == 0 ? zero + 1 : slope), ahead = x - step, size = step < 0 ? -step : step;
    const auto inside = (ahead >= low - ROUNDING) & (ahead <= high + ROUNDING);
    const auto trusted = (inside & (size <= 0.501 * before) & (slope != 0)) | (size <= ROUNDING);
    x = trusted ? ahead : low + (high - low) / 2;
    before = trusted ? size : high - low;
    bool settled = true;
    for (int l = 0; l < GROUP; ++l) settled = settled && before[l] <= rounding;
    if (settled) break;
  }
  for (int l = 0; l < count; ++l) out[l] = x[l];
}

// Whether an extremum counts as 0: relative to the sum of the terms' sizes, or for its own place's rounding.
inline bool touches(const double* c, const double* second, int n, double x, double value) {
  double size = 0;
  for (int k = n - 1; k >= 0; --k) size = size * std::fabs(x) + std::fabs(c[k]);
  const double bend = n > 2 ? std::fabs(value_at(second, n - 2, x)) : 0;
  return std::fabs(value) <= std::max(TOUCH * size, PLACE * PLACE * bend);
}

// Roots in [-1, 1], ascending; returns how many. At the ends the polynomial counts as positive or not as given.
inline int roots_between(const double* c, int n, bool behind, bool ahead, double rounding, double* out) {
  double derivatives[LARGEST_DEGREE + 2][LARGEST_DEGREE + 1];
  std::copy(c, c + n, derivatives[n]);
  for (int m = n - 1; m >= 1; --m)
    for (int k = 0; k < m; ++k) derivatives[m][k] = (k + 1) * derivatives[m + 1][k + 1];
  double cuts[LARGEST_DEGREE + 2] = {-1, 1};
  int count = 2;
  for (int m = 2; m <= n; ++m) {
    const double* const p = derivatives[m];
    const bool last = m == n;
    double found[LARGEST_DEGREE];
    Piece pieces[LARGEST_DEGREE];
    int slots[LARGEST_DEGREE], roots = 0, searched = 0;
    bool crossed = false, below = last ? behind : value_at(p, m, -1) >= 0;
    double value = 0;
    for (int i = 0; i + 1 < count; ++i) {
      const double at_low = value;
      const bool end = i + 2 == count;
      value = end && last ? 0 : value_at(p, m, cuts[i + 1]);
      const bool above = end && last ? ahead : value >= 0;
      const bool crosses = above != below;
      // An extremum that is 0 within rounding, where neither side crosses, is a double root.
      if (last && i > 0 && !crosses && !crossed && touches(p, derivatives[m - 2], m, cuts[i], at_low))
        found[roots++] = cuts[i];
      if (crosses) {
        pieces[searched] = {cuts[i], cuts[i + 1], below};
        slots[searched++] = roots++;
      }
      crossed = crosses;
      below = above;
    }
    if (m == 2) {
      const bool flat = std::fabs(p[1]) < std::fabs(p[0]) || p[1] == 0;
      if (searched) found[0] = flat ? 1 : -p[0] / p[1];
    } else {
      for (int i = 0; i < searched; i += GROUP) {
        double x[GROUP];
        const int some = std::min(GROUP, searched - i);
        search(p, m, pieces + i, some, last ? FINE : COARSE, m + 1 >= n ? rounding : NEAR, x);
        for (int l = 0; l < some; ++l) found[slots[i + l]] = x[l];
      }
    }
    if (last) {
      std::copy(found, found + roots, out);
      return roots;
    }
    std::copy(found, found + roots, cuts + 1);
    cuts[roots + 1] = 1;
    count = roots + 2;
  }
  return 0;
}

// Pairs (u, v) of the roots u / v of the polynomial of n coefficients, that of 1 first; returns how many, up to n - 1.
// The last of Newton's steps is as small as given.
inline int real_roots_of(const double* coefficients, int n, double (*pairs)[2], double rounding = ROUNDING) {
  double size = 0;
  for (int k = 0; k < n; ++k) size = std::max(size, std::fabs(coefficients[k]));
  if (!(size > 0)) return 0;
  double c[LARGEST_DEGREE + 1], reversed[LARGEST_DEGREE + 1], even = 0, odd = 0, total = 0;
  for (int k = 0; k < n; ++k) {
    c[k] = coefficients[k] / size;
    reversed[n - 1 - k] = c[k];
    (k % 2 ? odd : even) += c[k];
    total += std::fabs(c[k]);
  }
  // At the two ends both halves must agree on the sign, also where it is 0.
  const bool ahead = even + odd >= 0, behind = even - odd >= 0, far = n % 2 ? behind : !behind;
  double x[LARGEST_DEGREE + 1];
  int count = 0;
  for (int half = 0; half < 2; ++half) {
    const int found = half ? roots_between(reversed, n, far, ahead, rounding, x)
                           : roots_between(c, n, behind, ahead, rounding, x);
    for (int i = 0; i < found && count < n - 1; ++i, ++count) {
      pairs[count][0] = half ? 1 : x[i];
      pairs[count][1] = half ? x[i] : 1;
    }
  }
  // At the ends a root of even order crosses in neither half.
  for (const double end : {-1.0, 1.0}) {
    bool near = std::fabs(end < 0 ? even - odd : even + odd) > TOUCH * total;
    for (int i = 0; i < count; ++i) near = near || std::fabs(pairs[i][0] - end * pairs[i][1]) < APART;
    if (near || count == n - 1) continue;
    pairs[count][0] = end;
    pairs[count++][1] = 1;
  }
  return count;
}

}  // namespace
}  // namespace VISIONOPS_ISA
}  // namespace visionops
