#include <algorithm>

#include "common/isa.h"
#include "common/parallel.h"
#include "losses/losses.h"
#include "native.h"

namespace visionops {
namespace {

template <class T>
T* at(int64_t address, int64_t offset = 0) {
  return address ? reinterpret_cast<T*>(address) + offset : nullptr;
}

Residuals residuals(int64_t a, int64_t b, int64_t offset, float scale, int rho) {
  require(rho >= 0 && rho <= static_cast<int>(Rho::geman_mcclure), "rho must be one of those known");
  return {at<const float>(a, offset), at<const float>(b, offset), scale, static_cast<Rho>(rho)};
}

// Sums of rows of n pixels, in the same order for any number of threads.
std::vector<double> robust_sums(int64_t a, int64_t b, int64_t rows, int64_t n, float scale, int rho, int threads) {
  const int64_t stretches = (n + STRETCH - 1) / STRETCH;
  std::vector<double> parts(rows * stretches), sums(rows);
  const auto sum = VISIONOPS_PICK(robust_sum);
  nb::gil_scoped_release release;
  parallel_for(rows * stretches, threads_for(rows * n, threads), [&](int64_t i) {
    const int64_t begin = i % stretches * STRETCH;
    parts[i] = sum(residuals(a, b, i / stretches * n, scale, rho), begin, std::min(begin + STRETCH, n));
  });
  for (int64_t i = 0; i < rows * stretches; ++i) sums[i / stretches] += parts[i];
  return sums;
}

void robust_slopes(int64_t a, int64_t b, int64_t n, float scale, int rho, const std::vector<float>& grads, int64_t by_a,
                   int64_t by_b, int threads) {
  const int64_t stretches = (n + STRETCH - 1) / STRETCH, rows = static_cast<int64_t>(grads.size());
  const auto write = VISIONOPS_PICK(robust_slopes);
  nb::gil_scoped_release release;
  parallel_for(rows * stretches, threads_for(rows * n, threads), [&](int64_t i) {
    const int64_t row = i / stretches, begin = i % stretches * STRETCH;
    write(residuals(a, b, row * n, scale, rho), grads[row], begin, std::min(begin + STRETCH, n),
          at<float>(by_a, row * n), at<float>(by_b, row * n));
  });
}

// With gradients the slopes, else the values. Alphas: of each row, what a label of 1 weighs, and one of 0.
void focal_of_labels(int64_t x, int64_t y, int64_t grad, const std::vector<float>& on, const std::vector<float>& off,
                     int64_t n, float gamma, int64_t out, int64_t by_y, int threads) {
  const int64_t stretches = (n + STRETCH - 1) / STRETCH, rows = static_cast<int64_t>(on.size());
  const auto values = VISIONOPS_PICK(focal_of_labels);
  const auto slopes = VISIONOPS_PICK(focal_slopes_of_labels);
  nb::gil_scoped_release release;
  parallel_for(rows * stretches, threads_for(rows * n * 4, threads), [&](int64_t i) {
    const int64_t row = i / stretches, begin = i % stretches * STRETCH, offset = row * n + begin;
    const int64_t count = std::min(STRETCH, n - begin);
    const Labels job{at<const float>(x, offset), at<const float>(y, offset), on[row], off[row], gamma};
    if (grad)
      slopes(job, at<const float>(grad, offset), count, at<float>(out, offset), at<float>(by_y, offset));
    else
      values(job, count, at<float>(out, offset));
  });
}

void focal_of_classes(int64_t x, int64_t place, int64_t grad, int64_t rows, int64_t channels, int64_t n, float gamma,
                      int64_t out, int threads) {
  const int64_t stretches = (n + STRETCH - 1) / STRETCH;
  const int c = extent(channels);
  const auto values = VISIONOPS_PICK(focal_of_classes);
  const auto slopes = VISIONOPS_PICK(focal_slopes_of_classes);
  nb::gil_scoped_release release;
  parallel_for(rows * stretches, threads_for(rows * n * channels * 2, threads), [&](int64_t i) {
    const int64_t row = i / stretches, begin = i % stretches * STRETCH, end = std::min(begin + STRETCH, n);
    const Classes job{at<const float>(x, row * channels * n), at<const int64_t>(place, row * n), n, c, gamma};
    if (grad)
      slopes(job, at<const float>(grad, row * n), begin, end, at<float>(out, row * channels * n));
    else
      values(job, begin, end, at<float>(out, row * n));
  });
}

void steps(int64_t errors, int64_t there, int64_t counts, int64_t rows, int64_t n, int64_t out, int threads) {
  require(n < (int64_t{1} << 32), "there must be less than 2^32 pixels");
  nb::gil_scoped_release release;
  parallel_for(rows, threads_for(rows * n * 8, threads), [&](int64_t i) {
    jaccard_steps(at<const float>(errors, i * n), at<const float>(there, i * n), at<const uint8_t>(counts, i * n), n,
                  at<float>(out, i * n));
  });
}

void erosion(int64_t wrong, int64_t grad, int64_t rows, int64_t height, int64_t width, int iterations, float alpha,
             int64_t out, int threads) {
  const int h = extent(height), w = extent(width);
  nb::gil_scoped_release release;
  parallel_for(rows, threads_for(rows * height * width * (iterations + 1), threads), [&](int64_t i) {
    const int64_t offset = i * height * width;
    const Erosion job{at<const float>(wrong, offset), h, w, iterations, alpha};
    if (grad)
      eroded_sum_adjoint(job, at<const float>(grad, offset), at<float>(out, offset));
    else
      eroded_sum(job, at<float>(out, offset));
  });
}

}  // namespace

void bind_losses(nb::module_& m) {
  m.def("robust_sums", &robust_sums, nb::arg("a"), nb::arg("b"), nb::arg("rows"), nb::arg("n"), nb::arg("scale"),
        nb::arg("rho"), nb::arg("threads"));
  m.def("robust_slopes", &robust_slopes, nb::arg("a"), nb::arg("b"), nb::arg("n"), nb::arg("scale"), nb::arg("rho"),
        nb::arg("grads"), nb::arg("by_a"), nb::arg("by_b"), nb::arg("threads"));
  m.def("focal_of_labels", &focal_of_labels, nb::arg("x"), nb::arg("y"), nb::arg("grad"), nb::arg("on"), nb::arg("off"),
        nb::arg("n"), nb::arg("gamma"), nb::arg("out"), nb::arg("by_y"), nb::arg("threads"));
  m.def("focal_of_classes", &focal_of_classes, nb::arg("x"), nb::arg("place"), nb::arg("grad"), nb::arg("rows"),
        nb::arg("channels"), nb::arg("n"), nb::arg("gamma"), nb::arg("out"), nb::arg("threads"));
  m.def("jaccard_steps", &steps, nb::arg("errors"), nb::arg("there"), nb::arg("counts"), nb::arg("rows"), nb::arg("n"),
        nb::arg("out"), nb::arg("threads"));
  m.def("erosion", &erosion, nb::arg("wrong"), nb::arg("grad"), nb::arg("rows"), nb::arg("height"), nb::arg("width"),
        nb::arg("iterations"), nb::arg("alpha"), nb::arg("out"), nb::arg("threads"));
}

}  // namespace visionops
