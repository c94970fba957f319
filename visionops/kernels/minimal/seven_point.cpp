// The fundamental matrices of seven matches, and their adjoint by the implicit function theorem: with the rows A and the
// unit vector s of their null space beside f,  df = -A^+ dA f + s mu,  mu such that cof(F) . df = 0.
#include "linear/pairs.h"
#include "minimal/roots.h"
#include "minimal/small.h"

namespace visionops {
namespace VISIONOPS_ISA {
namespace {

constexpr int N = 7;
// Where every matrix of the pencil is singular (planes, rotations) the cubic is 0 within rounding.
// That of points in float64, and in float32.
template <class T>
constexpr double SINGULAR = sizeof(T) == sizeof(float) ? 1e-5 : 1e-11;
// A root whose slope is smaller than this, of a cubic with terms of size one, is double: it has no derivative.
constexpr double FLAT = 1e-8;

// Turns points into normalised ones.
Normalization normalize(double (&x)[N][3]) {
  double points[2 * N], shares[N];
  for (int i = 0; i < N; ++i) {
    std::copy(x[i], x[i] + 2, points + 2 * i);
    shares[i] = 1.0 / N;
  }
  Normalization t;
  t.find(points, shares, N);
  for (int i = 0; i < N; ++i) t.apply(points + 2 * i, x[i]);
  return t;
}

// The pencil of a problem; false where it has none.
struct Problem {
  double x1[N][3], x2[N][3];  // normalised
  Normalization one, two;
  Rows<N> rows;
  double first[9], second[9], cubic[4];

  template <class T>
  bool read(const Matches& job, int64_t i) {
    const bool finite = read_points<T>(job.points1, i, N, 2, x1) & read_points<T>(job.points2, i, N, 2, x2);
    if (!finite) return false;
    one = normalize(x1);
    two = normalize(x2);
    for (int k = 0; k < N; ++k) rows.set(k, x1[k], x2[k]);
    if (!rows.factor()) return false;
    rows.null_vector(0, first);
    rows.null_vector(1, second);
    double c1[9], c2[9];
    cofactors(first, c1);
    cofactors(second, c2);
    cubic[0] = dot<3>(c2, second);
    cubic[1] = dot<9>(c2, first);
    cubic[2] = dot<9>(c1, second);
    cubic[3] = dot<3>(c1, first);
    double largest = 0;
    for (double c : cubic) largest = std::max(largest, std::fabs(c));
    return largest > SINGULAR<T>;
  }
};

template <class T>
void solve_all(const Matches& job, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) {
    T* const slots = static_cast<T*>(job.slots) + i * SEVEN_SLOTS * SLOT;
    std::fill(slots, slots + SEVEN_SLOTS * SLOT, T(0));
    Problem p;
    if (!p.read<T>(job, i)) continue;
    double pairs[SEVEN_SLOTS][2];
    const int found = real_roots_of(p.cubic, 4, pairs);
    for (int s = 0; s < found; ++s) {
      normalize<2>(pairs[s]);
      double f[9], out[9];
      for (int k = 0; k < 9; ++k) f[k] = pairs[s][0] * p.first[k] + pairs[s][1] * p.second[k];
      map_both<&Normalization::map_transposed, &Normalization::map_transposed>(p.two, p.one, f, out);
      normalize<9>(out);
      turn_positive(out);
      for (int k = 0; k < 9; ++k) slots[s * SLOT + k] = static_cast<T>(out[k]);
      slots[s * SLOT + 9] = T(SINGLE);
    }
  }
}

template <class T>
void pull_all(const Matches& job, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) {
    T* const by1 = static_cast<T*>(job.by_points1) + i * N * 2;
    T* const by2 = static_cast<T*>(job.by_points2) + i * N * 2;
    double sum1[N][2] = {}, sum2[N][2] = {};
    const T* const slots = static_cast<const T*>(job.slots) + i * SEVEN_SLOTS * SLOT;
    const T* const grads = static_cast<const T*>(job.grad) + i * SEVEN_SLOTS * SLOT;
    Problem p;
    const bool some = p.read<T>(job, i);
    for (int s = 0; some && s < SEVEN_SLOTS; ++s) {
      if (slots[s * SLOT + 9] == T(NOTHING)) continue;
      double out[9], grad[9], f[9], g[9];
      std::copy(slots + s * SLOT, slots + s * SLOT + 9, out);
      std::copy(grads + s * SLOT, grads + s * SLOT + 9, grad);
      // Float32 has rounded F: in normalised coordinates it is brought back into the pencil.
      map_both<&Normalization::map_inverse_transposed, &Normalization::map_inverse_transposed>(p.two, p.one, out, f);
      double ab[2] = {dot<9>(f, p.first), dot<9>(f, p.second)};
      normalize<2>(ab);
      double aside[9], cofactor[9], there[9];
      for (int k = 0; k < 9; ++k) {
        f[k] = ab[0] * p.first[k] + ab[1] * p.second[k];
        aside[k] = ab[1] * p.first[k] - ab[0] * p.second[k];
      }
      cofactors(f, cofactor);
      const double slope = dot<9>(cofactor, aside);
      if (!(std::fabs(slope) > FLAT)) continue;
      map_both<&Normalization::map_transposed, &Normalization::map_transposed>(p.two, p.one, f, there);
      const double length = normalize<9>(there), along = dot<9>(there, grad);
      for (int k = 0; k < 9; ++k) grad[k] = (grad[k] - along * there[k]) / length;
      map_both<&Normalization::map, &Normalization::map>(p.two, p.one, grad, g);
      const double beside = dot<9>(g, aside) / slope;
      for (int k = 0; k < 9; ++k) g[k] -= beside * cofactor[k];
      double lambda[N];
      p.rows.pull(g, lambda);
      for (int k = 0; k < N; ++k) {
        double l1[3], l2[3];
        apply_transposed(f, p.x2[k], l1);
        apply(f, p.x1[k], l2);
        const double by = -lambda[k] * p.rows.scale[k];
        for (int d = 0; d < 2; ++d) {
          sum1[k][d] += by * p.one.scale * l1[d];
          sum2[k][d] += by * p.two.scale * l2[d];
        }
      }
    }
    for (int k = 0; k < N; ++k)
      for (int d = 0; d < 2; ++d) {
        by1[2 * k + d] = static_cast<T>(sum1[k][d]);
        by2[2 * k + d] = static_cast<T>(sum2[k][d]);
      }
  }
}

}  // namespace

void seven_point(const Matches& job, int64_t begin, int64_t end) {
  (job.doubles ? solve_all<double> : solve_all<float>)(job, begin, end);
}

void seven_point_adjoint(const Matches& job, int64_t begin, int64_t end) {
  (job.doubles ? pull_all<double> : pull_all<float>)(job, begin, end);
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
