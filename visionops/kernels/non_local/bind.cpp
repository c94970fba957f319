#include "native.h"
#include "non_local/non_local.h"

namespace visionops {
namespace {

NonLocal job_of(const Array<int64_t, 2>& images, int64_t channels, const Array<float, 1>& rate,
                const Array<float, 1>& floor, int64_t patch, int64_t search, int border,
                const Array<int64_t, 1>& outputs) {
  const size_t batch = images.shape(0);
  NonLocal job{};
  job.images = check_sources(images, channels, true);
  job.batch = static_cast<int64_t>(batch);
  job.channels = extent(channels);
  job.dtype = Dtype::float32;
  require(channels > 0, "images must have channels");
  require(border >= 0 && border <= 3, "unknown border");
  require(outputs.shape(0) == batch, "outputs must have one address for each sample");
  require(patch >= 0 && search >= 0 && patch < (1 << 12) && search < (1 << 12), "radii must be between 0 and 2^12");
  job.rate = rate.data();
  job.floor = floor.data();
  job.rate_step = step_of(rate, batch, 1, "rate");
  job.floor_step = step_of(floor, batch, 1, "floor");
  job.patch = static_cast<int>(patch);
  job.search = static_cast<int>(search);
  job.border = static_cast<Border>(border);
  job.outputs = outputs.data();
  return job;
}

void forward(const Array<int64_t, 2>& images, int64_t channels, const Array<float, 1>& rate,
             const Array<float, 1>& floor, int64_t patch, int64_t search, int border, int dtype,
             const Array<int64_t, 1>& outputs, int threads) {
  NonLocal job = job_of(images, channels, rate, floor, patch, search, border, outputs);
  require(dtype >= 0 && dtype <= 1, "unknown dtype");
  job.dtype = static_cast<Dtype>(dtype);
  nb::gil_scoped_release release;
  non_local(job, threads);
}

Doubles adjoint(const Array<int64_t, 2>& images, int64_t channels, const Array<float, 1>& rate,
                const Array<float, 1>& floor, int64_t patch, int64_t search, int border,
                const Array<int64_t, 2>& grads, const Array<int64_t, 1>& outputs, int threads) {
  const NonLocal job = job_of(images, channels, rate, floor, patch, search, border, outputs);
  require(grads.shape(0) == images.shape(0), "grads must be as many as images");
  Doubles sums = zeros(images.shape(0), 2);
  const NonLocalGradients to{check_sources(grads, channels, true), sums.data()};
  for (size_t b = 0; b < images.shape(0); ++b)
    require(to.grads[b].height == job.images[b].height && to.grads[b].width == job.images[b].width,
            "grads must have the images' size");
  nb::gil_scoped_release release;
  non_local_adjoint(job, to, threads);
  return sums;
}

}  // namespace

void bind_non_local(nb::module_& m) {
  m.def("non_local", &forward, nb::arg("images"), nb::arg("channels"), nb::arg("rate"), nb::arg("floor"),
        nb::arg("patch"), nb::arg("search"), nb::arg("border"), nb::arg("dtype"), nb::arg("outputs"),
        nb::arg("threads"));
  m.def("non_local_adjoint", &adjoint, nb::arg("images"), nb::arg("channels"), nb::arg("rate"), nb::arg("floor"),
        nb::arg("patch"), nb::arg("search"), nb::arg("border"), nb::arg("grads"), nb::arg("outputs"),
        nb::arg("threads"));
}

}  // namespace visionops
