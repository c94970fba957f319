#include "epipolar/epipolar.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "common/isa.h"

namespace visionops {
namespace VISIONOPS_ISA {
namespace {

// Matches that are turned into planes of coordinates at once, for loops over them to be vector code.
constexpr int BLOCK = 64;

template <class T>
struct Block {
  T x1[BLOCK], y1[BLOCK], x2[BLOCK], y2[BLOCK];
  bool finite[BLOCK];

  // Matches that are not finite become `lost` in all coordinates.
  void read(const T* p1, const T* p2, int n, T lost) {
    for (int i = 0; i < n; ++i) {
      x1[i] = p1[2 * i];
      y1[i] = p1[2 * i + 1];
      x2[i] = p2[2 * i];
      y2[i] = p2[2 * i + 1];
      // Of infinity and of NaN, the difference with itself is NaN.
      finite[i] = (x1[i] - x1[i]) + (y1[i] - y1[i]) + (x2[i] - x2[i]) + (y2[i] - y2[i]) == 0;
      if (!finite[i]) x1[i] = y1[i] = x2[i] = y2[i] = lost;
    }
    for (int i = n; i < BLOCK; ++i) x1[i] = y1[i] = x2[i] = y2[i] = 0;
  }
};

template <class T>
bool is_finite(const T* f) {
  T zero = 0;
  for (int k = 0; k < 9; ++k) zero += f[k] - f[k];
  return zero == 0;
}

// What both directions need of a match.
template <class T>
struct Lines {
  T l1x, l1y, l2x, l2y, c, n1, n2, least;

  Lines(const T* f, T tiny, T x1, T y1, T x2, T y2) {
    l2x = f[0] * x1 + f[1] * y1 + f[2];
    l2y = f[3] * x1 + f[4] * y1 + f[5];
    const T l2z = f[6] * x1 + f[7] * y1 + f[8];
    l1x = f[0] * x2 + f[3] * y2 + f[6];
    l1y = f[1] * x2 + f[4] * y2 + f[7];
    c = x2 * l2x + y2 * l2y + l2z;
    n1 = l1x * l1x + l1y * l1y;
    n2 = l2x * l2x + l2y * l2y;
    // What of the lines is rounding.
    const T far1 = std::max(std::fabs(x1), std::fabs(y1)), far2 = std::max(std::fabs(x2), std::fabs(y2));
    const T size = tiny * std::max(T(1), std::max(far1, far2));
    least = size * size;
  }

  // 1 / length, or 0 of a line that is none.
  T over(T length) const { return length <= least ? T(0) : 1 / (length <= least ? T(1) : length); }
};

template <class T>
T rounding_of(const T* f) {
  T largest = 0;
  for (int k = 0; k < 9; ++k) largest = std::max(largest, std::fabs(f[k]));
  return largest * std::numeric_limits<T>::epsilon();
}

template <class T, bool EACH>
void find(const Matching& job, int64_t sample, int64_t begin, int64_t end) {
  const T* const f = static_cast<const T*>(job.matrices) + 9 * sample;
  const T* const p1 = static_cast<const T*>(job.points1) + sample * job.step1;
  const T* const p2 = static_cast<const T*>(job.points2) + sample * job.step2;
  T* const out = static_cast<T*>(job.out) + sample * job.n;
  constexpr T NONE = std::numeric_limits<T>::quiet_NaN();
  if (!is_finite(f)) {
    std::fill(out + begin, out + end, NONE);
    return;
  }
  const T tiny = rounding_of(f);
  Block<T> block;
  for (int64_t at = begin; at < end; at += BLOCK) {
    const int n = static_cast<int>(std::min<int64_t>(BLOCK, end - at));
    block.read(p1 + 2 * at, p2 + 2 * at, n, NONE);
    T values[BLOCK];
    for (int i = 0; i < BLOCK; ++i) {
      const Lines<T> l(f, tiny, block.x1[i], block.y1[i], block.x2[i], block.y2[i]);
      values[i] = l.c * l.c * (EACH ? l.over(l.n1) + l.over(l.n2) : l.over(l.n1 + l.n2));
    }
    std::copy(values, values + n, out + at);
  }
}

template <class T, bool EACH>
void pull(const Matching& job, int64_t sample, int64_t begin, int64_t end) {
  const T* f = static_cast<const T*>(job.matrices) + 9 * sample;
  const T zeros[9] = {};
  const bool known = is_finite(f);
  if (!known) f = zeros;
  const T* const p1 = static_cast<const T*>(job.points1) + sample * job.step1;
  const T* const p2 = static_cast<const T*>(job.points2) + sample * job.step2;
  const T* const grad = static_cast<const T*>(job.grad) + sample * job.n;
  T* const by1 = job.by_points1 ? static_cast<T*>(job.by_points1) + sample * job.n * 2 : nullptr;
  T* const by2 = job.by_points2 ? static_cast<T*>(job.by_points2) + sample * job.n * 2 : nullptr;
  const T tiny = rounding_of(f);
  T sums[9][BLOCK] = {};  // by the place in a block
  Block<T> block;
  for (int64_t at = begin; at < end; at += BLOCK) {
    const int n = static_cast<int>(std::min<int64_t>(BLOCK, end - at));
    // A match that is not finite has no gradient, and neither has a matrix.
    block.read(p1 + 2 * at, p2 + 2 * at, n, 0);
    T g[BLOCK] = {}, by[4][BLOCK];
    for (int i = 0; i < n; ++i) g[i] = known && block.finite[i] ? grad[at + i] : T(0);
    for (int i = 0; i < BLOCK; ++i) {
      const T x1 = block.x1[i], y1 = block.y1[i], x2 = block.x2[i], y2 = block.y2[i];
      const Lines<T> l(f, tiny, x1, y1, x2, y2);
      const T both = l.over(l.n1 + l.n2);
      const T i1 = EACH ? l.over(l.n1) : both, i2 = EACH ? l.over(l.n2) : both;
      const T twice = 2 * g[i] * l.c;
      const T alpha = twice * (EACH ? i1 + i2 : both);
      const T beta1 = -twice * l.c * i1 * i1, beta2 = -twice * l.c * i2 * i2;
      const T ax = alpha * x2 + beta2 * l.l2x, ay = alpha * y2 + beta2 * l.l2y, az = alpha;
      const T sx = beta1 * l.l1x, sy = beta1 * l.l1y, bx = alpha * x1 + sx, by_ = alpha * y1 + sy;
      by[0][i] = f[0] * ax + f[3] * ay + f[6] * az;
      by[1][i] = f[1] * ax + f[4] * ay + f[7] * az;
      by[2][i] = f[0] * bx + f[1] * by_ + f[2] * alpha;
      by[3][i] = f[3] * bx + f[4] * by_ + f[5] * alpha;
      sums[0][i] += ax * x1 + x2 * sx;
      sums[1][i] += ax * y1 + x2 * sy;
      sums[2][i] += ax;
      sums[3][i] += ay * x1 + y2 * sx;
      sums[4][i] += ay * y1 + y2 * sy;
      sums[5][i] += ay;
      sums[6][i] += az * x1 + sx;
      sums[7][i] += az * y1 + sy;
      sums[8][i] += az;
    }
    for (int i = 0; by1 && i < n; ++i) {
      by1[2 * (at + i)] = by[0][i];
      by1[2 * (at + i) + 1] = by[1][i];
    }
    for (int i = 0; by2 && i < n; ++i) {
      by2[2 * (at + i)] = by[2][i];
      by2[2 * (at + i) + 1] = by[3][i];
    }
  }
  if (!job.sums) return;
  const int64_t stretches = (job.n + STRETCH - 1) / STRETCH;
  double* const out = job.sums + (sample * stretches + begin / STRETCH) * 9;
  for (int k = 0; k < 9; ++k) {
    double sum = 0;
    for (T v : sums[k]) sum += v;
    out[k] = sum;
  }
}

}  // namespace

template <class T>
void epipolar_distances(const Matching& job, int64_t sample, int64_t begin, int64_t end) {
  (job.each ? find<T, true> : find<T, false>)(job, sample, begin, end);
}

template <class T>
void epipolar_adjoint(const Matching& job, int64_t sample, int64_t begin, int64_t end) {
  (job.each ? pull<T, true> : pull<T, false>)(job, sample, begin, end);
}

template void epipolar_distances<float>(const Matching&, int64_t, int64_t, int64_t);
template void epipolar_distances<double>(const Matching&, int64_t, int64_t, int64_t);
template void epipolar_adjoint<float>(const Matching&, int64_t, int64_t, int64_t);
template void epipolar_adjoint<double>(const Matching&, int64_t, int64_t, int64_t);

}  // namespace VISIONOPS_ISA
}  // namespace visionops
