#include "linear/linear.h"

#include "common/isa.h"
#include "common/parallel.h"
#include "eigen/eigen.h"
#include "native.h"

namespace visionops {
namespace {

// Addresses: of inputs (weights may be 0), of what the forward writes and the adjoint reads, and of gradients.
using Addresses = std::vector<int64_t>;

const void* at(int64_t address) { return reinterpret_cast<const void*>(address); }
void* to(int64_t address) { return reinterpret_cast<void*>(address); }
double* numbers(int64_t address) { return reinterpret_cast<double*>(address); }
int64_t groups(int64_t count) { return (count + GROUP - 1) / GROUP; }

void linear_fit(const Addresses& in, const Addresses& out, int64_t count, int n, bool doubles, bool epipolar, double gap,
                int threads) {
  const Fits job{at(in[0]), at(in[1]), at(in[2]), count, n, doubles, epipolar, gap, to(out[0]),
                 reinterpret_cast<uint8_t*>(out[1]), numbers(out[2]), nullptr, nullptr, nullptr, nullptr};
  nb::gil_scoped_release release;
  const auto kernel = VISIONOPS_PICK(fit_group);
  parallel_for(groups(count), threads_for(count * (800 + 40 * n), threads), [&](int64_t i) { kernel(job, i); });
}

void linear_fit_adjoint(const Addresses& in, int64_t saved, int64_t grad, const Addresses& by, int64_t count, int n,
                        bool doubles, bool epipolar, int threads) {
  const Fits job{at(in[0]), at(in[1]), at(in[2]), count, n, doubles, epipolar, 0, nullptr, nullptr, numbers(saved),
                 at(grad), to(by[0]), to(by[1]), to(by[2])};
  nb::gil_scoped_release release;
  const auto kernel = VISIONOPS_PICK(fit_group_adjoint);
  parallel_for(groups(count), threads_for(count * (200 + 60 * n), threads), [&](int64_t i) { kernel(job, i); });
}

void linear_rays(const Addresses& in, const Addresses& out, int64_t count, int views, int n, bool doubles, double gap,
                 int threads) {
  const Rays job{at(in[0]), at(in[1]), at(in[2]), count, views, n, doubles, gap, to(out[0]),
                 reinterpret_cast<uint8_t*>(out[1]), numbers(out[2]), nullptr, nullptr, nullptr, nullptr};
  nb::gil_scoped_release release;
  const auto kernel = VISIONOPS_PICK(ray_group);
  const int64_t points = count * n;
  parallel_for(groups(points), threads_for(points * (100 + 20 * views), threads), [&](int64_t i) { kernel(job, i); });
}

void linear_rays_adjoint(const Addresses& in, int64_t saved, int64_t grad, const Addresses& by, int64_t count, int views,
                         int n, bool doubles, int threads) {
  const Rays job{at(in[0]), at(in[1]), at(in[2]), count, views, n, doubles, 0, nullptr, nullptr, numbers(saved),
                 at(grad), to(by[0]), to(by[1]), to(by[2])};
  nb::gil_scoped_release release;
  const auto kernel = VISIONOPS_PICK(ray_adjoint);
  parallel_for(count, threads_for(count * n * views * 60, threads), [&](int64_t i) { kernel(job, i); });
}

}  // namespace

void bind_linear(nb::module_& m) {
  m.def("linear_fit", &linear_fit, nb::arg("inputs"), nb::arg("outputs"), nb::arg("count"), nb::arg("n"),
        nb::arg("doubles"), nb::arg("epipolar"), nb::arg("gap"), nb::arg("threads"));
  m.def("linear_fit_adjoint", &linear_fit_adjoint, nb::arg("inputs"), nb::arg("saved"), nb::arg("grad"),
        nb::arg("gradients"), nb::arg("count"), nb::arg("n"), nb::arg("doubles"), nb::arg("epipolar"),
        nb::arg("threads"));
  m.def("linear_rays", &linear_rays, nb::arg("inputs"), nb::arg("outputs"), nb::arg("count"), nb::arg("views"),
        nb::arg("n"), nb::arg("doubles"), nb::arg("gap"), nb::arg("threads"));
  m.def("linear_rays_adjoint", &linear_rays_adjoint, nb::arg("inputs"), nb::arg("saved"), nb::arg("grad"),
        nb::arg("gradients"), nb::arg("count"), nb::arg("views"), nb::arg("n"), nb::arg("doubles"),
        nb::arg("threads"));
}

}  // namespace visionops
