#include "filter/separable.h"
#include "native.h"
#include "pixel/bind.h"

namespace visionops {
namespace {

Separable separable_of(const Array<int64_t, 2>& sources, int64_t channels, const Array<float, 2>& taps_x,
                       const Array<float, 2>& taps_y, int border, const Array<int64_t, 1>& outputs) {
  const size_t batch = sources.shape(0);
  Separable job{};
  job.sources = check_sources(sources, channels, true);
  job.batch = static_cast<int64_t>(batch);
  job.channels = extent(channels);
  require(border >= 0 && border <= 3, "unknown border");
  require(outputs.shape(0) == batch, "outputs must have one address for each sample");
  require(taps_x.shape(1) % 2 == 1 && taps_y.shape(1) % 2 == 1, "taps must be odd in number");
  job.taps_x = taps_x.data();
  job.taps_y = taps_y.data();
  job.size_x = extent(static_cast<int64_t>(taps_x.shape(1)));
  job.size_y = extent(static_cast<int64_t>(taps_y.shape(1)));
  job.taps_x_step = step_of(taps_x, batch, job.size_x, "taps_x");
  job.taps_y_step = step_of(taps_y, batch, job.size_y, "taps_y");
  job.border = static_cast<Border>(border);
  job.outputs = outputs.data();
  return job;
}

void filter_arrays(const Array<int64_t, 2>& sources, int64_t channels, int dtype, const Array<float, 2>& taps_x,
                   const Array<float, 2>& taps_y, int border, double fill, const MaybeArray<int32_t, 2>& codes,
                   const MaybeArray<int32_t, 1>& starts, const MaybeArray<float, 2>& params,
                   const MaybeArray<float, 1>& sharpen, const Array<int64_t, 1>& outputs, int out_dtype, int threads) {
  const size_t batch = sources.shape(0);
  Separable job = separable_of(sources, channels, taps_x, taps_y, border, outputs);
  require(dtype >= 0 && dtype <= 1 && out_dtype >= 0 && out_dtype <= 1, "unknown dtype");
  job.dtype = static_cast<Dtype>(dtype);
  job.fill = static_cast<float>(fill);
  job.sharpen = data_of(sharpen);
  job.sharpen_step = sharpen ? step_of(*sharpen, batch, 1, "sharpen") : 0;
  if (!codes) {
    require(dtype == out_dtype, "without a program the dtype must stay");
    nb::gil_scoped_release release;
    return filter_separable(job, threads);
  }
  require(starts && params, "codes must come with starts and params");
  require(job.dtype == Dtype::float32, "a program must follow a filter of float32");
  Sweep colours{};
  take_program(colours, *codes, *starts, *params, batch, channels);
  colours.channels = job.channels;
  colours.out_dtype = static_cast<Dtype>(out_dtype);
  colours.outputs = job.outputs;
  nb::gil_scoped_release release;
  filter_then_sweep(job, colours, threads);
}

void filter_adjoint_arrays(const Array<int64_t, 2>& grads, int64_t channels, const Array<float, 2>& taps_x,
                           const Array<float, 2>& taps_y, int border, const Array<int64_t, 1>& outputs, int threads) {
  Separable job = separable_of(grads, channels, taps_x, taps_y, border, outputs);
  job.dtype = Dtype::float32;
  nb::gil_scoped_release release;
  filter_adjoint(job, threads);
}

Doubles filter_products_arrays(const Array<int64_t, 2>& grads, const Array<int64_t, 2>& images, int64_t channels,
                               bool down, int64_t size, int border, double fill, int threads) {
  const size_t batch = images.shape(0);
  require(grads.shape(0) == batch && size % 2 == 1 && border >= 0 && border <= 3, "unknown border, or sizes differ");
  Doubles sums = zeros(batch, size);
  const Products job{check_sources(grads, channels, true), check_sources(images, channels, true),
                     static_cast<int64_t>(batch), extent(channels), down, extent(size), static_cast<Border>(border),
                     static_cast<float>(fill), sums.data()};
  for (size_t b = 0; b < batch; ++b)
    require(job.grads[b].height == job.images[b].height && job.grads[b].width == job.images[b].width,
            "grads must have the images' size");
  nb::gil_scoped_release release;
  filter_products(job, threads);
  return sums;
}

}  // namespace

void bind_filter(nb::module_& m) {
  m.def("filter_separable", &filter_arrays, nb::arg("sources"), nb::arg("channels"), nb::arg("dtype"),
        nb::arg("taps_x"), nb::arg("taps_y"), nb::arg("border"), nb::arg("fill"), nb::arg("codes").none(),
        nb::arg("starts").none(), nb::arg("params").none(), nb::arg("sharpen").none(),
        nb::arg("outputs"), nb::arg("out_dtype"), nb::arg("threads"));
  m.def("filter_adjoint", &filter_adjoint_arrays, nb::arg("grads"), nb::arg("channels"), nb::arg("taps_x"),
        nb::arg("taps_y"), nb::arg("border"), nb::arg("outputs"), nb::arg("threads"));
  m.def("filter_products", &filter_products_arrays, nb::arg("grads"), nb::arg("images"), nb::arg("channels"),
        nb::arg("down"), nb::arg("size"), nb::arg("border"), nb::arg("fill"), nb::arg("threads"));
}

}  // namespace visionops
