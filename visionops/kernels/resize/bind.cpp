// Cuts a resampling into channels and stretches of rows, and binds it.
#include "common/isa.h"
#include "common/memory.h"
#include "common/parallel.h"
#include "native.h"
#include "resize/resample.h"

namespace visionops {

void resample(const Resample& job, int threads) {
  const auto kernel = VISIONOPS_PICK(resample_rows);
  const int64_t planes = job.batch * job.channels, height = job.rows.size;
  const int64_t reads = job.batch ? job.sources[0].height * job.sources[0].width : 0;
  const int workers = threads_for(planes * (reads + height * job.columns.size), threads);
  const int64_t pixel = job.dtype == Dtype::uint8 ? 1 : 4;
  use_huge_pages(job.outputs, job.batch, job.channels * height * job.columns.size * pixel);
  const int64_t parts = planes >= workers ? 1 : workers;
  parallel_for(planes * parts, workers, [&](int64_t i) {
    const int64_t plane = i / parts, part = i % parts;
    const int begin = static_cast<int>(height * part / parts), end = static_cast<int>(height * (part + 1) / parts);
    if (begin < end)
      kernel(job, plane / job.channels, static_cast<int>(plane % job.channels), begin, end);
  });
}

namespace {

Band band_of(const Array<int32_t, 1>& start, const Array<float, 2>& weights) {
  require(start.shape(0) == weights.shape(0) && weights.shape(1) > 0, "a start and weights must come for each output");
  return {start.data(), weights.data(), extent(static_cast<int64_t>(start.shape(0))),
          extent(static_cast<int64_t>(weights.shape(1)))};
}

void check_band(const Band& band, int64_t source) {
  for (int i = 0; i < band.size; ++i)
    require(band.start[i] >= 0 && band.start[i] + band.taps <= source, "taps must lie in the source");
}

void resample_arrays(const Array<int64_t, 2>& sources, int64_t channels, int dtype, const Array<int32_t, 1>& start_y,
                     const Array<float, 2>& weights_y, const Array<int32_t, 1>& start_x,
                     const Array<float, 2>& weights_x, const Array<int64_t, 1>& outputs, int threads) {
  const size_t batch = sources.shape(0);
  require(dtype >= 0 && dtype <= 1, "unknown dtype");
  require(outputs.shape(0) == batch, "outputs must have one address for each sample");
  const Resample job{check_sources(sources, channels, false), static_cast<int64_t>(batch), extent(channels),
                     static_cast<Dtype>(dtype), band_of(start_y, weights_y), band_of(start_x, weights_x),
                     outputs.data()};
  for (size_t b = 0; b < batch; ++b) {
    require(job.sources[b].height == job.sources[0].height && job.sources[b].width == job.sources[0].width,
            "sources must have one size");
  }
  if (batch) check_band(job.rows, job.sources[0].height), check_band(job.columns, job.sources[0].width);
  nb::gil_scoped_release release;
  resample(job, threads);
}

}  // namespace

void bind_resize(nb::module_& m) {
  m.def("resample", &resample_arrays, nb::arg("sources"), nb::arg("channels"), nb::arg("dtype"), nb::arg("start_y"),
        nb::arg("weights_y"), nb::arg("start_x"), nb::arg("weights_x"), nb::arg("outputs"), nb::arg("threads"));
}

}  // namespace visionops
