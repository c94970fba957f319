// Bindings: checks of shapes, structs of pointers, and calls without the interpreter lock.
#include "native.h"
#include "pixel/bind.h"
#include "warp/adjoint.h"
#include "warp/gather.h"
#include "warp/sweep.h"

namespace visionops {
namespace {

Geometry geometry_of(const MaybeArray<double, 3>& inverse, const MaybeArray<int64_t, 1>& coordinates,
                     const MaybeArray<double, 4>& planes, bool has_fills, size_t batch, int64_t height, int64_t width) {
  Geometry geometry{data_of(inverse), data_of(coordinates), data_of(planes), 0, 0, 0, extent(height), extent(width)};
  require(!inverse || !coordinates, "inverse and coordinates must not both be given");
  if (inverse) {
    require(inverse->shape(1) == 3 && inverse->shape(2) == 3, "inverse must be (batch, 3, 3)");
    geometry.inverse_step = step_of(*inverse, batch, 9, "inverse");
  }
  if (coordinates) require(coordinates->shape(0) == batch, "coordinates must have one address for each sample");
  if (planes) {
    require(planes->shape(2) == 4 && planes->shape(3) == 3, "planes must be (batch, domains, 4, 3)");
    require(has_fills, "planes must come with fills");
    geometry.domains = static_cast<int>(planes->shape(1));
    geometry.planes_step = step_of(*planes, batch, 12 * geometry.domains, "planes");
  }
  return geometry;
}

template <class Row, class Rows>
void check_fills(const Geometry& geometry, const Rows& fills, const Row& fill, int64_t channels) {
  if (geometry.inverse || geometry.maps)
    require(fill && static_cast<int64_t>(fill->shape(0)) == channels, "fill must have one value for each channel");
  if (geometry.domains)
    require(fills && static_cast<int64_t>(fills->shape(0)) == geometry.domains &&
                static_cast<int64_t>(fills->shape(1)) == channels,
            "fills must be (domains, channels)");
}

Sweep sweep_of(const Array<int64_t, 2>& sources, int64_t channels, int dtype, const MaybeArray<double, 3>& inverse,
               const MaybeArray<int64_t, 1>& coordinates, const MaybeArray<double, 4>& planes,
               const MaybeArray<double, 2>& fills, const MaybeArray<double, 1>& fill, int interpolation, int border,
               const MaybeArray<int32_t, 2>& levels, const Array<int32_t, 2>& codes, const Array<int32_t, 1>& starts,
               const Array<float, 2>& params, int64_t height, int64_t width) {
  const size_t batch = sources.shape(0);
  Sweep job{};
  job.geometry = geometry_of(inverse, coordinates, planes, fills.has_value(), batch, height, width);
  const bool resamples = inverse || coordinates;
  if (!height || !width || !batch || !channels) return job;
  job.sources = check_sources(sources, channels, false);
  check_fills(job.geometry, fills, fill, channels);
  require(dtype >= 0 && dtype <= 1, "dtype must be 0 or 1");
  require(interpolation >= 0 && interpolation <= 2 && border >= 0 && border <= 3, "unknown interpolation or border");
  take_program(job, codes, starts, params, batch, channels);
  for (size_t b = 0; b < batch; ++b)
    require(resamples || (job.sources[b].height == height && job.sources[b].width == width),
            "sources must have the output's size");
  if (levels) {
    require(levels->shape(0) == batch && levels->shape(1) == 2, "levels must be (batch, 2)");
    for (size_t i = 0; i < 2 * batch; ++i)
      require(levels->data()[i] >= 0 && levels->data()[i] <= 16, "levels must be between 0 and 16");
  }
  job.batch = static_cast<int64_t>(batch);
  job.channels = extent(channels);
  job.dtype = static_cast<Dtype>(dtype);
  job.fills = data_of(fills);
  job.fill = data_of(fill);
  job.interpolation = static_cast<Interpolation>(interpolation);
  job.border = static_cast<Border>(border);
  job.levels = resamples ? data_of(levels) : nullptr;
  return job;
}

void sweep_arrays(const Array<int64_t, 2>& sources, int64_t channels, int dtype, const MaybeArray<double, 3>& inverse,
                  const MaybeArray<int64_t, 1>& coordinates, const MaybeArray<double, 4>& planes,
                  const MaybeArray<double, 2>& fills, const MaybeArray<double, 1>& fill, int interpolation, int border,
                  const MaybeArray<int32_t, 2>& levels, const Array<int32_t, 2>& codes, const Array<int32_t, 1>& starts,
                  const Array<float, 2>& params, const Array<int64_t, 1>& outputs, int out_dtype, int64_t height,
                  int64_t width, int threads) {
  Sweep job = sweep_of(sources, channels, dtype, inverse, coordinates, planes, fills, fill, interpolation, border, levels,
                       codes, starts, params, height, width);
  if (!job.batch) return;
  require(out_dtype >= 0 && out_dtype <= 1, "out_dtype must be 0 or 1");
  require(outputs.shape(0) == sources.shape(0), "outputs must have one address for each sample");
  job.outputs = outputs.data();
  job.out_dtype = static_cast<Dtype>(out_dtype);
  nb::gil_scoped_release release;
  sweep(job, threads);
}

// Returns the gradients of the matrices (batch, 9) and of the parameters.
std::pair<Doubles, Doubles> sweep_adjoint_arrays(
    const Array<int64_t, 2>& sources, int64_t channels, int dtype, const MaybeArray<double, 3>& inverse,
    const MaybeArray<int64_t, 1>& coordinates, const MaybeArray<double, 4>& planes, const MaybeArray<double, 2>& fills,
    const MaybeArray<double, 1>& fill, int interpolation, int border, const MaybeArray<int32_t, 2>& levels,
    const Array<int32_t, 2>& codes, const Array<int32_t, 1>& starts, const Array<float, 2>& params, int64_t height,
    int64_t width, const Array<int64_t, 2>& grads, const MaybeArray<int64_t, 1>& image, bool wants_matrix,
    const MaybeArray<int64_t, 1>& map, bool wants_params, int threads) {
  const size_t batch = sources.shape(0);
  Doubles matrices = zeros(wants_matrix ? batch : 0, 9), by_params = zeros(wants_params ? batch : 0, params.shape(1));
  SweepAdjoint adjoint{};
  adjoint.job = sweep_of(sources, channels, dtype, inverse, coordinates, planes, fills, fill, interpolation, border,
                         levels, codes, starts, params, height, width);
  if (!adjoint.job.batch) return {matrices, by_params};
  require(grads.shape(0) == batch, "grads must have one row for each sample");
  adjoint.grads = check_sources(grads, channels, false);
  for (size_t b = 0; b < batch; ++b)
    require(adjoint.grads[b].height == height && adjoint.grads[b].width == width, "grads must have the output's size");
  require(!image || (image->shape(0) == batch && dtype == 1), "image must have an address for each float32 sample");
  for (size_t b = 0; b < batch; ++b)
    require(sources.data()[6 * b] || !(wants_matrix || map || wants_params), "these gradients need the image");
  require(!wants_matrix || inverse, "without matrices there is no gradient of them");
  require(!map || (coordinates && map->shape(0) == batch), "map must have an address for each sample");
  adjoint.image = data_of(image);
  adjoint.matrix = wants_matrix ? matrices.data() : nullptr;
  adjoint.map = data_of(map);
  adjoint.params = wants_params ? by_params.data() : nullptr;
  nb::gil_scoped_release release;
  sweep_adjoint(adjoint, threads);
  return {matrices, by_params};
}

void gather_arrays(const Array<int64_t, 2>& sources, int64_t channels, int itemsize,
                   const MaybeArray<double, 3>& inverse, const MaybeArray<int64_t, 1>& coordinates,
                   const MaybeArray<double, 4>& planes, const MaybeArray<uint64_t, 2>& fills,
                   const MaybeArray<uint64_t, 1>& fill, int border, const Array<int64_t, 1>& outputs, int64_t height,
                   int64_t width, int threads) {
  const size_t batch = sources.shape(0);
  Gather job{};
  job.geometry = geometry_of(inverse, coordinates, planes, fills.has_value(), batch, height, width);
  require(inverse || coordinates, "inverse or coordinates must be given");
  if (!height || !width || !batch || !channels) return;
  job.sources = check_sources(sources, channels, false);
  check_fills(job.geometry, fills, fill, channels);
  require(itemsize == 1 || itemsize == 2 || itemsize == 4 || itemsize == 8, "itemsize must be 1, 2, 4 or 8");
  require(border >= 0 && border <= 3, "unknown border");
  require(outputs.shape(0) == batch, "outputs must have one address for each sample");
  job.batch = static_cast<int64_t>(batch);
  job.itemsize = itemsize;
  job.channels = extent(channels);
  job.fills = data_of(fills);
  job.fill = data_of(fill);
  job.border = static_cast<Border>(border);
  job.outputs = outputs.data();
  nb::gil_scoped_release release;
  gather_nearest(job, threads);
}

}  // namespace

void bind_warp(nb::module_& m) {
  m.def("sweep", &sweep_arrays, nb::arg("sources"), nb::arg("channels"), nb::arg("dtype"), nb::arg("inverse").none(),
        nb::arg("coordinates").none(), nb::arg("planes").none(), nb::arg("fills").none(), nb::arg("fill").none(),
        nb::arg("interpolation"), nb::arg("border"), nb::arg("levels").none(), nb::arg("codes"), nb::arg("starts"),
        nb::arg("params"), nb::arg("outputs"), nb::arg("out_dtype"), nb::arg("height"), nb::arg("width"),
        nb::arg("threads"));
  m.def("sweep_adjoint", &sweep_adjoint_arrays, nb::arg("sources"), nb::arg("channels"), nb::arg("dtype"),
        nb::arg("inverse").none(), nb::arg("coordinates").none(), nb::arg("planes").none(), nb::arg("fills").none(),
        nb::arg("fill").none(), nb::arg("interpolation"), nb::arg("border"), nb::arg("levels").none(), nb::arg("codes"),
        nb::arg("starts"), nb::arg("params"), nb::arg("height"), nb::arg("width"), nb::arg("grads"),
        nb::arg("image").none(), nb::arg("wants_matrix"), nb::arg("map").none(), nb::arg("wants_params"),
        nb::arg("threads"));
  m.def("gather_nearest", &gather_arrays, nb::arg("sources"), nb::arg("channels"), nb::arg("itemsize"),
        nb::arg("inverse").none(), nb::arg("coordinates").none(), nb::arg("planes").none(), nb::arg("fills").none(),
        nb::arg("fill").none(), nb::arg("border"), nb::arg("outputs"), nb::arg("height"), nb::arg("width"),
        nb::arg("threads"));
}

}  // namespace visionops
