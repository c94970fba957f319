// The essential matrices of five matches, and their adjoint on the pose (R, t) of each: five equations in five unknowns.
#include "minimal/roots.h"
#include "minimal/small.h"

namespace visionops {
namespace VISIONOPS_ISA {
namespace {

constexpr int N = 5;
// Rounds of Newton steps, each with one inverse: the second is that of the exact root.
constexpr int ROUNDS = 2, POLISH = 3;
// A step so small, times the inverse, that the inverse is that of the root.
constexpr double SETTLED = 1e-4;
// |x2^T E x1| of unit equations, up to which a candidate is a root.
constexpr double RESIDUAL = 1e-9;
// The equations of a root may be so much worse than the best before it counts as double.
constexpr double CONDITION = 1e7;

// Monomials of degree three in (x, y, z, w), those with two of x and y or three first, in the order of elimination:
// xxx yyy xxy xyy xxz xxw yyz yyw xyz xyw, then xzz xzw xww yzz yzw yww zzz zzw zww www.
struct Monomials {
  int place[4][4][4];

  constexpr Monomials() : place{} {
    constexpr int exponents[20][4] = {{3, 0, 0, 0}, {0, 3, 0, 0}, {2, 1, 0, 0}, {1, 2, 0, 0}, {2, 0, 1, 0},
                                      {2, 0, 0, 1}, {0, 2, 1, 0}, {0, 2, 0, 1}, {1, 1, 1, 0}, {1, 1, 0, 1},
                                      {1, 0, 2, 0}, {1, 0, 1, 1}, {1, 0, 0, 2}, {0, 1, 2, 0}, {0, 1, 1, 1},
                                      {0, 1, 0, 2}, {0, 0, 3, 0}, {0, 0, 2, 1}, {0, 0, 1, 2}, {0, 0, 0, 3}};
    for (int i = 0; i < 4; ++i)
      for (int j = 0; j < 4; ++j)
        for (int k = 0; k < 4; ++k) {
          int count[4] = {};
          ++count[i];
          ++count[j];
          ++count[k];
          for (int m = 0; m < 20; ++m) {
            bool same = true;
            for (int d = 0; d < 4; ++d) same = same && exponents[m][d] == count[d];
            if (same) place[i][j][k] = m;
          }
        }
  }
};
constexpr Monomials MONOMIALS;

// The coefficients of the ten cubics: 2 E E^T E - tr(E E^T) E = 0, and det E = 0.
void equations_of(const double (&basis)[4][9], double (&left)[10][10], double (&right)[10][10]) {
  double all[10][20] = {};
  for (int i = 0; i < 4; ++i)
    for (int j = i; j < 4; ++j) {
      // 2 S - tr(S) I of the symmetric part of every pair, and the minors of its last two rows.
      double gram[9], minor[3];
      const double *const a = basis[i], *const b = basis[j];
      const double weight = i == j ? 0.5 : 1;
      for (int r = 0; r < 3; ++r)
        for (int c = 0; c < 3; ++c)
          gram[3 * r + c] = 2 * weight * (dot<3>(a + 3 * r, b + 3 * c) + dot<3>(b + 3 * r, a + 3 * c));
      const double trace = (gram[0] + gram[4] + gram[8]) / 2;
      gram[0] -= trace;
      gram[4] -= trace;
      gram[8] -= trace;
      double one[3], other[3];
      cross(a + 3, b + 6, one);
      cross(b + 3, a + 6, other);
      for (int d = 0; d < 3; ++d) minor[d] = weight * (one[d] + other[d]);
      for (int k = 0; k < 4; ++k) {
        const int m = MONOMIALS.place[i][j][k];
        double product[9];
        multiply(gram, basis[k], product);
        for (int e = 0; e < 9; ++e) all[e][m] += product[e];
        all[9][m] += dot<3>(minor, basis[k]);
      }
    }
  for (int e = 0; e < 10; ++e) {
    std::copy(all[e], all[e] + 10, left[e]);
    std::copy(all[e] + 10, all[e] + 20, right[e]);
  }
}

template <int A, int B>
void add_product(const double* a, const double* b, double sign, double* out) {
  for (int i = 0; i < A; ++i)
    for (int j = 0; j < B; ++j) out[i + j] += sign * a[i] * b[j];
}

// Three equations that are linear in x and y: coefficients of x, y and 1, powers of z ascending.
struct Hidden {
  double x[3][4], y[3][4], one[3][5], determinant[11];

  explicit Hidden(const double (&solved)[10][10]) {
    for (int e = 0; e < 3; ++e) {
      // x x z, y y z, x y z; and the same without z, times z.
      const double *const upper = solved[4 + 2 * e], *const lower = solved[5 + 2 * e];
      reduce<3>(upper, lower, x[e]);
      reduce<3>(upper + 3, lower + 3, y[e]);
      reduce<4>(upper + 6, lower + 6, one[e]);
    }
    std::fill(determinant, determinant + 11, 0.0);
    for (int k = 0; k < 3; ++k) {
      const int i = (k + 1) % 3, j = (k + 2) % 3;
      double minor[7] = {};
      add_product<4, 4>(x[i], y[j], 1, minor);
      add_product<4, 4>(x[j], y[i], -1, minor);
      add_product<7, 5>(minor, one[k], 1, determinant);
    }
  }

  template <int K>
  static void reduce(const double* upper, const double* lower, double* out) {
    for (int k = 0; k <= K; ++k) out[k] = (k < K ? upper[K - 1 - k] : 0) - (k > 0 ? lower[K - k] : 0);
  }

  // The weights of the four matrices at a root z = u / v.
  void weights_at(double u, double v, double* w) const {
    double rows[3][3];
    double pu[5] = {1}, pv[5] = {1};
    for (int k = 1; k < 5; ++k) {
      pu[k] = pu[k - 1] * u;
      pv[k] = pv[k - 1] * v;
    }
    for (int e = 0; e < 3; ++e) {
      // The columns of x and y are of degree three in z: the division by v is a multiplication of x and y.
      rows[e][0] = rows[e][1] = rows[e][2] = 0;
      for (int k = 0; k < 4; ++k) {
        rows[e][0] += x[e][k] * pu[k] * pv[3 - k];
        rows[e][1] += y[e][k] * pu[k] * pv[3 - k];
      }
      for (int k = 0; k < 5; ++k) rows[e][2] += one[e][k] * pu[k] * pv[4 - k];
    }
    double n[3];
    longest_cross(rows, n);
    w[0] = n[0];
    w[1] = n[1];
    w[2] = u * n[2];
    w[3] = v * n[2];
  }

  static void longest_cross(const double (&rows)[3][3], double* out) {
    cross(rows[0], rows[2], out);
    double most = dot<3>(out, out);
    for (int i = 1; i < 3; ++i) {
      double n[3];
      cross(rows[i], rows[i - 1], n);
      const double square = dot<3>(n, n);
      if (square > most) {
        most = square;
        std::copy(n, n + 3, out);
      }
    }
  }
};

// A pose with E = [t] R, |t| = 1.
struct Pose {
  double r[9], t[3], tangent[2][3];

  // Of a matrix near [t] R up to scale: t is orthogonal to its columns, R = cof(E) - [t] E (Horn 1990).
  bool read(const double* matrix) {
    double e[9];
    std::copy(matrix, matrix + 9, e);
    const double length = normalize<9>(e);
    if (!(length > 0)) return false;
    for (double& v : e) v *= std::sqrt(2.0);
    const double columns[3][3] = {{e[0], e[3], e[6]}, {e[1], e[4], e[7]}, {e[2], e[5], e[8]}};
    Hidden::longest_cross(columns, t);
    if (!(normalize<3>(t) > 0)) return false;
    double turned[9];
    crossed(t, e, turned);
    cofactors(e, r);
    for (int k = 0; k < 9; ++k) r[k] -= turned[k];
    for (int step = 0; step < 3; ++step) {  // Newton's iteration for the nearest rotation, from nearby
      const double back[9] = {r[0], r[3], r[6], r[1], r[4], r[7], r[2], r[5], r[8]};
      double square[9], cube[9];
      multiply(r, back, square);
      multiply(square, r, cube);
      for (int k = 0; k < 9; ++k) r[k] = 1.5 * r[k] - 0.5 * cube[k];
    }
    double sum = 0;
    for (double v : r) sum += 0 * v;
    return sum == 0;
  }

  // out = [v] M
  static void crossed(const double* v, const double* m, double* out) {
    for (int j = 0; j < 3; ++j) {
      out[j] = v[1] * m[6 + j] - v[2] * m[3 + j];
      out[3 + j] = v[2] * m[j] - v[0] * m[6 + j];
      out[6 + j] = v[0] * m[3 + j] - v[1] * m[j];
    }
  }

  void matrix(double* e) const { crossed(t, r, e); }

  // Two unit vectors that are orthogonal to t and to each other.
  void find_tangent() {
    int least = 0;
    for (int i = 1; i < 3; ++i) least = std::fabs(t[i]) < std::fabs(t[least]) ? i : least;
    const double axis[3] = {least == 0 ? 1.0 : 0.0, least == 1 ? 1.0 : 0.0, least == 2 ? 1.0 : 0.0};
    cross(t, axis, tangent[0]);
    normalize<3>(tangent[0]);
    cross(t, tangent[0], tangent[1]);
  }

  // The derivative of E by a turn of R from the left about each axis, and by t along its tangent.
  void derivatives(double (&out)[N][9]) const {
    double across[3];
    apply_transposed(r, t, across);
    for (int k = 0; k < 3; ++k) {
      // [t] [e_k] R, where [t] [e_k] = e_k t^T - t_k I.
      for (int e = 0; e < 9; ++e) out[k][e] = -t[k] * r[e];
      for (int j = 0; j < 3; ++j) out[k][3 * k + j] += across[j];
    }
    for (int k = 0; k < 2; ++k) crossed(tangent[k], r, out[3 + k]);
  }

  // Turns R by Cayley's map of the first three and moves t along its tangent.
  void move(const double* u) {
    const double a[3] = {u[0] / 2, u[1] / 2, u[2] / 2}, square = dot<3>(a, a), scale = 1 / (1 + square);
    const double turn[9] = {scale * (1 + a[0] * a[0] - a[1] * a[1] - a[2] * a[2]), scale * 2 * (a[0] * a[1] - a[2]),
                            scale * 2 * (a[0] * a[2] + a[1]), scale * 2 * (a[0] * a[1] + a[2]),
                            scale * (1 - a[0] * a[0] + a[1] * a[1] - a[2] * a[2]), scale * 2 * (a[1] * a[2] - a[0]),
                            scale * 2 * (a[0] * a[2] - a[1]), scale * 2 * (a[1] * a[2] + a[0]),
                            scale * (1 - a[0] * a[0] - a[1] * a[1] + a[2] * a[2])};
    double turned[9];
    multiply(turn, r, turned);
    std::copy(turned, turned + 9, r);
    for (int i = 0; i < 3; ++i) t[i] += tangent[0][i] * u[3] + tangent[1][i] * u[4];
    normalize<3>(t);
  }
};

// The inverse of the derivative of the equations at a pose, and its largest entry; infinity where there is none.
double invert(const Rows<N>& rows, const Pose& pose, double (&inverse)[N][N]) {
  double derivatives[N][9], matrix[N][N];
  pose.derivatives(derivatives);
  for (int i = 0; i < N; ++i)
    for (int j = 0; j < N; ++j) {
      matrix[i][j] = dot<9>(rows.a[i], derivatives[j]);
      inverse[i][j] = i == j;
    }
  if (!solve(matrix, inverse)) return INFINITY;
  double most = 0;
  bool finite = true;
  for (const auto& row : inverse)
    for (double v : row) {
      most = std::max(most, std::fabs(v));
      finite = finite && v == v;
    }
  return finite ? most : INFINITY;
}

Worth polish(const Rows<N>& rows, Pose& pose) {
  double inverse[N][N], e[9], first = 1, last = 1, condition = INFINITY;
  // Near a root that is not isolated the inverse is as large as that is near.
  for (int round = 0; round < ROUNDS && (round == 0 || first * condition > SETTLED); ++round) {
    pose.find_tangent();
    condition = invert(rows, pose, inverse);
    for (int step = 0; condition < CONDITION && step < POLISH; ++step) {
      double value[N], u[N], size = 0;
      pose.matrix(e);
      for (int i = 0; i < N; ++i) value[i] = -dot<9>(rows.a[i], e);
      for (int i = 0; i < N; ++i) {
        u[i] = dot<N>(inverse[i], value);
        size = std::max(size, std::fabs(u[i]));
      }
      pose.move(u);
      last = size;
      // What is left is the square of the first step, or the product of that and of the last.
      if (step == 0) first = size;
      if (size * first < 1e-18) break;
    }
  }
  pose.matrix(e);
  double most = 0, largest = 0;
  for (const auto& row : rows.a) {
    const double value = std::fabs(dot<9>(row, e));
    if (!(value <= most)) most = value;
    for (double v : row) largest = std::max(largest, std::fabs(v));
  }
  if (!(most <= RESIDUAL * largest)) return NOTHING;
  return condition < CONDITION && last * condition < SETTLED ? SINGLE : DOUBLE;
}

template <class T>
bool read(const Matches& job, int64_t i, double (&x1)[N][3], double (&x2)[N][3], Rows<N>& rows) {
  if (!(read_points<T>(job.points1, i, N, job.dims, x1) & read_points<T>(job.points2, i, N, job.dims, x2))) return false;
  for (int k = 0; k < N; ++k) rows.set(k, x1[k], x2[k]);
  return true;
}

template <class T>
void solve_all(const Matches& job, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) {
    T* const slots = static_cast<T*>(job.slots) + i * FIVE_SLOTS * SLOT;
    std::fill(slots, slots + FIVE_SLOTS * SLOT, T(0));
    double x1[N][3], x2[N][3], basis[4][9], left[10][10], right[10][10];
    Rows<N> rows;
    if (!read<T>(job, i, x1, x2, rows) || !rows.factor()) continue;
    for (int k = 0; k < 4; ++k) rows.null_vector(k, basis[k]);
    equations_of(basis, left, right);
    solve(left, right);
    const Hidden hidden(right);
    double finite = 0;
    for (double v : hidden.determinant) finite += 0 * v;
    if (finite != 0) continue;
    double pairs[FIVE_SLOTS][2];
    const int found = real_roots_of(hidden.determinant, 11, pairs, NEAR);
    for (int s = 0; s < found; ++s) {
      double w[4], e[9];
      hidden.weights_at(pairs[s][0], pairs[s][1], w);
      for (int k = 0; k < 9; ++k)
        e[k] = w[0] * basis[0][k] + w[1] * basis[1][k] + w[2] * basis[2][k] + w[3] * basis[3][k];
      Pose pose;
      if (!pose.read(e)) continue;
      const Worth worth = polish(rows, pose);
      if (worth == NOTHING) continue;
      pose.matrix(e);
      turn_positive(e);
      for (int k = 0; k < 9; ++k) slots[s * SLOT + k] = static_cast<T>(e[k]);
      slots[s * SLOT + 9] = T(worth);
    }
  }
}

template <class T>
void pull_all(const Matches& job, int64_t begin, int64_t end) {
  const int dims = job.dims;
  for (int64_t i = begin; i < end; ++i) {
    double x1[N][3], x2[N][3], sum1[N][3] = {}, sum2[N][3] = {};
    Rows<N> rows;
    const bool some = read<T>(job, i, x1, x2, rows);
    const T* const slots = static_cast<const T*>(job.slots) + i * FIVE_SLOTS * SLOT;
    const T* const grads = static_cast<const T*>(job.grad) + i * FIVE_SLOTS * SLOT;
    for (int s = 0; some && s < FIVE_SLOTS; ++s) {
      if (slots[s * SLOT + 9] != T(SINGLE)) continue;
      double e[9], grad[9], derivatives[N][9], inverse[N][N], by_u[N];
      std::copy(slots + s * SLOT, slots + s * SLOT + 9, e);
      std::copy(grads + s * SLOT, grads + s * SLOT + 9, grad);
      Pose pose;
      if (!pose.read(e)) continue;
      pose.find_tangent();
      if (!(invert(rows, pose, inverse) < CONDITION)) continue;
      pose.derivatives(derivatives);
      for (int k = 0; k < N; ++k) by_u[k] = dot<9>(derivatives[k], grad);
      for (int k = 0; k < N; ++k) {
        double lambda = 0, l1[3], l2[3];
        for (int j = 0; j < N; ++j) lambda += inverse[j][k] * by_u[j];
        apply_transposed(e, x2[k], l1);
        apply(e, x1[k], l2);
        for (int d = 0; d < dims; ++d) {
          sum1[k][d] -= lambda * rows.scale[k] * l1[d];
          sum2[k][d] -= lambda * rows.scale[k] * l2[d];
        }
      }
    }
    T* const by1 = static_cast<T*>(job.by_points1) + i * N * dims;
    T* const by2 = static_cast<T*>(job.by_points2) + i * N * dims;
    for (int k = 0; k < N; ++k)
      for (int d = 0; d < dims; ++d) {
        by1[k * dims + d] = static_cast<T>(sum1[k][d]);
        by2[k * dims + d] = static_cast<T>(sum2[k][d]);
      }
  }
}

}  // namespace

void five_point(const Matches& job, int64_t begin, int64_t end) {
  (job.doubles ? solve_all<double> : solve_all<float>)(job, begin, end);
}

void five_point_adjoint(const Matches& job, int64_t begin, int64_t end) {
  (job.doubles ? pull_all<double> : pull_all<float>)(job, begin, end);
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
