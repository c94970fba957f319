// Python bindings: checks of shapes, structs of pointers, and calls without the interpreter lock.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "common/isa.h"
#include "filter/separable.h"
#include "random/philox.h"
#include "warp/adjoint.h"
#include "warp/gather.h"
#include "warp/sweep.h"

namespace nb = nanobind;
using namespace visionops;

namespace {

template <class T, int N>
using Array = nb::ndarray<const T, nb::ndim<N>, nb::c_contig, nb::device::cpu>;
template <class T, int N>
using MaybeArray = std::optional<Array<T, N>>;

void require(bool condition, const char* message) {
  if (!condition) throw std::invalid_argument(message);
}

template <class A>
auto data_of(const std::optional<A>& array) {
  return array ? array->data() : nullptr;
}

// The elements from one sample to the next of an array (batch or 1, ...).
template <class A>
int64_t step_of(const A& array, size_t batch, int64_t size, const char* name) {
  if (array.shape(0) != batch && array.shape(0) != 1)
    throw std::invalid_argument(std::string(name) + " must have one row, or one for each sample");
  return array.shape(0) == 1 ? 0 : size;
}

int extent(int64_t n) {
  require(n >= 0 && n < (int64_t{1} << 30), "sizes must be between 0 and 2^30");
  return static_cast<int>(n);
}

const Source* check_sources(const Array<int64_t, 2>& sources, int64_t channels, bool may_be_empty) {
  require(sources.shape(1) == 6, "sources must have six columns");
  static_assert(sizeof(Source) == 6 * sizeof(int64_t));
  const auto* rows = reinterpret_cast<const Source*>(sources.data());
  for (size_t b = 0; b < sources.shape(0); ++b) {
    const Source& s = rows[b];
    require(may_be_empty || (s.height > 0 && s.width > 0 && channels > 0), "sources must not be empty");
    require(s.channel_stride >= 0 && s.row_stride >= 0 && s.column_stride >= 0, "strides must not be negative");
    // Offsets within a channel are 32-bit.
    require(extent(s.height) * s.row_stride + extent(s.width) * s.column_stride < (int64_t{1} << 31) - 16,
            "a channel of a source must span less than 2^31 elements");
  }
  return rows;
}

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

// The parameters that each operation reads; -1: unknown operation.
int64_t parameters_of(Op op, int64_t channels) {
  switch (op) {
    case Op::none: return 0;
    case Op::scale: return 2 * channels + 2;
    case Op::matrix: return 14;
    case Op::contrast: return 1;
    case Op::hue: return 1;
    case Op::gamma: return 2;
    case Op::lut: return 256;
    case Op::solarize: return 1;
    case Op::noise: return 5;
    case Op::erase: return 4 + channels;
  }
  return -1;
}

void take_program(Sweep& job, const Array<int32_t, 2>& codes, const Array<int32_t, 1>& starts,
                  const Array<float, 2>& params, size_t batch, int64_t channels) {
  require(codes.shape(0) == batch && params.shape(0) == batch, "codes and params must have one row for each sample");
  require(starts.shape(0) == codes.shape(1), "starts must have one entry for each step");
  for (size_t i = 0; i < batch * starts.shape(0); ++i) {
    const Op op = static_cast<Op>(codes.data()[i]);
    const int64_t needs = parameters_of(op, channels), start = starts.data()[i % starts.shape(0)];
    require(needs >= 0, "unknown operation");
    require(start >= 0 && start + needs <= static_cast<int64_t>(params.shape(1)), "params must hold every step's");
    require(channels == 3 || (op != Op::matrix && op != Op::hue), "MATRIX and HUE need three channels");
  }
  job.steps = static_cast<int>(codes.shape(1));
  job.codes = codes.data();
  job.starts = starts.data();
  job.params = params.data();
  job.params_step = static_cast<int64_t>(params.shape(1));
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

using Doubles = nb::ndarray<nb::numpy, double, nb::ndim<2>>;

// Returns zeros (rows, columns).
Doubles zeros(size_t rows, size_t columns) {
  double* const data = new double[rows * columns]();
  return {data, {rows, columns}, nb::capsule(data, [](void* p) noexcept { delete[] static_cast<double*>(p); })};
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
                   const Array<int64_t, 1>& outputs, int out_dtype, int threads) {
  const size_t batch = sources.shape(0);
  Separable job = separable_of(sources, channels, taps_x, taps_y, border, outputs);
  require(dtype >= 0 && dtype <= 1 && out_dtype >= 0 && out_dtype <= 1, "unknown dtype");
  job.dtype = static_cast<Dtype>(dtype);
  job.fill = static_cast<float>(fill);
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

Doubles philox_arrays(uint64_t seed, uint64_t epoch, uint64_t view,
                                                          const Array<int64_t, 1>& index,
                                                          const std::vector<int64_t>& counts) {
  size_t total = 0;
  for (int64_t count : counts) {
    require(count >= 0, "counts must not be negative");
    total += static_cast<size_t>(count);
  }
  const size_t batch = index.shape(0);
  Doubles out = zeros(total, batch);
  {
    nb::gil_scoped_release release;
    double* to = out.data();
    for (size_t step = 0; step < counts.size(); ++step) {
      for (size_t b = 0; b < batch; ++b)
        philox_uniform(seed, epoch, view, static_cast<uint64_t>(index.data()[b]), step, counts[step], to + b,
                       static_cast<int64_t>(batch));
      to += static_cast<size_t>(counts[step]) * batch;
    }
  }
  return out;
}

}  // namespace

NB_MODULE(_native, m) {
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
  m.def("filter_separable", &filter_arrays, nb::arg("sources"), nb::arg("channels"), nb::arg("dtype"),
        nb::arg("taps_x"), nb::arg("taps_y"), nb::arg("border"), nb::arg("fill"), nb::arg("codes").none(),
        nb::arg("starts").none(), nb::arg("params").none(), nb::arg("outputs"), nb::arg("out_dtype"),
        nb::arg("threads"));
  m.def("filter_adjoint", &filter_adjoint_arrays, nb::arg("grads"), nb::arg("channels"), nb::arg("taps_x"),
        nb::arg("taps_y"), nb::arg("border"), nb::arg("outputs"), nb::arg("threads"));
  m.def("filter_products", &filter_products_arrays, nb::arg("grads"), nb::arg("images"), nb::arg("channels"),
        nb::arg("down"), nb::arg("size"), nb::arg("border"), nb::arg("fill"), nb::arg("threads"));
  m.def("philox_uniform", &philox_arrays, nb::arg("seed"), nb::arg("epoch"), nb::arg("view"), nb::arg("index"),
        nb::arg("counts"));
  m.def("features", [] { return name_of(active_isa()); });
}
