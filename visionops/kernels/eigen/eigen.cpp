// Cyclic Jacobi rotations: every matrix of a group is turned in the same plane at the same time, each by its own angle,
// so that the arithmetic is that of whole registers. Source: Golub and Van Loan, Matrix Computations, 2013, 8.5.
#include <algorithm>

#include "eigen/lanes.h"

namespace visionops {
namespace VISIONOPS_ISA {
namespace {

// Convergence is quadratic: nine by nine takes six or seven sweeps. NaN never converges, and must end.
constexpr int SWEEPS = 16;
// What is left beside the diagonal, squared and relative to the matrix: below rounding.
constexpr double REST = 1e-34;

struct Group {
  int n;
  Lanes a[LARGEST_MATRIX][LARGEST_MATRIX];  // the upper triangle counts
  Lanes v[LARGEST_MATRIX][LARGEST_MATRIX];  // rows are vectors

  void rotate(int p, int q) {
    const Lanes off = a[p][q], nothing = off - off;
    const Lanes ratio = (a[q][q] - a[p][p]) / (2 * (off == 0 ? nothing + 1 : off));
    Lanes size = ratio < 0 ? -ratio : ratio, hypotenuse = ratio * ratio + 1;
    root(hypotenuse);
    Lanes tangent = 1 / (size + hypotenuse);
    tangent = ratio < 0 ? -tangent : tangent;
    tangent = off == 0 ? nothing : tangent;
    Lanes length = tangent * tangent + 1;
    root(length);
    const Lanes cosine = 1 / length, sine = tangent * cosine;
    a[p][p] -= tangent * off;
    a[q][q] += tangent * off;
    a[p][q] = nothing;
    for (int k = 0; k < p; ++k) turn(a[k][p], a[k][q], cosine, sine);
    for (int k = p + 1; k < q; ++k) turn(a[p][k], a[k][q], cosine, sine);
    for (int k = q + 1; k < n; ++k) turn(a[p][k], a[q][k], cosine, sine);
    for (int k = 0; k < n; ++k) turn(v[p][k], v[q][k], cosine, sine);
  }

  static void turn(Lanes& x, Lanes& y, const Lanes& cosine, const Lanes& sine) {
    const Lanes before = x;
    x = cosine * before - sine * y;
    y = sine * before + cosine * y;
  }

  bool converged() const {
    Lanes off = a[0][0] - a[0][0], on = off;
    for (int p = 0; p < n; ++p) {
      on += a[p][p] * a[p][p];
      for (int q = p + 1; q < n; ++q) off += a[p][q] * a[p][q];
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
