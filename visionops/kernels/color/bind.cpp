// Checks what Python gives, and cuts conversions into rows.
#include <algorithm>

#include "color/color.h"
#include "common/isa.h"
#include "common/parallel.h"
#include "native.h"

namespace visionops {
namespace {

// Pixels of a part: enough to be worth a call, few enough that all threads finish together.
constexpr int64_t PART = 16384;

template <class Job>
void each_part(const Job& job, const Source* sizes, int threads, void (*kernel)(const Job&, int64_t, int, int)) {
  if (!job.batch || !sizes->height || !sizes->width) return;
  const int64_t height = sizes->height, width = sizes->width, rows = std::clamp<int64_t>(PART / width, 1, height);
  const int64_t parts = (height + rows - 1) / rows;
  parallel_for(job.batch * parts, threads_for(job.batch * height * width * 4, threads), [&](int64_t i) {
    const int64_t begin = i % parts * rows;
    kernel(job, i / parts, static_cast<int>(begin), static_cast<int>(std::min(begin + rows, height)));
  });
}

Convert job_of(int conversion, const Array<float, 1>& numbers, const Array<int64_t, 1>& outputs) {
  Convert job{};
  require(conversion >= 0 && conversion <= static_cast<int>(Conversion::from_luv), "unknown conversion");
  job.conversion = static_cast<Conversion>(conversion);
  const size_t size = numbers.shape(0);
  size_t needs = 0;
  if (conversion >= static_cast<int>(Conversion::lab)) needs = job.conversion >= Conversion::luv ? 14 : 24;
  if (job.conversion == Conversion::affine) needs = size == 4 ? 4 : 12;
  require(size == needs, "numbers must be as many as the conversion needs");
  job.channels = size == 4 ? 1 : 3;
  job.numbers = numbers.data();
  job.outputs = outputs.data();
  job.batch = static_cast<int64_t>(outputs.shape(0));
  return job;
}

// All images of a batch have one size.
const Source* check_batch(const Array<int64_t, 2>& sources, int64_t batch, const Source* like, int channels = 3) {
  require(static_cast<int64_t>(sources.shape(0)) == batch, "there must be one output for each source");
  const Source* const rows = check_sources(sources, channels, true);
  if (!like) like = rows;
  for (int64_t b = 0; b < batch; ++b) {
    require(rows[b].height == like->height && rows[b].width == like->width, "images must have one size");
    require(rows[b].height * rows[b].width < (int64_t{1} << 31), "an image must have less than 2^31 pixels");
  }
  return rows;
}

void convert_arrays(const Array<int64_t, 2>& sources, int dtype, int conversion, const Array<float, 1>& numbers,
                    const MaybeArray<float, 2>& levels, const Array<int64_t, 1>& outputs, int threads) {
  Convert job = job_of(conversion, numbers, outputs);
  require(dtype >= 0 && dtype <= 1, "unknown dtype");
  job.dtype = static_cast<Dtype>(dtype);
  require(job.dtype == Dtype::float32 || (levels && levels->shape(0) == 4 && levels->shape(1) == 3),
          "bytes must come with levels (4, 3)");
  job.levels = data_of(levels);
  job.sources = check_batch(sources, job.batch, nullptr);
  nb::gil_scoped_release release;
  each_part(job, job.sources, threads, VISIONOPS_PICK(convert_rows));
}

void adjoint_arrays(const MaybeArray<int64_t, 2>& sources, const Array<int64_t, 2>& grads, int conversion,
                    const Array<float, 1>& numbers, const Array<int64_t, 1>& outputs, int threads) {
  Convert job = job_of(conversion, numbers, outputs);
  require(sources || job.conversion == Conversion::affine, "this conversion's adjoint must see the sources");
  job.dtype = Dtype::float32;
  job.grads = check_batch(grads, job.batch, nullptr);
  if (sources) job.sources = check_batch(*sources, job.batch, job.grads);
  nb::gil_scoped_release release;
  each_part(job, job.grads, threads, VISIONOPS_PICK(convert_rows_adjoint));
}

void mosaic_arrays(const Array<int64_t, 2>& sources, int dtype, int red, const Array<int64_t, 1>& outputs, int threads) {
  require(dtype >= 0 && dtype <= 1, "unknown dtype");
  require(red >= 0 && red < 4, "red must be one of four pixels");
  Mosaic job{nullptr, static_cast<int64_t>(outputs.shape(0)), static_cast<Dtype>(dtype), red, outputs.data()};
  job.sources = check_batch(sources, job.batch, nullptr, 1);
  require(!job.batch || (job.sources->height >= 2 && job.sources->width >= 2), "a mosaic must have 2 x 2 pixels");
  nb::gil_scoped_release release;
  each_part(job, job.sources, threads, VISIONOPS_PICK(mosaic_rows));
}

}  // namespace

void bind_color(nb::module_& m) {
  m.def("convert_colors", &convert_arrays, nb::arg("sources"), nb::arg("dtype"), nb::arg("conversion"),
        nb::arg("numbers"), nb::arg("levels").none(), nb::arg("outputs"), nb::arg("threads"));
  m.def("convert_colors_adjoint", &adjoint_arrays, nb::arg("sources").none(), nb::arg("grads"), nb::arg("conversion"),
        nb::arg("numbers"), nb::arg("outputs"), nb::arg("threads"));
  m.def("mosaic_colors", &mosaic_arrays, nb::arg("sources"), nb::arg("dtype"), nb::arg("red"), nb::arg("outputs"),
        nb::arg("threads"));
}

}  // namespace visionops
