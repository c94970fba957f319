#include "common/parallel.h"
#include "morphology/element.h"
#include "native.h"

namespace visionops {
namespace {

constexpr int REACH = 1 << 20;

using RunRows = Array<int32_t, 2>;

Runs checked(const RunRows& rows) {
  require(rows.shape(0) > 0 && rows.shape(1) == 3, "runs must be rows of three");
  static_assert(sizeof(Run) == 3 * sizeof(int32_t));
  const Runs runs{reinterpret_cast<const Run*>(rows.data()), static_cast<int64_t>(rows.shape(0))};
  for (int64_t i = 0; i < runs.count; ++i) {
    const Run& run = runs.at[i];
    require(run.x0 <= run.x1 && run.x0 > -REACH && run.x1 < REACH && run.dy > -REACH && run.dy < REACH &&
                (!i || run.dy >= runs.at[i - 1].dy),
            "runs must be in reading order, not empty, and below 2^20");
  }
  return runs;
}

Extremum job_of(const Array<int64_t, 2>& sources, int64_t channels, int dtype, const RunRows& runs, bool largest,
                const Array<int64_t, 1>& outputs) {
  const size_t batch = sources.shape(0);
  require(outputs.shape(0) == batch, "outputs must have one address for each sample");
  require(dtype >= 0 && dtype <= 1, "unknown dtype");
  return {check_sources(sources, channels, true), static_cast<int64_t>(batch), extent(channels),
          static_cast<Dtype>(dtype), checked(runs), largest, outputs.data()};
}

void extremum_arrays(const Array<int64_t, 2>& sources, int64_t channels, int dtype, const RunRows& runs, bool largest,
                     const Array<int64_t, 1>& outputs, int threads) {
  const Extremum job = job_of(sources, channels, dtype, runs, largest, outputs);
  nb::gil_scoped_release release;
  extremum(job, threads);
}

void compound_arrays(const Array<int64_t, 2>& sources, int64_t channels, int dtype, const RunRows& first,
                     const RunRows& second, bool largest, int result, const Array<int64_t, 1>& outputs, int threads) {
  require(result >= 0 && result <= 3, "unknown result");
  const Compound job{job_of(sources, channels, dtype, first, largest, outputs), checked(second),
                     static_cast<Result>(result)};
  nb::gil_scoped_release release;
  compound(job, threads);
}

// Calls run(plane, offset of its first pixel, height, width) for each plane of an array (planes, height, width).
template <class T, class Run>
void each_plane(const Array<T, 3>& planes, int threads, Run run) {
  const int height = extent(static_cast<int64_t>(planes.shape(1))), width = extent(static_cast<int64_t>(planes.shape(2)));
  const int64_t count = static_cast<int64_t>(planes.shape(0)), size = static_cast<int64_t>(height) * width;
  require(size > 0, "planes must not be empty");
  nb::gil_scoped_release release;
  parallel_for(count, threads_for(count * size * 8, threads),
               [&](int64_t i) { run(planes.data() + i * size, i * size, height, width); });
}

void distance_arrays(const Array<uint8_t, 3>& inside, int64_t out, int threads) {
  each_plane(inside, threads, [&](const uint8_t* plane, int64_t at, int height, int width) {
    squared_distance(plane, height, width, reinterpret_cast<double*>(out) + at);
  });
}

void components_arrays(const Array<uint8_t, 3>& inside, int connectivity, int64_t out, int threads) {
  require(connectivity == 4 || connectivity == 8, "connectivity must be 4 or 8");
  each_plane(inside, threads, [&](const uint8_t* plane, int64_t at, int height, int width) {
    label_components(plane, height, width, connectivity, reinterpret_cast<int64_t*>(out) + at);
  });
}

void skeleton_arrays(const Array<uint8_t, 3>& inside, const Array<uint8_t, 2>& removed, int64_t out, int threads) {
  require(removed.shape(0) == 2 && removed.shape(1) == 256, "removed must have two rows of 256");
  each_plane(inside, threads, [&](const uint8_t* plane, int64_t at, int height, int width) {
    thin(plane, height, width, removed.data(), reinterpret_cast<uint8_t*>(out) + at);
  });
}

template <class T>
void reconstruct_arrays(const Array<T, 3>& marker, const Array<T, 3>& mask, int connectivity, int64_t out,
                        int threads) {
  require(connectivity == 4 || connectivity == 8, "connectivity must be 4 or 8");
  for (int i = 0; i < 3; ++i) require(marker.shape(i) == mask.shape(i), "marker and mask must have one shape");
  each_plane(marker, threads, [&](const T* plane, int64_t at, int height, int width) {
    reconstruct(plane, mask.data() + at, height, width, connectivity, reinterpret_cast<int64_t*>(out) + at);
  });
}

}  // namespace

void bind_morphology(nb::module_& m) {
  m.def("extremum", &extremum_arrays, nb::arg("sources"), nb::arg("channels"), nb::arg("dtype"), nb::arg("runs"),
        nb::arg("largest"), nb::arg("outputs"), nb::arg("threads"));
  m.def("compound", &compound_arrays, nb::arg("sources"), nb::arg("channels"), nb::arg("dtype"), nb::arg("first"),
        nb::arg("second"), nb::arg("largest"), nb::arg("result"), nb::arg("outputs"), nb::arg("threads"));
  m.def("squared_distance", &distance_arrays, nb::arg("inside"), nb::arg("out"), nb::arg("threads"));
  m.def("components", &components_arrays, nb::arg("inside"), nb::arg("connectivity"), nb::arg("out"),
        nb::arg("threads"));
  m.def("skeleton", &skeleton_arrays, nb::arg("inside"), nb::arg("removed"), nb::arg("out"), nb::arg("threads"));
  m.def("reconstruct", &reconstruct_arrays<float>, nb::arg("marker"), nb::arg("mask"), nb::arg("connectivity"),
        nb::arg("out"), nb::arg("threads"));
  m.def("reconstruct", &reconstruct_arrays<double>, nb::arg("marker"), nb::arg("mask"), nb::arg("connectivity"),
        nb::arg("out"), nb::arg("threads"));
}

}  // namespace visionops
