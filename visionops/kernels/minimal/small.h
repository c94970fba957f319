// Vectors and matrices of a few numbers.
#pragma once

#include <algorithm>
#include <cmath>
#include <utility>

#include "common/isa.h"

namespace visionops {
namespace VISIONOPS_ISA {
namespace {

// Equations whose share that is new is smaller than this, relative to the largest, say nothing new.
constexpr double RANK = 1e-11;

inline void cross(const double* a, const double* b, double* out) {
  out[0] = a[1] * b[2] - a[2] * b[1];
  out[1] = a[2] * b[0] - a[0] * b[2];
  out[2] = a[0] * b[1] - a[1] * b[0];
}

template <int N>
double dot(const double* a, const double* b) {
  double sum = 0;
  for (int i = 0; i < N; ++i) sum += a[i] * b[i];
  return sum;
}

// Divides by the length, and returns it; 0 stays.
template <int N>
double normalize(double* a) {
  const double length = std::sqrt(dot<N>(a, a)), scale = length > 0 ? 1 / length : 1;
  for (int i = 0; i < N; ++i) a[i] *= scale;
  return length;
}

// The derivative of the determinant by each entry.
inline void cofactors(const double* m, double* out) {
  cross(m + 3, m + 6, out);
  cross(m + 6, m, out + 3);
  cross(m, m + 3, out + 6);
}

// out = a b
inline void multiply(const double* a, const double* b, double* out) {
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j) out[3 * i + j] = a[3 * i] * b[j] + a[3 * i + 1] * b[3 + j] + a[3 * i + 2] * b[6 + j];
}

// out = M v, and M^T v
inline void apply(const double* m, const double* v, double* out) {
  for (int i = 0; i < 3; ++i) out[i] = m[3 * i] * v[0] + m[3 * i + 1] * v[1] + m[3 * i + 2] * v[2];
}
inline void apply_transposed(const double* m, const double* v, double* out) {
  for (int i = 0; i < 3; ++i) out[i] = m[i] * v[0] + m[3 + i] * v[1] + m[6 + i] * v[2];
}

// Multiplies by -1 if the entry of the largest size is negative.
inline void turn_positive(double* m) {
  int largest = 0;
  for (int i = 1; i < 9; ++i) largest = std::fabs(m[i]) > std::fabs(m[largest]) ? i : largest;
  if (m[largest] < 0)
    for (int i = 0; i < 9; ++i) m[i] = -m[i];
}

// Rows A (M, 9) by reflections: A^T = Q [R; 0].
template <int M>
struct Rows {
  double a[M][9];     // of unit length, unless 0
  double scale[M];    // 1 / the length that they had
  double v[M][9];     // reflections, of unit length from their own index on
  double r[M][M];     // column by column: r[j][i], i <= j

  // Row i is x2 x1^T of a match.
  void set(int i, const double* x1, const double* x2) {
    for (int j = 0; j < 3; ++j)
      for (int k = 0; k < 3; ++k) a[i][3 * j + k] = x2[j] * x1[k];
    const double length = normalize<9>(a[i]);
    scale[i] = length > 0 ? 1 / length : 1;
  }

  // Returns whether they are of rank M.
  bool factor() {
    double least = INFINITY, most = 0;
    for (int j = 0; j < M; ++j) {
      double x[9];
      std::copy(a[j], a[j] + 9, x);
      for (int i = 0; i < j; ++i) reflect(i, x);
      double below = 0;
      for (int k = j + 1; k < 9; ++k) below += x[k] * x[k];
      const double length = std::sqrt(below + x[j] * x[j]);
      // LAPACK's signs: the basis, and with it the order of roots, is then that of the definition.
      const double pivot = below == 0 ? x[j] : x[j] >= 0 ? -length : length;
      for (int i = 0; i < j; ++i) r[j][i] = x[i];
      r[j][j] = pivot;
      x[j] -= pivot;
      double size = 0;
      for (int k = j; k < 9; ++k) size += x[k] * x[k];
      const double unit = size > 0 ? 1 / std::sqrt(size) : 0;
      for (int k = 0; k < 9; ++k) v[j][k] = k < j ? 0 : x[k] * unit;
      least = std::min(least, std::fabs(pivot));
      most = std::max(most, std::fabs(pivot));
    }
    return least > RANK * most;  // false for NaN
  }

  void reflect(int i, double* x) const {
    double along = 0;
    for (int k = i; k < 9; ++k) along += v[i][k] * x[k];
    for (int k = i; k < 9; ++k) x[k] -= 2 * along * v[i][k];
  }

  // The k-th of the 9 - M unit vectors that the rows map to 0.
  void null_vector(int k, double* out) const {
    std::fill(out, out + 9, 0.0);
    out[M + k] = 1;
    for (int i = M - 1; i >= 0; --i) reflect(i, out);
  }

  // out = (A^+)^T w
  void pull(const double* w, double* out) const {
    double x[9];
    std::copy(w, w + 9, x);
    for (int i = 0; i < M; ++i) reflect(i, x);
    for (int i = M - 1; i >= 0; --i) {
      double s = x[i];
      for (int j = i + 1; j < M; ++j) s -= r[j][i] * out[j];
      out[i] = s / r[i][i];
    }
  }
};

// Solves M X = B by elimination with pivots, in place: M becomes garbage, B becomes X. Returns whether M is regular.
template <int N, int K>
bool solve(double (&m)[N][N], double (&b)[N][K]) {
  bool regular = true;
  for (int j = 0; j < N; ++j) {
    int best = j;
    for (int i = j + 1; i < N; ++i) best = std::fabs(m[i][j]) > std::fabs(m[best][j]) ? i : best;
    if (best != j) {
      std::swap_ranges(m[j], m[j] + N, m[best]);
      std::swap_ranges(b[j], b[j] + K, b[best]);
    }
    regular = regular && std::fabs(m[j][j]) > 0;
    const double inverse = 1 / m[j][j];
    for (int i = j + 1; i < N; ++i) {
      const double factor = m[i][j] * inverse;
      for (int k = j + 1; k < N; ++k) m[i][k] -= factor * m[j][k];
      for (int k = 0; k < K; ++k) b[i][k] -= factor * b[j][k];
    }
  }
  for (int i = N - 1; i >= 0; --i) {
    const double inverse = 1 / m[i][i];
    for (int j = i + 1; j < N; ++j)
      for (int k = 0; k < K; ++k) b[i][k] -= m[i][j] * b[j][k];
    for (int k = 0; k < K; ++k) b[i][k] *= inverse;
  }
  return regular;
}

// Points of a problem, and whether all are finite.
template <class T>
bool read_points(const void* from, int64_t problem, int n, int dims, double (*out)[3]) {
  const T* const p = static_cast<const T*>(from) + problem * n * dims;
  double taint = 0;
  for (int i = 0; i < n; ++i) {
    out[i][2] = 1;
    for (int d = 0; d < dims; ++d) {
      out[i][d] = p[i * dims + d];
      taint += 0 * out[i][d];
    }
  }
  return taint == 0;
}

}  // namespace
}  // namespace VISIONOPS_ISA
}  // namespace visionops
