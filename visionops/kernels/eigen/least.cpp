// Inverse iteration from below: with r = |M x - rho x| an eigenvalue lies within r of rho, so that M - (rho - r) I is
// positive definite if that is the least one. Its factors both prove that and make the next x; r falls quadratically.
// What they do not settle, equal least eigenvalues above all, is left to rotations.
#include <algorithm>
#include <cmath>

#include "eigen/lanes.h"

namespace visionops {
namespace VISIONOPS_ISA {
namespace {

// How often the first factors are used, before there is anything to shift by, and how often there are new ones.
constexpr int FIRST = 4, STEPS = 12;
// |M x - rho x| that counts as rounding, and the least shift below an eigenvalue; both of the matrix's norm.
constexpr double SETTLED = 1e-14, BELOW = 1e-14;

struct Least8 {
  int n;
  Lanes m[LARGEST_MATRIX][LARGEST_MATRIX];
  Lanes f[LARGEST_MATRIX][LARGEST_MATRIX];  // lower: L of L D L^T; upper: D L^T; f[i][i]: 1 / D
  Lanes x[LARGEST_MATRIX], y[LARGEST_MATRIX];
  Lanes rho, rest, least;

  // Factors m - shift I + weight x x^T, and keeps the least of D.
  void factor(const Lanes& shift, double weight) {
    least = shift - shift + 1;
    for (int j = 0; j < n; ++j) {
      Lanes d = m[j][j] - shift + weight * x[j] * x[j];
      for (int k = 0; k < j; ++k) d -= f[k][j] * f[j][k];
      least = d < least ? d : least;
      const Lanes inverse = 1 / d;
      f[j][j] = inverse;
      for (int i = j + 1; i < n; ++i) {
        Lanes v = m[i][j] + weight * x[i] * x[j];
        for (int k = 0; k < j; ++k) v -= f[i][k] * f[k][j];
        f[j][i] = v;
        f[i][j] = v * inverse;
      }
    }
  }

  // Solves for y in place.
  void solve() {
    for (int i = 0; i < n; ++i) {
      Lanes v = y[i];
      for (int k = 0; k < i; ++k) v -= f[i][k] * y[k];
      y[i] = v;
    }
    for (int i = n - 1; i >= 0; --i) {
      Lanes v = y[i] * f[i][i];
      for (int k = i + 1; k < n; ++k) v -= f[k][i] * y[k];
      y[i] = v;
    }
  }

  // x becomes y / |y|, with its quotient and rest, where M - shift I was positive definite.
  void accept() {
    Lanes scale = y[0] * y[0];
    for (int i = 1; i < n; ++i) scale += y[i] * y[i];
    root(scale);
    scale = 1 / scale;
    for (int i = 0; i < n; ++i) x[i] = least > 0 ? y[i] * scale : x[i];
    rho = x[0] - x[0];
    for (int i = 0; i < n; ++i) {
      Lanes s = m[i][0] * x[0];
      for (int k = 1; k < n; ++k) s += m[i][k] * x[k];
      y[i] = s;
      rho += x[i] * s;
    }
    rest = x[0] - x[0];
    for (int i = 0; i < n; ++i) {
      const Lanes e = y[i] - rho * x[i];
      rest += e * e;
    }
    root(rest);
  }
};

// M - shift I is positive definite, and its least eigenvalue nearer to the shift than rounding tells apart.
bool settled(const Least8& g, const Lanes& shift, int l) {
  return g.least[l] > 0 && g.rest[l] <= SETTLED && g.rho[l] - shift[l] < 4 * BELOW;
}

// The same by rotations, of one matrix.
void by_rotations(const Least& job, int64_t at) {
  const int n = job.n;
  const int64_t area = int64_t{n} * n;
  double values[LARGEST_MATRIX], vectors[LARGEST_MATRIX * LARGEST_MATRIX];
  eigen_group({job.matrices + at * area, 1, n, values, vectors}, 0);
  double square = 0;
  for (int i = 0; i < n; ++i) square += values[i] * values[i];
  const bool unique = n == 1 || values[1] - values[0] > job.gap * std::sqrt(square);
  for (int i = 0; i < n; ++i) job.vectors[at * n + i] = vectors[i * n];
  double* const p = job.inverses + at * area;
  std::fill(p, p + area, 0.0);
  for (int k = 1; unique && k < n; ++k)
    for (int i = 0; i < n; ++i)
      for (int j = 0; j < n; ++j) p[i * n + j] += vectors[i * n + k] * vectors[j * n + k] / (values[k] - values[0]);
  job.unique[at] = unique;
}

void turn_positive(double* vector, int n) {
  int largest = 0;
  for (int i = 1; i < n; ++i) largest = std::fabs(vector[i]) > std::fabs(vector[largest]) ? i : largest;
  const double sign = vector[largest] < 0 ? -1 : 1;
  for (int i = 0; i < n; ++i) vector[i] *= sign;
}

}  // namespace

void least_group(const Least& job, int64_t group) {
  const int n = job.n;
  const int64_t first = group * GROUP, area = int64_t{n} * n;
  const int used = static_cast<int>(std::min<int64_t>(GROUP, job.count - first));
  Least8 g;
  g.n = n;
  Lanes norm, shift, low;
  for (int l = 0; l < GROUP; ++l) {
    const double* const m = job.matrices + (first + std::min(l, used - 1)) * area;
    double square = 0;
    for (int i = 0; i < area; ++i) square += m[i] * m[i];
    norm[l] = std::sqrt(square);
    const double scale = 1 / norm[l];
    for (int i = 0; i < n; ++i)
      for (int j = 0; j < n; ++j) g.m[i][j][l] = m[i * n + j] * scale;
    // Most matrices are products A^T A, without negative eigenvalues but for rounding; none has one below its norm.
    shift[l] = -BELOW;
    low[l] = -1.01;
  }
  for (int i = 0; i < n; ++i) {
    // A start that no eigenvector of a symmetric problem is likely to be orthogonal to.
    g.x[i] = norm - norm + (1 + ((i * 5) % 7 - 3) * 0.1);
    g.y[i] = g.x[i];
  }
  g.least = norm - norm + 1;
  g.accept();
  for (int step = 0; step < STEPS; ++step) {
    g.factor(shift, 0);
    bool all = true;
    for (int l = 0; l < GROUP; ++l) all = all && settled(g, shift, l);
    if (all) break;
    std::copy(g.x, g.x + n, g.y);
    for (int i = 0; i < (step == 0 ? FIRST : 1); ++i) g.solve();
    g.accept();
    Lanes next = g.rho - 1.05 * g.rest;
    next = g.rest < BELOW ? g.rho - BELOW : next;
    next = next < shift ? shift : next;
    low = g.least > 0 ? shift : low;
    shift = g.least > 0 ? next : (low + shift) / 2;
  }
  bool proven[GROUP];
  for (int l = 0; l < GROUP; ++l) proven[l] = settled(g, shift, l);
  g.factor(g.rho, 1);
  Lanes spread = norm - norm;
  const Lanes scale = 1 / norm;
  for (int j = 0; j < n; ++j) {
    for (int i = 0; i < n; ++i) g.y[i] = norm - norm + (i == j);
    g.solve();
    for (int i = 0; i < n; ++i) {
      g.y[i] -= g.x[i] * g.x[j];
      spread += g.y[i] * g.y[i];
      g.y[i] *= scale;
      for (int l = 0; l < used; ++l) job.inverses[(first + l) * area + i * n + j] = g.y[i][l];
    }
  }
  for (int l = 0; l < used; ++l) {
    const int64_t at = first + l;
    // Ten times the gap, because the norm of all the inverse is taken for that of its largest part.
    if (proven[l] && g.least[l] > 0 && spread[l] * (100 * job.gap * job.gap) < 1) {
      for (int i = 0; i < n; ++i) job.vectors[at * n + i] = g.x[i][l];
      job.unique[at] = 1;
    } else {
      by_rotations(job, at);
    }
    turn_positive(job.vectors + at * n, n);
  }
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
