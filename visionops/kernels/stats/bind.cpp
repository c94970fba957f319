#include "native.h"
#include "stats/stats.h"

namespace visionops {
namespace {

using Sources = Array<int64_t, 2>;
using Addresses = Array<int64_t, 1>;

Images images_of(const Sources& sources, int64_t channels, int dtype) {
  require(dtype >= 0 && dtype <= 1, "unknown dtype");
  return {check_sources(sources, channels, false), static_cast<int64_t>(sources.shape(0)), extent(channels),
          static_cast<Dtype>(dtype)};
}

void check_outputs(const Addresses& outputs, const Images& images) {
  require(static_cast<int64_t>(outputs.shape(0)) == images.batch, "outputs must have one address for each sample");
}

void check_same(const Sources& grads, const Images& images) {
  const Source* const rows = check_sources(grads, images.channels, false);
  require(static_cast<int64_t>(grads.shape(0)) == images.batch, "grads must have one row for each sample");
  for (int64_t b = 0; b < images.batch; ++b)
    require(rows[b].height == images.sources[b].height && rows[b].width == images.sources[b].width,
            "grads must have the images' size");
}

Grid grid_of(const Images& images, int64_t rows, int64_t columns, int64_t tall, int64_t wide) {
  const Grid grid{extent(rows), extent(columns), extent(tall), extent(wide)};
  require(rows > 0 && columns > 0, "a grid must have tiles");
  for (int64_t b = 0; b < images.batch; ++b)
    require(rows * tall >= images.sources[b].height && columns * wide >= images.sources[b].width,
            "tiles must cover the image");
  return grid;
}

template <class T, int N>
Tables<T> tables_of(const Array<T, N>& tables, const Images& images) {
  int64_t size = 1;
  for (int i = 2; i < N; ++i) size *= static_cast<int64_t>(tables.shape(i));
  const int64_t channels = static_cast<int64_t>(tables.shape(1));
  require(channels == images.channels || channels == 1, "tables must be for all channels or each");
  const int64_t sample_step = step_of(tables, images.batch, size * channels, "tables");
  return {tables.data(), sample_step, channels == 1 ? 0 : size, extent(static_cast<int64_t>(tables.shape(N - 1)))};
}

// Of one table for the whole image the size of its tile says nothing.
Grid grid_of(const Images& images, const Array<float, 5>& tables, int64_t tall, int64_t wide) {
  const int64_t rows = static_cast<int64_t>(tables.shape(2)), columns = static_cast<int64_t>(tables.shape(3));
  require(tables.shape(4) >= 2, "tables must have two entries");
  require(rows * columns * static_cast<int64_t>(tables.shape(4)) < (int64_t{1} << 30), "tables must be smaller");
  if (rows == 1 && columns == 1) return {1, 1, 1, 1};
  return grid_of(images, rows, columns, tall, wide);
}

Cube cube_of(const Array<float, 5>& table, const Images& images, bool tetrahedral) {
  const int64_t channels = static_cast<int64_t>(table.shape(1)), n = static_cast<int64_t>(table.shape(2));
  require(table.shape(3) == table.shape(2) && table.shape(4) == table.shape(2) && n >= 2 && n <= 512,
          "a table must be a cube of 2 to 512 entries a side");
  require(channels >= 1 && channels <= 4, "a table must have one to four channels");
  const int64_t step = step_of(table, images.batch, channels * n * n * n, "table");
  return {table.data(), step, static_cast<int>(channels), static_cast<int>(n), tetrahedral};
}

void bind_counts(nb::module_& m) {
  m.def("level_counts", [](const Sources& sources, int64_t channels, int dtype, int64_t rows, int64_t columns,
                           int64_t tall, int64_t wide, const Addresses& outputs, int threads) {
    const Images images = images_of(sources, channels, dtype);
    const Grid grid = grid_of(images, rows, columns, tall, wide);
    check_outputs(outputs, images);
    nb::gil_scoped_release release;
    level_counts(images, grid, outputs.data(), threads);
  });
  m.def(
      "equalize_levels",
      [](const Sources& sources, int64_t channels, const MaybeArray<int64_t, 1>& limits, int64_t rows,
         int64_t columns, int64_t tall, int64_t wide, const Addresses& outputs, int threads) {
        const Images images = images_of(sources, channels, 0);
        const Grid grid = grid_of(images, rows, columns, tall, wide);
        require(limits || grid.is_whole(), "tiles must come with limits");
        const int64_t step = limits ? step_of(*limits, sources.shape(0), 1, "limits") : 0;
        check_outputs(outputs, images);
        nb::gil_scoped_release release;
        equalize_levels(images, grid, data_of(limits), step, outputs.data(), threads);
      },
      nb::arg("sources"), nb::arg("channels"), nb::arg("limits").none(), nb::arg("rows"), nb::arg("columns"),
      nb::arg("tall"), nb::arg("wide"), nb::arg("outputs"), nb::arg("threads"));
  m.def("extremes", [](const Sources& sources, int64_t channels, int64_t address, int threads) {
    const Images images = images_of(sources, channels, 1);
    nb::gil_scoped_release release;
    extremes(images, reinterpret_cast<float*>(address), threads);
  });
  m.def("stretch", [](const Sources& sources, int64_t channels, double low, double high, const Addresses& outputs,
                      int threads) {
    const Images images = images_of(sources, channels, 1);
    check_outputs(outputs, images);
    nb::gil_scoped_release release;
    stretch(images, static_cast<float>(low), static_cast<float>(high), outputs.data(), threads);
  });
  m.def("stretch_adjoint", [](const Sources& grads, const Sources& sources, int64_t channels, double low, double high,
                              const Addresses& outputs, int threads) {
    const Images images = images_of(sources, channels, 1);
    check_outputs(outputs, images);
    check_same(grads, images);
    const auto* const down = reinterpret_cast<const Source*>(grads.data());
    nb::gil_scoped_release release;
    stretch_adjoint(down, images, static_cast<float>(low), static_cast<float>(high), outputs.data(), threads);
  });
  m.def("integral", [](const Sources& sources, int64_t channels, int dtype, bool as_double, const Addresses& outputs,
                       int threads) {
    const Images images = images_of(sources, channels, dtype);
    check_outputs(outputs, images);
    nb::gil_scoped_release release;
    integral(images, as_double, outputs.data(), threads);
  });
  m.def("integral_adjoint", [](const Sources& grads, int64_t channels, const Addresses& outputs, int threads) {
    const Images images = images_of(grads, channels, 1);
    check_outputs(outputs, images);
    nb::gil_scoped_release release;
    integral_adjoint(images, outputs.data(), threads);
  });
}

void bind_tables(nb::module_& m) {
  m.def("look_up_levels", [](const Sources& sources, int64_t channels, const Array<uint8_t, 3>& tables,
                             const Addresses& outputs, int threads) {
    const Images images = images_of(sources, channels, 0);
    require(tables.shape(2) == LEVELS, "tables must have 256 entries");
    const Tables<uint8_t> each = tables_of<uint8_t, 3>(tables, images);
    check_outputs(outputs, images);
    nb::gil_scoped_release release;
    look_up_levels(images, each, outputs.data(), threads);
  });
  m.def("look_up", [](const Sources& sources, int64_t channels, const Array<float, 5>& tables, int64_t tall,
                      int64_t wide, const Addresses& outputs, int threads) {
    const Images images = images_of(sources, channels, 1);
    const Grid grid = grid_of(images, tables, tall, wide);
    const Tables<float> each = tables_of<float, 5>(tables, images);
    check_outputs(outputs, images);
    nb::gil_scoped_release release;
    look_up(images, grid, each, outputs.data(), threads);
  });
  m.def(
      "look_up_adjoint",
      [](const Sources& grads, const Sources& sources, int64_t channels, const Array<float, 5>& tables, int64_t tall,
         int64_t wide, const MaybeArray<int64_t, 1>& outputs, bool by_tables, int threads) {
        const Images images = images_of(sources, channels, 1);
        check_same(grads, images);
        const Grid grid = grid_of(images, tables, tall, wide);
        const Tables<float> each = tables_of<float, 5>(tables, images);
        if (outputs) check_outputs(*outputs, images);
        const size_t planes = by_tables ? static_cast<size_t>(images.batch * images.channels) : 0;
        Doubles sums = zeros(planes, tables.shape(2) * tables.shape(3) * tables.shape(4));
        const auto* rows = reinterpret_cast<const Source*>(grads.data());
        nb::gil_scoped_release release;
        look_up_adjoint(rows, images, grid, each, data_of(outputs), by_tables ? sums.data() : nullptr, threads);
        return sums;
      },
      nb::arg("grads"), nb::arg("sources"), nb::arg("channels"), nb::arg("tables"), nb::arg("tall"), nb::arg("wide"),
      nb::arg("outputs").none(), nb::arg("by_tables"), nb::arg("threads"));
}

void bind_cubes(nb::module_& m) {
  m.def("look_up3d", [](const Sources& sources, const Array<float, 5>& table, bool tetrahedral,
                        const Addresses& outputs, int threads) {
    const Images images = images_of(sources, 3, 1);
    const Cube cube = cube_of(table, images, tetrahedral);
    check_outputs(outputs, images);
    nb::gil_scoped_release release;
    look_up3d(images, cube, outputs.data(), threads);
  });
  m.def(
      "look_up3d_adjoint",
      [](const Sources& grads, const Sources& sources, const Array<float, 5>& table, bool tetrahedral,
         const MaybeArray<int64_t, 1>& outputs, bool by_table, int threads) {
        const Images images = images_of(sources, 3, 1);
        check_same(grads, images);
        const Cube cube = cube_of(table, images, tetrahedral);
        if (outputs) check_outputs(*outputs, images);
        Doubles sums = zeros(by_table ? sources.shape(0) : 0, static_cast<size_t>(cube.channels * cube.entries()));
        const auto* rows = reinterpret_cast<const Source*>(grads.data());
        nb::gil_scoped_release release;
        look_up3d_adjoint(rows, images, cube, data_of(outputs), by_table ? sums.data() : nullptr, threads);
        return sums;
      },
      nb::arg("grads"), nb::arg("sources"), nb::arg("table"), nb::arg("tetrahedral"), nb::arg("outputs").none(),
      nb::arg("by_table"), nb::arg("threads"));
}

}  // namespace

void bind_stats(nb::module_& m) {
  bind_counts(m);
  bind_tables(m);
  bind_cubes(m);
}

}  // namespace visionops
