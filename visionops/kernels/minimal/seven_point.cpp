// The fundamental matrices of seven matches, and their adjoint by the implicit function theorem: with the rows A and the
// unit vector s of their null space beside f,  df = -A^+ dA f + s mu,  mu such that cof(F) . df = 0.
#include <limits>

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

// Points whose centre is 0 and whose mean squared distance from it is 2: x -> scale (x - centre).
struct Normalized {
  double x[N][3];
  double scale, cx = 0, cy = 0;

  void normalize() {
    for (const auto& p : x) {
      cx += p[0] / N;
      cy += p[1] / N;
    }
    double square = 0;
    for (auto& p : x) {
      p[0] -= cx;
      p[1] -= cy;
      square += (p[0] * p[0] + p[1] * p[1]) / N;
    }
    // Below this the spread is rounding of the coordinates themselves.
    const double floor = 8 * std::numeric_limits<double>::epsilon() * std::max(std::fabs(cx), std::fabs(cy));
    scale = square > floor * floor ? std::sqrt(2 / square) : 1;
    for (auto& p : x) {
      p[0] *= scale;
      p[1] *= scale;
    }
  }

  // out = T v of homogeneous v, T^T v, and T^-T v
  void map_transposed(const double* v, double* out) const {
    out[0] = scale * v[0];
    out[1] = scale * v[1];
    out[2] = v[2] - scale * (cx * v[0] + cy * v[1]);
  }
  void map(const double* v, double* out) const {
    out[0] = scale * (v[0] - cx * v[2]);
    out[1] = scale * (v[1] - cy * v[2]);
    out[2] = v[2];
  }
  void map_inverse_transposed(const double* v, double* out) const {
    out[0] = v[0] / scale;
    out[1] = v[1] / scale;
    out[2] = v[2] + cx * v[0] + cy * v[1];
  }
};

template <void (Normalized::*left)(const double*, double*) const, void (Normalized::*right)(const double*, double*) const>
void map_both(const Normalized& two, const Normalized& one, const double* f, double* out) {
  double half[9];
  for (int i = 0; i < 3; ++i) (one.*right)(f + 3 * i, half + 3 * i);
  for (int j = 0; j < 3; ++j) {
    const double column[3] = {half[j], half[3 + j], half[6 + j]};
    double mapped[3];
    (two.*left)(column, mapped);
    for (int i = 0; i < 3; ++i) out[3 * i + j] = mapped[i];
  }
}

// The pencil of a problem; false where it has none.
struct Problem {
  Normalized one, two;
  Rows<N> rows;
  double first[9], second[9], cubic[4];

  template <class T>
  bool read(const Matches& job, int64_t i) {
    const bool finite = read_points<T>(job.points1, i, N, 2, one.x) & read_points<T>(job.points2, i, N, 2, two.x);
    if (!finite) return false;
    one.normalize();
    two.normalize();
    for (int k = 0; k < N; ++k) rows.set(k, one.x[k], two.x[k]);
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
      map_both<&Normalized::map_transposed, &Normalized::map_transposed>(p.two, p.one, f, out);
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
      map_both<&Normalized::map_inverse_transposed, &Normalized::map_inverse_transposed>(p.two, p.one, out, f);
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
      map_both<&Normalized::map_transposed, &Normalized::map_transposed>(p.two, p.one, f, there);
      const double length = normalize<9>(there), along = dot<9>(there, grad);
      for (int k = 0; k < 9; ++k) grad[k] = (grad[k] - along * there[k]) / length;
      map_both<&Normalized::map, &Normalized::map>(p.two, p.one, grad, g);
      const double beside = dot<9>(g, aside) / slope;
      for (int k = 0; k < 9; ++k) g[k] -= beside * cofactor[k];
      double lambda[N];
      p.rows.pull(g, lambda);
      for (int k = 0; k < N; ++k) {
        double l1[3], l2[3];
        apply_transposed(f, p.two.x[k], l1);
        apply(f, p.one.x[k], l2);
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
