#include "box/box.h"
#include "native.h"

namespace visionops {
namespace {

Box box_of(const Array<int64_t, 2>& sources, int64_t channels, int64_t height, int64_t width, int border,
           const Array<int64_t, 1>& outputs) {
  require(border >= 0 && border <= 3, "unknown border");
  require(outputs.shape(0) == sources.shape(0), "outputs must have one address for each sample");
  require(height > 0 && width > 0 && height < (1 << 24) && width < (1 << 24), "sizes must be between 1 and 2^24");
  Box job{};
  job.sources = check_sources(sources, channels, false);
  job.batch = static_cast<int64_t>(sources.shape(0));
  job.channels = extent(channels);
  job.dtype = Dtype::float32;
  job.size_y = static_cast<int>(height);
  job.size_x = static_cast<int>(width);
  job.border = static_cast<Border>(border);
  job.outputs = outputs.data();
  return job;
}

void forward(const Array<int64_t, 2>& sources, int64_t channels, int dtype, int64_t height, int64_t width, int border,
             double fill, const Array<int64_t, 1>& outputs, int threads) {
  Box job = box_of(sources, channels, height, width, border, outputs);
  require(dtype >= 0 && dtype <= 1, "unknown dtype");
  job.dtype = static_cast<Dtype>(dtype);
  job.fill = static_cast<float>(fill);
  nb::gil_scoped_release release;
  filter_box(job, threads);
}

void adjoint(const Array<int64_t, 2>& grads, int64_t channels, int64_t height, int64_t width, int border,
             const Array<int64_t, 1>& outputs, int threads) {
  const Box job = box_of(grads, channels, height, width, border, outputs);
  nb::gil_scoped_release release;
  filter_box_adjoint(job, threads);
}

}  // namespace

void bind_box(nb::module_& m) {
  m.def("filter_box", &forward, nb::arg("sources"), nb::arg("channels"), nb::arg("dtype"), nb::arg("height"),
        nb::arg("width"), nb::arg("border"), nb::arg("fill"), nb::arg("outputs"), nb::arg("threads"));
  m.def("filter_box_adjoint", &adjoint, nb::arg("grads"), nb::arg("channels"), nb::arg("height"), nb::arg("width"),
        nb::arg("border"), nb::arg("outputs"), nb::arg("threads"));
}

}  // namespace visionops
