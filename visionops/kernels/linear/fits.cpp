// Homographies and fundamental matrices of four matches, or eight, or more. With M = sum w a a^T of the rows a of all
// matches and w its share of all weights, M h = lambda h and P the pseudo-inverse of M - lambda I,  dh = -P dM h: the gradient by a is
// w ((a . h) l + (a . l) h) with l = -P (gradient by h).
#include <vector>

#include "eigen/eigen.h"
#include "linear/linear.h"
#include "linear/pairs.h"
#include "minimal/small.h"

namespace visionops {
namespace VISIONOPS_ISA {
namespace {

// |det| of a homography of normalised points, of norm 1, below which it maps a plane to a line.
constexpr double SINGULAR = 1e-8;
// |H33| of this, relative to the largest component, is as good as 0.
constexpr double INFINITE = 1e-8;
// Cofactors of a matrix with entries up to 1, below which its rank is one but for rounding.
constexpr double RANK1 = 1e-14;

// The two rows of a match for a homography, or the one of epipolar geometry, and their adjoint.
struct Homography {
  static constexpr int ROWS = 2;
  static void rows(const double* p, const double* q, double (*a)[9]) {
    for (int k = 0; k < 3; ++k) {
      a[0][k] = a[1][3 + k] = p[k];
      a[0][3 + k] = a[1][k] = 0;
      a[0][6 + k] = -q[0] * p[k];
      a[1][6 + k] = -q[1] * p[k];
    }
  }
  static void pull(const double* p, const double* q, const double (*g)[9], double* by_p, double* by_q) {
    for (int k = 0; k < 2; ++k) by_p[k] = g[0][k] + g[1][3 + k] - q[0] * g[0][6 + k] - q[1] * g[1][6 + k];
    by_q[0] = -dot<3>(g[0] + 6, p);
    by_q[1] = -dot<3>(g[1] + 6, p);
  }
};

struct Epipolar {
  static constexpr int ROWS = 1;
  static void rows(const double* p, const double* q, double (*a)[9]) {
    for (int j = 0; j < 3; ++j)
      for (int k = 0; k < 3; ++k) a[0][3 * j + k] = q[j] * p[k];
  }
  static void pull(const double* p, const double* q, const double (*g)[9], double* by_p, double* by_q) {
    for (int k = 0; k < 2; ++k) {
      by_p[k] = g[0][k] * q[0] + g[0][3 + k] * q[1] + g[0][6 + k] * q[2];
      by_q[k] = dot<3>(g[0] + 3 * k, p);
    }
  }
};

// The matches of one problem.
struct Problem {
  std::vector<double> first, second, weights, shares;
  Normalization one, two;
  double total;
  bool finite;

  explicit Problem(int n) : first(2 * n), second(2 * n), weights(n), shares(n) {}

  template <class T>
  void read(const Fits& job, int64_t at) {
    const int n = job.n;
    const T *const p1 = static_cast<const T*>(job.points1) + at * 2 * n;
    const T *const p2 = static_cast<const T*>(job.points2) + at * 2 * n;
    const T* const w = job.weights ? static_cast<const T*>(job.weights) + at * n : nullptr;
    double taint = 0;
    total = 0;
    for (int i = 0; i < n; ++i) {
      weights[i] = w ? static_cast<double>(w[i]) : 1;
      taint += 0 * weights[i];
      const bool counts = weights[i] > 0;
      weights[i] = counts ? weights[i] : 0;
      total += weights[i];
      for (int k = 2 * i; k < 2 * i + 2; ++k) {
        first[k] = counts ? static_cast<double>(p1[k]) : 0;
        second[k] = counts ? static_cast<double>(p2[k]) : 0;
        taint += 0 * first[k] + 0 * second[k];
      }
    }
    finite = taint == 0;
    for (int i = 0; i < n; ++i) shares[i] = weights[i] / (total > 0 ? total : 1);
    one = two = Normalization();
    if (!finite) return;
    one.find(first.data(), shares.data(), n);
    two.find(second.data(), shares.data(), n);
  }
};

template <class Kind>
void add_gram(const Problem& p, int n, double* gram) {
  for (int i = 0; i < n; ++i) {
    if (p.weights[i] == 0) continue;
    double x[3], y[3], a[Kind::ROWS][9];
    p.one.apply(&p.first[2 * i], x);
    p.two.apply(&p.second[2 * i], y);
    Kind::rows(x, y, a);
    for (const auto& row : a)
      for (int j = 0; j < 9; ++j) {
        const double scaled = p.shares[i] * row[j];
        for (int k = 0; k < 9; ++k) gram[9 * j + k] += scaled * row[k];
      }
  }
}

// m = matrix / H33, or / |matrix| where that is as good as 0; returns what it was divided by, and which.
double scale_homography(double* m, bool& by_last) {
  double largest = 0;
  for (int k = 0; k < 9; ++k) largest = std::max(largest, std::fabs(m[k]));
  by_last = std::fabs(m[8]) > INFINITE * largest;
  const double divisor = by_last ? m[8] : largest > 0 ? std::sqrt(dot<9>(m, m)) : 1;
  for (int k = 0; k < 9; ++k) m[k] /= divisor;
  return divisor;
}

void without_null(const double* f, const double* v, double* out) {
  for (int i = 0; i < 3; ++i) {
    const double along = dot<3>(f + 3 * i, v);
    for (int j = 0; j < 3; ++j) out[3 * i + j] = f[3 * i + j] - along * v[j];
  }
}

// The right null vectors of the nearest matrices of rank two of a group, and which are unique.
void null_vectors(const double* matrices, int stride, int used, double gap, double (*out)[3], bool* unique) {
  double squares[GROUP * 9], values[GROUP * 3], vectors[GROUP * 9];
  bool some[GROUP];
  for (int l = 0; l < used; ++l) {
    double m[9], c[9], size = 0, largest = 0;
    std::copy(matrices + l * stride, matrices + l * stride + 9, m);
    for (double v : m) size = std::max(size, std::fabs(v));
    for (double& v : m) v /= size > 0 ? size : 1;
    cofactors(m, c);
    for (double v : c) largest = std::max(largest, std::fabs(v));
    some[l] = largest > RANK1;
    for (int i = 0; i < 3; ++i)
      for (int j = 0; j < 3; ++j) squares[9 * l + 3 * i + j] = c[i] * c[j] + c[3 + i] * c[3 + j] + c[6 + i] * c[6 + j];
  }
  eigen_group({squares, used, 3, values, vectors}, 0);
  for (int l = 0; l < used; ++l) {
    const double* const v = values + 3 * l;
    unique[l] = some[l] && v[2] - v[1] > gap * std::sqrt(dot<3>(v, v));
    for (int i = 0; i < 3; ++i) out[l][i] = vectors[9 * l + 3 * i + 2];
  }
}

template <class Kind, class T>
void solve_group(const Fits& job, int64_t group) {
  const int n = job.n;
  const int64_t begin = group * GROUP;
  const int used = static_cast<int>(std::min<int64_t>(GROUP, job.count - begin));
  double grams[GROUP * 81] = {}, vectors[GROUP * 9], inverses[GROUP * 81], rows[GROUP][3] = {};
  uint8_t unique[GROUP];
  bool finite[GROUP], ranked[GROUP];
  Normalization one[GROUP], two[GROUP];
  Problem p(n);
  for (int l = 0; l < used; ++l) {
    p.read<T>(job, begin + l);
    one[l] = p.one;
    two[l] = p.two;
    finite[l] = p.finite;
    if (p.finite) add_gram<Kind>(p, n, grams + 81 * l);
  }
  least_group({grams, used, 9, job.gap, vectors, inverses, unique}, 0);
  if (Kind::ROWS == 1) null_vectors(vectors, 9, used, job.gap, rows, ranked);
  for (int l = 0; l < used; ++l) {
    const int64_t at = begin + l;
    T* const out = static_cast<T*>(job.matrices) + 9 * at;
    double* const saved = job.saved ? job.saved + FIT * at : nullptr;
    if (saved) std::fill(saved, saved + FIT, 0.0);
    job.valid[at] = 0;
    if (!finite[l]) {
      std::fill(out, out + 9, std::numeric_limits<T>::quiet_NaN());
      continue;
    }
    const double* const h = vectors + 9 * l;
    double m[9];
    bool valid = unique[l], moves = unique[l];
    if (Kind::ROWS == 1) {
      double flat[9];
      without_null(h, rows[l], flat);
      map_both<&Normalization::map_transposed, &Normalization::map_transposed>(two[l], one[l], flat, m);
      turn_positive(m);
      normalize<9>(m);
      valid = moves = valid && ranked[l];
    } else {
      double c[9];
      cofactors(h, c);
      map_both<&Normalization::map_inverse, &Normalization::map_transposed>(two[l], one[l], h, m);
      bool by_last;
      scale_homography(m, by_last);
      valid = valid && std::fabs(dot<3>(h, c)) > SINGULAR;
    }
    for (int k = 0; k < 9; ++k) out[k] = static_cast<T>(m[k]);
    job.valid[at] = valid;
    if (!moves || !saved) continue;
    std::copy(h, h + 9, saved);
    std::copy(inverses + 81 * l, inverses + 81 * (l + 1), saved + 9);
    std::copy(rows[l], rows[l] + 3, saved + 90);
  }
}

// The gradient by F of F (I - v v^T) for the null vector v of F: that moves by the pseudo-inverse of F^T F - |F v|^2 I.
void pull_rank(const double* f, const double* v, double* g) {
  double image[3], by_v[3], back[3], out[9];
  apply(f, v, image);      // F v
  apply(g, v, back);       // G v
  double one[3], two[3];
  apply_transposed(f, back, one);
  apply_transposed(g, image, two);
  for (int i = 0; i < 3; ++i) by_v[i] = -one[i] - two[i];
  without_null(g, v, out);
  // In a basis of the plane orthogonal to v.
  const int least = std::fabs(v[0]) < std::fabs(v[1]) ? (std::fabs(v[0]) < std::fabs(v[2]) ? 0 : 2)
                                                      : (std::fabs(v[1]) < std::fabs(v[2]) ? 1 : 2);
  const double axis[3] = {least == 0 ? 1.0 : 0.0, least == 1 ? 1.0 : 0.0, least == 2 ? 1.0 : 0.0};
  double e1[3], e2[3], f1[3], f2[3];
  cross(v, axis, e1);
  normalize<3>(e1);
  cross(v, e1, e2);
  apply(f, e1, f1);
  apply(f, e2, f2);
  const double least_value = dot<3>(image, image);
  const double a = dot<3>(f1, f1) - least_value, b = dot<3>(f1, f2), d = dot<3>(f2, f2) - least_value;
  const double det = a * d - b * b, r1 = dot<3>(e1, by_v), r2 = dot<3>(e2, by_v);
  const double x1 = (d * r1 - b * r2) / det, x2 = (a * r2 - b * r1) / det;
  double move[3], moved[3];
  for (int i = 0; i < 3; ++i) {
    move[i] = -(x1 * e1[i] + x2 * e2[i]);
    moved[i] = -(x1 * f1[i] + x2 * f2[i]);
  }
  // dA = dF^T F + F^T dF, and the gradient by A is move v^T.
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j) g[3 * i + j] = out[3 * i + j] + image[i] * move[j] + moved[i] * v[j];
}

template <class Kind, class T>
void pull_group(const Fits& job, int64_t group) {
  const int n = job.n;
  const int64_t begin = group * GROUP, end = std::min(begin + GROUP, job.count);
  Problem p(n);
  std::vector<double> by1(2 * n), by2(2 * n), by_shares(n);
  for (int64_t at = begin; at < end; ++at) {
    for (auto* sums : {&by1, &by2, &by_shares}) std::fill(sums->begin(), sums->end(), 0.0);
    const double *const saved = job.saved + FIT * at, *const h = saved, *const inverse = saved + 9;
    if (dot<9>(h, h) > 0) {
      p.read<T>(job, at);
      double g[9], m[9], out[9], half[9], flat[9];
      const T* const grad = static_cast<const T*>(job.grad) + 9 * at;
      std::copy(grad, grad + 9, g);
      // Back through the scale, then through the maps; by them too.
      NormalizationGradient one, two;
      double by_map[9], along;
      if (Kind::ROWS == 1) {
        without_null(h, saved + 90, flat);
        map_both<&Normalization::map_transposed, &Normalization::map_transposed>(p.two, p.one, flat, m);
        std::copy(m, m + 9, out);
        turn_positive(out);
        const double sign = dot<9>(out, m) < 0 ? -1 : 1, length = normalize<9>(out);
        along = dot<9>(out, g);
        for (int k = 0; k < 9; ++k) g[k] = sign * (g[k] - along * out[k]) / length;
      } else {
        std::copy(h, h + 9, flat);
        map_both<&Normalization::map_inverse, &Normalization::map_transposed>(p.two, p.one, flat, m);
        std::copy(m, m + 9, out);
        bool by_last;
        const double divisor = scale_homography(out, by_last);
        along = dot<9>(out, g);
        for (int k = 0; k < 9; ++k) g[k] = (g[k] - (by_last ? 0 : along * out[k])) / divisor;
        if (by_last) g[8] -= along / divisor;
      }
      // m = left flat T1, whose left is T2^T or T2^-1.
      for (int j = 0; j < 3; ++j) {
        const double column[3] = {flat[j], flat[3 + j], flat[6 + j]};
        double mapped[3];
        if (Kind::ROWS == 1)
          p.two.map_transposed(column, mapped);
        else
          p.two.map_inverse(column, mapped);
        for (int i = 0; i < 3; ++i) half[3 * i + j] = mapped[i];
      }
      for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 3; ++j) by_map[3 * i + j] = half[i] * g[j] + half[3 + i] * g[3 + j] + half[6 + i] * g[6 + j];
      one.by_map(p.one, by_map);
      for (int i = 0; i < 3; ++i) p.one.map_transposed(flat + 3 * i, half + 3 * i);
      for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 3; ++j)
          by_map[3 * i + j] = Kind::ROWS == 1 ? dot<3>(half + 3 * i, g + 3 * j) : dot<3>(g + 3 * i, half + 3 * j);
      double by_h[9], l[9];
      if (Kind::ROWS == 1) {
        two.by_map(p.two, by_map);
        map_both<&Normalization::map, &Normalization::map>(p.two, p.one, g, by_h);
        pull_rank(h, saved + 90, by_h);
      } else {
        two.by_inverse(p.two, by_map);
        map_both<&Normalization::map_inverse_transposed, &Normalization::map>(p.two, p.one, g, by_h);
      }
      for (int k = 0; k < 9; ++k) l[k] = -dot<9>(inverse + 9 * k, by_h);
      for (int i = 0; i < n; ++i) {
        if (p.weights[i] == 0) continue;
        double x[3], y[3], a[Kind::ROWS][9], by_a[Kind::ROWS][9];
        p.one.apply(&p.first[2 * i], x);
        p.two.apply(&p.second[2 * i], y);
        Kind::rows(x, y, a);
        for (int r = 0; r < Kind::ROWS; ++r) {
          const double on = dot<9>(a[r], h), off = dot<9>(a[r], l);
          by_shares[i] += on * off;
          for (int k = 0; k < 9; ++k) by_a[r][k] = p.shares[i] * (on * l[k] + off * h[k]);
        }
        Kind::pull(x, y, by_a, &by1[2 * i], &by2[2 * i]);
      }
      one.pull(p.one, p.first.data(), p.shares.data(), n, by1.data(), by_shares.data());
      two.pull(p.two, p.second.data(), p.shares.data(), n, by2.data(), by_shares.data());
      double mean = 0;
      for (int i = 0; i < n; ++i) mean += p.shares[i] * by_shares[i];
      for (int i = 0; i < n; ++i) by_shares[i] = p.weights[i] > 0 ? (by_shares[i] - mean) / p.total : 0;  // by weights
    }
    for (int k = 0; k < 2 * n; ++k) {
      static_cast<T*>(job.by_points1)[at * 2 * n + k] = static_cast<T>(by1[k]);
      static_cast<T*>(job.by_points2)[at * 2 * n + k] = static_cast<T>(by2[k]);
    }
    for (int i = 0; job.by_weights && i < n; ++i)
      static_cast<T*>(job.by_weights)[at * n + i] = static_cast<T>(by_shares[i]);
  }
}

template <class T>
void solve_kind(const Fits& job, int64_t group) {
  (job.epipolar ? solve_group<Epipolar, T> : solve_group<Homography, T>)(job, group);
}

template <class T>
void pull_kind(const Fits& job, int64_t group) {
  (job.epipolar ? pull_group<Epipolar, T> : pull_group<Homography, T>)(job, group);
}

}  // namespace

void fit_group(const Fits& job, int64_t group) { (job.doubles ? solve_kind<double> : solve_kind<float>)(job, group); }

void fit_group_adjoint(const Fits& job, int64_t group) {
  (job.doubles ? pull_kind<double> : pull_kind<float>)(job, group);
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
