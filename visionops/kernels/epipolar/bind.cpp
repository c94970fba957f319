#include "epipolar/epipolar.h"

#include <algorithm>

#include "common/isa.h"
#include "common/parallel.h"
#include "native.h"

namespace visionops {
namespace {

template <class Kernel>
void for_stretches(const Matching& job, int threads, Kernel kernel) {
  nb::gil_scoped_release release;
  const int64_t stretches = (job.n + STRETCH - 1) / STRETCH;
  parallel_for(job.count * stretches, threads_for(job.count * job.n * 8, threads), [&](int64_t i) {
    const int64_t begin = i % stretches * STRETCH;
    kernel(job, i / stretches, begin, std::min(begin + STRETCH, job.n));
  });
}

// Addresses: matrices and points; rows: of each of the points, one or count.
Matching matching(const std::vector<int64_t>& in, int64_t count, int64_t n, const std::vector<int64_t>& rows, bool each) {
  const auto at = [&](int i) { return reinterpret_cast<const void*>(in[i]); };
  return {at(0), at(1), at(2), count, n, rows[0] == 1 ? 0 : 2 * n, rows[1] == 1 ? 0 : 2 * n, each,
          nullptr, nullptr, nullptr, nullptr, nullptr};
}

void epipolar_distances(const std::vector<int64_t>& in, int64_t out, int64_t count, int64_t n,
                        const std::vector<int64_t>& rows, bool doubles, bool each, int threads) {
  Matching job = matching(in, count, n, rows, each);
  job.out = reinterpret_cast<void*>(out);
  for_stretches(job, threads, doubles ? VISIONOPS_PICK(epipolar_distances<double>) : VISIONOPS_PICK(epipolar_distances<float>));
}

void epipolar_adjoint(const std::vector<int64_t>& in, int64_t grad, const std::vector<int64_t>& out, int64_t count,
                      int64_t n, const std::vector<int64_t>& rows, bool doubles, bool each, int threads) {
  Matching job = matching(in, count, n, rows, each);
  job.grad = reinterpret_cast<const void*>(grad);
  job.sums = reinterpret_cast<double*>(out[0]);
  job.by_points1 = reinterpret_cast<void*>(out[1]);
  job.by_points2 = reinterpret_cast<void*>(out[2]);
  for_stretches(job, threads, doubles ? VISIONOPS_PICK(epipolar_adjoint<double>) : VISIONOPS_PICK(epipolar_adjoint<float>));
}

}  // namespace

void bind_epipolar(nb::module_& m) {
  m.attr("EPIPOLAR_STRETCH") = STRETCH;
  m.def("epipolar_distances", &epipolar_distances, nb::arg("inputs"), nb::arg("out"), nb::arg("count"), nb::arg("n"),
        nb::arg("rows"), nb::arg("doubles"), nb::arg("each"), nb::arg("threads"));
  m.def("epipolar_adjoint", &epipolar_adjoint, nb::arg("inputs"), nb::arg("grad"), nb::arg("outputs"),
        nb::arg("count"), nb::arg("n"), nb::arg("rows"), nb::arg("doubles"), nb::arg("each"), nb::arg("threads"));
}

}  // namespace visionops
