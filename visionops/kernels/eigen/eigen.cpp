// Cyclic Jacobi rotations: every matrix of a group is turned in the same plane at the same time, each by its own angle,
// so that the arithmetic is that of whole registers. Source: Golub and Van Loan, Matrix Computations, 2013, 8.5.
#include "eigen/eigen.h"

#include <algorithm>
#include <cmath>

namespace visionops {
namespace VISIONOPS_ISA {
namespace {

// Convergence is quadratic: nine by nine takes six or seven sweeps. NaN never converges, and must end.
constexpr int SWEEPS = 16;
// What is left beside the diagonal, squared and relative to the matrix: below rounding.
constexpr double REST = 1e-34;

using Lane = double[GROUP];

struct Group {
  int n;
  alignas(64) Lane a[LARGEST_MATRIX][LARGEST_MATRIX];  // the upper triangle counts
  alignas(64) Lane v[LARGEST_MATRIX][LARGEST_MATRIX];  // rows are vectors

  void rotate(int p, int q) {
    alignas(64) Lane sine, cosine, tangent;
    for (int l = 0; l < GROUP; ++l) {
      const double off = a[p][q][l];
      const double ratio = (a[q][q][l] - a[p][p][l]) / (2 * (off == 0 ? 1.0 : off));
      const double t = std::copysign(1 / (std::fabs(ratio) + std::sqrt(ratio * ratio + 1)), ratio);
      tangent[l] = off == 0 ? 0.0 : t;
      cosine[l] = 1 / std::sqrt(tangent[l] * tangent[l] + 1);
      sine[l] = tangent[l] * cosine[l];
    }
    for (int l = 0; l < GROUP; ++l) {
      a[p][p][l] -= tangent[l] * a[p][q][l];
      a[q][q][l] += tangent[l] * a[p][q][l];
      a[p][q][l] = 0;
    }
    for (int k = 0; k < p; ++k) turn(a[k][p], a[k][q], cosine, sine);
    for (int k = p + 1; k < q; ++k) turn(a[p][k], a[k][q], cosine, sine);
    for (int k = q + 1; k < n; ++k) turn(a[p][k], a[q][k], cosine, sine);
    for (int k = 0; k < n; ++k) turn(v[p][k], v[q][k], cosine, sine);
  }

  static void turn(Lane& x, Lane& y, const Lane& cosine, const Lane& sine) {
    for (int l = 0; l < GROUP; ++l) {
      const double before = x[l];
      x[l] = cosine[l] * before - sine[l] * y[l];
      y[l] = sine[l] * before + cosine[l] * y[l];
    }
  }

  bool converged() const {
    alignas(64) Lane off{}, on{};
    for (int p = 0; p < n; ++p) {
      for (int l = 0; l < GROUP; ++l) on[l] += a[p][p][l] * a[p][p][l];
      for (int q = p + 1; q < n; ++q)
        for (int l = 0; l < GROUP; ++l) off[l] += a[p][q][l] * a[p][q][l];
    }
    bool all = true;
    for (int l = 0; l < GROUP; ++l) all = all && off[l] <= REST * on[l];
    return all;
  }
};

}  // namespace

void eigen_group(const Eigen& job, int64_t group) {
  const int n = job.n;
  const int64_t first = group * GROUP, area = int64_t{n} * n;
  const int used = static_cast<int>(std::min<int64_t>(GROUP, job.count - first));
  Group g;
  g.n = n;
  for (int i = 0; i < n; ++i)
    for (int j = 0; j < n; ++j)
      for (int l = 0; l < GROUP; ++l) {
        // Both triangles are read, so that one that is not finite does not pass unseen.
        const double* const m = job.matrices + (first + std::min(l, used - 1)) * area;
        g.a[i][j][l] = (m[i * n + j] + m[j * n + i]) / 2;
        g.v[i][j][l] = i == j;
      }
  for (int sweep = 0; sweep < SWEEPS && !g.converged(); ++sweep)
    for (int p = 0; p < n; ++p)
      for (int q = p + 1; q < n; ++q) g.rotate(p, q);
  for (int l = 0; l < used; ++l) {
    int order[LARGEST_MATRIX];
    for (int i = 0; i < n; ++i) {
      int at = i;
      for (; at > 0 && g.a[i][i][l] < g.a[order[at - 1]][order[at - 1]][l]; --at) order[at] = order[at - 1];
      order[at] = i;
    }
    double* const values = job.values + (first + l) * n;
    double* const vectors = job.vectors + (first + l) * area;
    for (int i = 0; i < n; ++i) {
      values[i] = g.a[order[i]][order[i]][l];
      for (int k = 0; k < n; ++k) vectors[k * n + i] = g.v[order[i]][k][l];
    }
  }
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
