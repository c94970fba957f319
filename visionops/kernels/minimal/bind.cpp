#include "minimal/minimal.h"

#include <algorithm>

#include "common/isa.h"
#include "common/parallel.h"
#include "native.h"

namespace visionops {
namespace {

constexpr int64_t STRETCH = 16;

template <class Job>
void run(void (*kernel)(const Job&, int64_t, int64_t), const Job& job, int64_t work, int threads) {
  nb::gil_scoped_release release;
  parallel_for((job.count + STRETCH - 1) / STRETCH, threads_for(job.count * work, threads), [&](int64_t i) {
    kernel(job, i * STRETCH, std::min(job.count, (i + 1) * STRETCH));
  });
}

Matches matches(int64_t points1, int64_t points2, int64_t count, int dims, bool doubles, int64_t slots) {
  require(dims == 2 || dims == 3, "points must have two or three coordinates");
  return {reinterpret_cast<const void*>(points1), reinterpret_cast<const void*>(points2), count, dims, doubles,
          reinterpret_cast<void*>(slots), nullptr, nullptr, nullptr};
}

// Points wanted: seven or five. In elements of other work a problem costs about as much as 2000.
void minimal_solve(int points, int64_t points1, int64_t points2, int64_t count, int dims, bool doubles, int64_t slots,
                   int threads) {
  const auto kernel = points == 7 ? VISIONOPS_PICK(seven_point) : VISIONOPS_PICK(five_point);
  run(kernel, matches(points1, points2, count, dims, doubles, slots), 2000, threads);
}

void minimal_adjoint(int points, int64_t points1, int64_t points2, int64_t count, int dims, bool doubles, int64_t slots,
                     int64_t grad, int64_t by_points1, int64_t by_points2, int threads) {
  const auto kernel = points == 7 ? VISIONOPS_PICK(seven_point_adjoint) : VISIONOPS_PICK(five_point_adjoint);
  Matches job = matches(points1, points2, count, dims, doubles, slots);
  job.grad = reinterpret_cast<const void*>(grad);
  job.by_points1 = reinterpret_cast<void*>(by_points1);
  job.by_points2 = reinterpret_cast<void*>(by_points2);
  run(kernel, job, 1000, threads);
}

void real_roots_of(const Array<double, 2>& coefficients, int64_t pairs, int64_t found, int threads) {
  const int n = static_cast<int>(coefficients.shape(1));
  require(n >= 2 && n <= LARGEST_DEGREE + 1, "polynomials must be of a degree from 1 to 16");
  const Polynomials job{coefficients.data(), static_cast<int64_t>(coefficients.shape(0)), n,
                        reinterpret_cast<double*>(pairs), reinterpret_cast<uint8_t*>(found)};
  run(VISIONOPS_PICK(real_roots), job, 20 * n * n, threads);
}

}  // namespace

void bind_minimal(nb::module_& m) {
  m.def("minimal_solve", &minimal_solve, nb::arg("points"), nb::arg("points1"), nb::arg("points2"), nb::arg("count"),
        nb::arg("dims"), nb::arg("doubles"), nb::arg("slots"), nb::arg("threads"));
  m.def("minimal_adjoint", &minimal_adjoint, nb::arg("points"), nb::arg("points1"), nb::arg("points2"),
        nb::arg("count"), nb::arg("dims"), nb::arg("doubles"), nb::arg("slots"), nb::arg("grad"),
        nb::arg("by_points1"), nb::arg("by_points2"), nb::arg("threads"));
  m.def("real_roots", &real_roots_of, nb::arg("coefficients"), nb::arg("pairs"), nb::arg("found"), nb::arg("threads"));
}

}  // namespace visionops
