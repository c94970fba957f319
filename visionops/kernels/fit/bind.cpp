#include "fit/fit.h"
#include "native.h"

namespace visionops {
namespace {

Fit job_of(const Array<int64_t, 1>& means, const Array<int64_t, 1>& products, int64_t pixels, int64_t guides,
           int64_t channels, const Array<float, 1>& eps) {
  require(products.shape(0) == means.shape(0), "products must be as many as means");
  require(guides > 0 && channels >= 0 && guides < (1 << 10) && channels < (1 << 10), "too many channels, or none");
  require(pixels >= 0, "pixels must not be negative");
  Fit job{};
  job.means = means.data();
  job.products = products.data();
  job.batch = static_cast<int64_t>(means.shape(0));
  job.pixels = pixels;
  job.guides = static_cast<int>(guides);
  job.channels = static_cast<int>(channels);
  job.eps = eps.data();
  job.eps_step = step_of(eps, means.shape(0), 1, "eps");
  return job;
}

void forward(const Array<int64_t, 1>& means, const Array<int64_t, 1>& products, int64_t pixels, int64_t guides,
             int64_t channels, const Array<float, 1>& eps, const Array<int64_t, 1>& outputs, int threads) {
  Fit job = job_of(means, products, pixels, guides, channels, eps);
  require(outputs.shape(0) == means.shape(0), "outputs must have one address for each sample");
  job.outputs = outputs.data();
  nb::gil_scoped_release release;
  fit(job, threads);
}

Doubles adjoint(const Array<int64_t, 1>& means, const Array<int64_t, 1>& products, int64_t pixels, int64_t guides,
                int64_t channels, const Array<float, 1>& eps, const Array<int64_t, 1>& grads,
                const Array<int64_t, 1>& by_means, const Array<int64_t, 1>& by_products, int threads) {
  const Fit job = job_of(means, products, pixels, guides, channels, eps);
  for (const auto* array : {&grads, &by_means, &by_products})
    require(array->shape(0) == means.shape(0), "gradients must be as many as means");
  Doubles sums = zeros(means.shape(0), 1);
  const FitGradients to{grads.data(), by_means.data(), by_products.data(), sums.data()};
  nb::gil_scoped_release release;
  fit_adjoint(job, to, threads);
  return sums;
}

}  // namespace

void bind_fit(nb::module_& m) {
  m.def("fit", &forward, nb::arg("means"), nb::arg("products"), nb::arg("pixels"), nb::arg("guides"),
        nb::arg("channels"), nb::arg("eps"), nb::arg("outputs"), nb::arg("threads"));
  m.def("fit_adjoint", &adjoint, nb::arg("means"), nb::arg("products"), nb::arg("pixels"), nb::arg("guides"),
        nb::arg("channels"), nb::arg("eps"), nb::arg("grads"), nb::arg("by_means"), nb::arg("by_products"),
        nb::arg("threads"));
}

}  // namespace visionops
