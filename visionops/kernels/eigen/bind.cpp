#include "common/isa.h"
#include "common/parallel.h"
#include "eigen/eigen.h"
#include "native.h"

namespace visionops {
namespace {

void eigen_symmetric(const Array<double, 3>& matrices, int64_t values, int64_t vectors, int threads) {
  const int n = static_cast<int>(matrices.shape(1));
  require(matrices.shape(2) == matrices.shape(1) && n >= 1 && n <= LARGEST_MATRIX, "matrices must be square, up to 16");
  const Eigen job{matrices.data(), static_cast<int64_t>(matrices.shape(0)), n, reinterpret_cast<double*>(values),
                  reinterpret_cast<double*>(vectors)};
  nb::gil_scoped_release release;
  const auto kernel = VISIONOPS_PICK(eigen_group);
  const int64_t groups = (job.count + GROUP - 1) / GROUP;
  // A sweep turns n^2 / 2 planes of 4 n numbers, and there are about seven.
  parallel_for(groups, threads_for(groups * n * n * n * 2, threads), [&](int64_t i) { kernel(job, i); });
}

void least_eigenvector(const Array<double, 3>& matrices, double gap, int64_t vectors, int64_t inverses,
                       int64_t unique, int threads) {
  const int n = static_cast<int>(matrices.shape(1));
  require(matrices.shape(2) == matrices.shape(1) && n >= 1 && n <= LARGEST_MATRIX, "matrices must be square, up to 16");
  const Least job{matrices.data(), static_cast<int64_t>(matrices.shape(0)), n, gap, reinterpret_cast<double*>(vectors),
                  reinterpret_cast<double*>(inverses), reinterpret_cast<uint8_t*>(unique)};
  nb::gil_scoped_release release;
  const auto kernel = VISIONOPS_PICK(least_group);
  const int64_t groups = (job.count + GROUP - 1) / GROUP;
  parallel_for(groups, threads_for(groups * n * n * n, threads), [&](int64_t i) { kernel(job, i); });
}

}  // namespace

void bind_eigen(nb::module_& m) {
  m.def("eigen_symmetric", &eigen_symmetric, nb::arg("matrices"), nb::arg("values"), nb::arg("vectors"),
        nb::arg("threads"));
  m.def("least_eigenvector", &least_eigenvector, nb::arg("matrices"), nb::arg("gap"), nb::arg("vectors"),
        nb::arg("inverses"), nb::arg("unique"), nb::arg("threads"));
}

}  // namespace visionops
