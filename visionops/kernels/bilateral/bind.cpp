#include <algorithm>

#include "bilateral/bilateral.h"
#include "native.h"

namespace visionops {
namespace {

Bilateral bilateral_of(const Array<int64_t, 2>& images, int64_t channels, const MaybeArray<int64_t, 2>& guides,
                       int64_t guide_channels, const Array<float, 1>& sigma_color, const Array<float, 1>& sigma_space,
                       int64_t height, int64_t width, int border, const Array<int64_t, 1>& outputs) {
  const size_t batch = images.shape(0);
  Bilateral job{};
  job.images = check_sources(images, channels, true);
  job.batch = static_cast<int64_t>(batch);
  job.channels = extent(channels);
  require(channels > 0 && (!guides || guide_channels > 0), "images and guides must have channels");
  require(border >= 0 && border <= 3, "unknown border");
  require(outputs.shape(0) == batch, "outputs must have one address for each sample");
  require(height % 2 == 1 && width % 2 == 1, "sizes must be odd");
  if (guides) {
    require(guides->shape(0) == batch, "guides must be as many as images");
    job.guides = check_sources(*guides, guide_channels, true);
    job.guide_channels = extent(guide_channels);
    for (size_t b = 0; b < batch; ++b)
      require(job.guides[b].height == job.images[b].height && job.guides[b].width == job.images[b].width,
              "guides must have the images' size");
  }
  job.sigma_color = sigma_color.data();
  job.sigma_space = sigma_space.data();
  job.color_step = step_of(sigma_color, batch, 1, "sigma_color");
  job.space_step = step_of(sigma_space, batch, 1, "sigma_space");
  job.border = static_cast<Border>(border);
  job.outputs = outputs.data();
  job.ry = extent(height) / 2;
  job.rx = extent(width) / 2;
  const int64_t y = std::max(job.ry, 1), x = std::max(job.rx, 1);
  for (int64_t dy = -job.ry; dy <= job.ry; ++dy)
    for (int64_t dx = -job.rx; dx <= job.rx; ++dx)
      if ((dy || dx) && dy * dy * x * x + dx * dx * y * y <= y * y * x * x)
        job.taps.push_back({static_cast<int>(dy), static_cast<int>(dx), static_cast<float>(dy * dy + dx * dx)});
  return job;
}

void bilateral_arrays(const Array<int64_t, 2>& images, int64_t channels, const MaybeArray<int64_t, 2>& guides,
                      int64_t guide_channels, const Array<float, 1>& sigma_color, const Array<float, 1>& sigma_space,
                      int64_t height, int64_t width, int border, int dtype, const Array<int64_t, 1>& outputs,
                      int threads) {
  Bilateral job = bilateral_of(images, channels, guides, guide_channels, sigma_color, sigma_space, height, width,
                               border, outputs);
  require(dtype >= 0 && dtype <= 1, "unknown dtype");
  job.dtype = static_cast<Dtype>(dtype);
  nb::gil_scoped_release release;
  bilateral(job, threads);
}

Doubles bilateral_adjoint_arrays(const Array<int64_t, 2>& images, int64_t channels,
                                 const MaybeArray<int64_t, 2>& guides, int64_t guide_channels,
                                 const Array<float, 1>& sigma_color, const Array<float, 1>& sigma_space, int64_t height,
                                 int64_t width, int border, const Array<int64_t, 2>& grads,
                                 const Array<int64_t, 1>& outputs, const MaybeArray<int64_t, 1>& guide_outputs,
                                 int threads) {
  Bilateral job = bilateral_of(images, channels, guides, guide_channels, sigma_color, sigma_space, height, width,
                               border, outputs);
  job.dtype = Dtype::float32;
  const size_t batch = images.shape(0);
  require(guides.has_value() == guide_outputs.has_value(), "guides must come with their outputs");
  require(grads.shape(0) == batch && (!guide_outputs || guide_outputs->shape(0) == batch), "sizes differ");
  Doubles sums = zeros(batch, 2);
  const BilateralGradients to{check_sources(grads, channels, true), data_of(guide_outputs), sums.data()};
  for (size_t b = 0; b < batch; ++b)
    require(to.grads[b].height == job.images[b].height && to.grads[b].width == job.images[b].width,
            "grads must have the images' size");
  nb::gil_scoped_release release;
  bilateral_adjoint(job, to, threads);
  return sums;
}

}  // namespace

void bind_bilateral(nb::module_& m) {
  m.def("bilateral", &bilateral_arrays, nb::arg("images"), nb::arg("channels"), nb::arg("guides").none(),
        nb::arg("guide_channels"), nb::arg("sigma_color"), nb::arg("sigma_space"), nb::arg("height"), nb::arg("width"),
        nb::arg("border"), nb::arg("dtype"), nb::arg("outputs"), nb::arg("threads"));
  m.def("bilateral_adjoint", &bilateral_adjoint_arrays, nb::arg("images"), nb::arg("channels"),
        nb::arg("guides").none(), nb::arg("guide_channels"), nb::arg("sigma_color"), nb::arg("sigma_space"),
        nb::arg("height"), nb::arg("width"), nb::arg("border"), nb::arg("grads"), nb::arg("outputs"),
        nb::arg("guide_outputs").none(), nb::arg("threads"));
}

}  // namespace visionops
