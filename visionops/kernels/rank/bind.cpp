#include <algorithm>

#include "native.h"
#include "rank/window.h"

namespace visionops {
namespace {

void rank_arrays(const Array<int64_t, 2>& sources, int64_t channels, int dtype, int64_t rank, int64_t height,
                 int64_t width, int border, double fill, const Array<int64_t, 1>& outputs, int threads) {
  const size_t batch = sources.shape(0);
  require(outputs.shape(0) == batch, "outputs must have one address for each sample");
  require(dtype >= 0 && dtype <= 1 && border >= 0 && border <= 3, "unknown dtype or border");
  // Histograms of a column count up to 2^16 pixels, ordinals of a tile up to 2^31.
  require(height > 0 && width > 0 && height < 1 << 14 && width < 1 << 14, "windows must be smaller than 2^14");
  require(rank >= 0 && rank < height * width, "the rank must be one of the window's");
  const Ranks job{check_sources(sources, channels, true), static_cast<int64_t>(batch), extent(channels),
                  static_cast<Dtype>(dtype), static_cast<int>(rank), extent(height), extent(width),
                  static_cast<Border>(border), static_cast<float>(fill), outputs.data()};
  nb::gil_scoped_release release;
  rank_windows(job, threads);
}

void choose_adjoint_arrays(const Array<int64_t, 2>& grads, const Array<int64_t, 2>& images,
                           const Array<int64_t, 2>& results, int64_t channels, const Array<int32_t, 2>& offsets,
                           int border, double fill, const Array<int64_t, 1>& outputs, int threads) {
  const size_t batch = images.shape(0);
  require(grads.shape(0) == batch && results.shape(0) == batch && outputs.shape(0) == batch, "batches differ");
  require(offsets.shape(1) == 2 && border >= 0 && border <= 3, "unknown border, or offsets are not pairs");
  Choice job{check_sources(grads, channels, true), check_sources(images, channels, true),
             check_sources(results, channels, true), static_cast<int64_t>(batch), extent(channels), offsets.data(),
             static_cast<int64_t>(offsets.shape(0)), true, 0, 0, 0, 0, static_cast<Border>(border),
             static_cast<float>(fill), outputs.data()};
  for (size_t b = 0; b < batch; ++b)
    for (const Source* other : {job.grads + b, job.results + b})
      require(job.images[b].height == other->height && job.images[b].width == other->width, "sizes differ");
  for (int64_t k = 0; k < job.count; ++k) {
    const int dy = job.offsets[2 * k], dx = job.offsets[2 * k + 1];
    require(dy > -(1 << 20) && dy < 1 << 20 && dx > -(1 << 20) && dx < 1 << 20, "offsets must be below 2^20");
    job.top = std::max(job.top, -dy);
    job.bottom = std::max(job.bottom, dy);
    job.left = std::max(job.left, -dx);
    job.right = std::max(job.right, dx);
  }
  const int width = 1 + job.left + job.right;
  job.box = job.count == static_cast<int64_t>(1 + job.top + job.bottom) * width;
  for (int64_t k = 0; job.box && k < job.count; ++k)
    job.box = job.offsets[2 * k] == k / width - job.top && job.offsets[2 * k + 1] == k % width - job.left;
  nb::gil_scoped_release release;
  choose_adjoint(job, threads);
}

}  // namespace

void bind_rank(nb::module_& m) {
  m.def("rank_windows", &rank_arrays, nb::arg("sources"), nb::arg("channels"), nb::arg("dtype"), nb::arg("rank"),
        nb::arg("height"), nb::arg("width"), nb::arg("border"), nb::arg("fill"), nb::arg("outputs"),
        nb::arg("threads"));
  m.def("choose_adjoint", &choose_adjoint_arrays, nb::arg("grads"), nb::arg("images"), nb::arg("results"),
        nb::arg("channels"), nb::arg("offsets"), nb::arg("border"), nb::arg("fill"), nb::arg("outputs"),
        nb::arg("threads"));
}

}  // namespace visionops
