// Points in space from two views or more. With the rows r = x p3 - p1 and y p3 - p2 of every view the homogeneous point
// is the null vector of sum w r r^T, and its adjoint that of `fits.cpp`.
#include <limits>
#include <vector>

#include "eigen/eigen.h"
#include "linear/linear.h"
#include "minimal/small.h"

namespace visionops {
namespace VISIONOPS_ISA {
namespace {

// |w| below this, relative to the point's largest coordinate, is at infinity.
constexpr double INFINITE = 1e-8;

// What a view says of a point: two rows and a weight, 0 where it does not count.
struct View {
  double p[12], rows[2][4], x[2], weight;
  bool finite;

  template <class T>
  void read(const Rays& job, int64_t problem, int view, int point) {
    const int64_t place = problem * job.views + view;
    const T* const from = static_cast<const T*>(job.projections) + place * 12;
    const T* const seen = static_cast<const T*>(job.points) + (place * job.n + point) * 2;
    weight = job.weights ? static_cast<double>(static_cast<const T*>(job.weights)[place * job.n + point]) : 1;
    double taint = 0 * weight;
    const bool counts = weight > 0;
    weight = counts ? weight : 0;
    for (int k = 0; k < 2; ++k) {
      x[k] = counts ? static_cast<double>(seen[k]) : 0;
      taint += 0 * x[k];
    }
    for (int k = 0; k < 12; ++k) {
      p[k] = from[k];
      taint += 0 * p[k];
    }
    finite = taint == 0;
    for (int r = 0; r < 2; ++r)
      for (int k = 0; k < 4; ++k) rows[r][k] = x[r] * p[8 + k] - p[4 * r + k];
  }
};

// What the first three are divided by, and whether it is w.
inline double divisor_of(const double* h, bool& by_w) {
  double largest = 0;
  for (int k = 0; k < 4; ++k) largest = std::max(largest, std::fabs(h[k]));
  const double least = INFINITE * largest;
  by_w = std::fabs(h[3]) > least;
  return by_w ? h[3] : h[3] < 0 ? -least : least > 0 ? least : 1;
}

template <class T>
void solve_group(const Rays& job, int64_t group) {
  const int64_t begin = group * GROUP;
  const int used = static_cast<int>(std::min<int64_t>(GROUP, job.count * job.n - begin));
  double grams[GROUP * 16] = {}, vectors[GROUP * 4], inverses[GROUP * 16];
  uint8_t unique[GROUP];
  bool finite[GROUP];
  for (int l = 0; l < used; ++l) {
    finite[l] = true;
    double* const gram = grams + 16 * l;
    for (int v = 0; v < job.views; ++v) {
      View view;
      view.read<T>(job, (begin + l) / job.n, v, static_cast<int>((begin + l) % job.n));
      finite[l] = finite[l] && view.finite;
      for (const auto& row : view.rows)
        for (int j = 0; j < 4; ++j)
          for (int k = 0; k < 4; ++k) gram[4 * j + k] += view.weight * row[j] * row[k];
    }
    if (!finite[l]) std::fill(gram, gram + 16, 0.0);
  }
  least_group({grams, used, 4, job.gap, vectors, inverses, unique}, 0);
  for (int l = 0; l < used; ++l) {
    const int64_t at = begin + l;
    T* const out = static_cast<T*>(job.out) + 3 * at;
    const double* const h = vectors + 4 * l;
    bool by_w;
    const double divisor = divisor_of(h, by_w);
    for (int k = 0; k < 3; ++k) out[k] = finite[l] ? static_cast<T>(h[k] / divisor) : std::numeric_limits<T>::quiet_NaN();
    job.valid[at] = finite[l] && unique[l] && by_w;
    if (!job.saved) continue;
    double* const saved = job.saved + POINT * at;
    const bool moves = finite[l] && unique[l];
    for (int k = 0; k < 4; ++k) saved[k] = moves ? h[k] : 0;
    for (int k = 0; k < 16; ++k) saved[4 + k] = moves ? inverses[16 * l + k] : 0;
  }
}

template <class T>
void pull(const Rays& job, int64_t problem) {
  std::vector<double> by_projections(static_cast<size_t>(job.views) * 12);
  for (int i = 0; i < job.n; ++i) {
    const int64_t at = problem * job.n + i;
    const double *const saved = job.saved + POINT * at, *const h = saved;
    const T* const grad = static_cast<const T*>(job.grad) + 3 * at;
    const bool moves = dot<4>(h, h) > 0;
    double by_h[4] = {}, l[4] = {};
    if (moves) {
      bool by_w;
      const double divisor = divisor_of(h, by_w);
      by_h[3] = 0;
      for (int k = 0; k < 3; ++k) {
        by_h[k] = grad[k] / divisor;
        by_h[3] -= by_w ? by_h[k] * h[k] / divisor : 0;
      }
      for (int k = 0; k < 4; ++k) l[k] = -dot<4>(saved + 4 + 4 * k, by_h);
    }
    for (int v = 0; v < job.views; ++v) {
      const int64_t place = (problem * job.views + v) * job.n + i;
      double by_x[2] = {}, by_weight = 0;
      View view;
      view.read<T>(job, problem, v, i);
      if (moves && view.weight > 0) {
        double* const by_p = by_projections.data() + 12 * v;
        for (int r = 0; r < 2; ++r) {
          const double on = dot<4>(view.rows[r], h), off = dot<4>(view.rows[r], l);
          by_weight += on * off;
          for (int k = 0; k < 4; ++k) {
            const double by_row = view.weight * (on * l[k] + off * h[k]);
            by_p[4 * r + k] -= by_row;
            by_p[8 + k] += view.x[r] * by_row;
            by_x[r] += view.p[8 + k] * by_row;
          }
        }
      }
      for (int r = 0; r < 2; ++r) static_cast<T*>(job.by_points)[2 * place + r] = static_cast<T>(by_x[r]);
      if (job.by_weights) static_cast<T*>(job.by_weights)[place] = static_cast<T>(by_weight);
    }
  }
  T* const out = static_cast<T*>(job.by_projections) + problem * job.views * 12;
  for (size_t k = 0; k < by_projections.size(); ++k) out[k] = static_cast<T>(by_projections[k]);
}

}  // namespace

void ray_group(const Rays& job, int64_t group) { (job.doubles ? solve_group<double> : solve_group<float>)(job, group); }

void ray_adjoint(const Rays& job, int64_t problem) { (job.doubles ? pull<double> : pull<float>)(job, problem); }

}  // namespace VISIONOPS_ISA
}  // namespace visionops
