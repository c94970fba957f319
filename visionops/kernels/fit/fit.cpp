// Fits and their adjoint, a run of pixels at a time: every loop over them is vector code for any number of channels.
#include "fit/fit.h"

#include <algorithm>
#include <vector>

#include "common/isa.h"

namespace visionops {
namespace VISIONOPS_ISA {
namespace {

// Rows of RUN floats.
class Runs {
 public:
  explicit Runs(int count) : data_(static_cast<size_t>(count) * RUN) {}
  float* operator[](int i) { return data_.data() + static_cast<int64_t>(i) * RUN; }

 private:
  std::vector<float> data_;
};

// to -= x y
inline void subtract(const float* x, const float* y, float* to) {
  for (int i = 0; i < RUN; ++i) to[i] -= x[i] * y[i];
}

// Planes of one sample, a run of each at a time; beyond `end` the run repeats the pixel before.
inline void read(int64_t address, int64_t pixels, int planes, int64_t begin, int64_t end, Runs& to) {
  const int n = static_cast<int>(std::min<int64_t>(RUN, end - begin));
  for (int k = 0; k < planes; ++k) {
    const float* const from = reinterpret_cast<const float*>(address) + k * pixels + begin;
    std::copy(from, from + n, to[k]);
    std::fill(to[k] + n, to[k] + RUN, from[n - 1]);
  }
}

inline void write(Runs& from, int64_t pixels, int planes, int64_t begin, int64_t end, int64_t address) {
  for (int k = 0; k < planes; ++k)
    std::copy(from[k], from[k] + std::min<int64_t>(RUN, end - begin),
              reinterpret_cast<float*>(address) + k * pixels + begin);
}

// A run of pixels: means, the matrix as L D L^T, and the coefficients.
class Solver {
 public:
  Solver(const Fit& job, int64_t sample)
      : means(job.values()), coefficients(job.coefficients()), job_(job), sample_(sample),
        eps_(job.eps[sample * job.eps_step]), covariances_(job.pairs()), scaled_(job.guides * job.guides), lower_(job.guides * job.guides),
        inverse_(job.guides) {}

  void run(int64_t begin, int64_t end) {
    const int g = job_.guides, k = job_.values(), fitted = job_.fitted();
    read(job_.means[sample_], job_.pixels, k, begin, end, means);
    read(job_.products[sample_], job_.pixels, job_.pairs(), begin, end, covariances_);
    for (int i = 0; i < g; ++i)
      for (int j = 0; j < k; ++j) subtract(means[i], means[j], covariance(i, j));
    for (int i = 0; i < g; ++i) {
      float* const pivot = inverse_[i];
      for (int x = 0; x < RUN; ++x) pivot[x] = covariance(i, i)[x] + eps_;
      for (int j = 0; j < i; ++j) {
        float *const scaled = scaled_[i * g + j], *const lower = lower_[i * g + j], *const by = inverse_[j];
        std::copy(covariance(i, j), covariance(i, j) + RUN, scaled);
        for (int l = 0; l < j; ++l) subtract(scaled_[i * g + l], lower_[j * g + l], scaled);
        for (int x = 0; x < RUN; ++x) lower[x] = scaled[x] * by[x];
        subtract(scaled, lower, pivot);
      }
      for (int x = 0; x < RUN; ++x) pivot[x] = 1 / pivot[x];
    }
    for (int i = 0; i < g; ++i)
      for (int t = 0; t < fitted; ++t)
        std::copy(covariance(i, job_.first() + t), covariance(i, job_.first() + t) + RUN, coefficients[i * fitted + t]);
    solve(coefficients);
    for (int t = 0; t < fitted; ++t) {
      float* const b = coefficients[g * fitted + t];
      std::copy(means[job_.first() + t], means[job_.first() + t] + RUN, b);
      for (int i = 0; i < g; ++i) subtract(coefficients[i * fitted + t], means[i], b);
    }
  }

  // Solves for x (guides, fitted) in place.
  void solve(Runs& x) {
    const int g = job_.guides, fitted = job_.fitted();
    for (int t = 0; t < fitted; ++t) {
      for (int i = 0; i < g; ++i)
        for (int k = 0; k < i; ++k) subtract(lower_[i * g + k], x[k * fitted + t], x[i * fitted + t]);
      for (int i = g - 1; i >= 0; --i) {
        float* const row = x[i * fitted + t];
        for (int p = 0; p < RUN; ++p) row[p] *= inverse_[i][p];
        for (int k = i + 1; k < g; ++k) subtract(lower_[k * g + i], x[k * fitted + t], row);
      }
    }
  }

  Runs means, coefficients;

 private:
  float* covariance(int i, int j) { return covariances_[job_.values() * i + j]; }

  const Fit& job_;
  const int64_t sample_;
  const float eps_;
  Runs covariances_, scaled_, lower_, inverse_;
};

}  // namespace

void fit_pixels(const Fit& job, int64_t sample, int64_t begin, int64_t end) {
  Solver solver(job, sample);
  for (int64_t at = begin; at < end; at += RUN) {
    solver.run(at, end);
    write(solver.coefficients, job.pixels, job.coefficients(), at, end, job.outputs[sample]);
  }
}

// With x = M^-1 r the gradient by r is M^-1 grad, and that by M is -(gradient by r) x^T.
double fit_adjoint_pixels(const Fit& job, const FitGradients& to, int64_t sample, int64_t begin, int64_t end) {
  const int g = job.guides, k = job.values(), fitted = job.fitted(), first = job.first();
  Solver solver(job, sample);
  Runs grad(job.coefficients()), by_means(k), by_products(job.pairs());
  const auto by = [&](int i, int j) { return by_products[k * i + j]; };  // a covariance
  double of_eps = 0;
  for (int64_t at = begin; at < end; at += RUN) {
    solver.run(at, end);
    read(to.grads[sample], job.pixels, job.coefficients(), at, end, grad);
    std::fill(by_means[0], by_means[0] + RUN * k, 0.0f);
    std::fill(by_products[0], by_products[0] + RUN * job.pairs(), 0.0f);
    for (int t = 0; t < fitted; ++t) {
      const float* const of_b = grad[g * fitted + t];
      for (int x = 0; x < RUN; ++x) by_means[first + t][x] += of_b[x];
      for (int i = 0; i < g; ++i) {
        subtract(of_b, solver.coefficients[i * fitted + t], by_means[i]);
        subtract(of_b, solver.means[i], grad[i * fitted + t]);
      }
    }
    solver.solve(grad);
    for (int i = 0; i < g; ++i)
      for (int t = 0; t < fitted; ++t) {
        const float* const of_right = grad[i * fitted + t];
        for (int x = 0; x < RUN; ++x) by(i, first + t)[x] += of_right[x];
        for (int j = 0; j < g; ++j)  // the matrix is read below its diagonal
          subtract(of_right, solver.coefficients[j * fitted + t], by(std::max(i, j), std::min(i, j)));
        for (int x = 0; x < std::min<int64_t>(RUN, end - at); ++x)
          of_eps -= of_right[x] * solver.coefficients[i * fitted + t][x];
      }
    for (int i = 0; i < g; ++i)
      for (int j = 0; j < k; ++j) {
        subtract(by(i, j), solver.means[j], by_means[i]);
        subtract(by(i, j), solver.means[i], by_means[j]);
      }
    write(by_means, job.pixels, k, at, end, to.means[sample]);
    write(by_products, job.pixels, job.pairs(), at, end, to.products[sample]);
  }
  return of_eps;
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
