// Cuts images into what one thread does at a time, and makes the tables that equalise.
#include <algorithm>
#include <cmath>
#include <vector>

#include "common/isa.h"
#include "common/parallel.h"
#include "stats/stats.h"

namespace visionops {
namespace {

int workers_for(const Images& images, int threads, int cost = 1) {
  int64_t elements = 0;
  for (int64_t b = 0; b < images.batch; ++b) elements += images.sources[b].height * images.sources[b].width;
  return threads_for(elements * images.channels * cost, threads);
}

// Calls body(sample, channel, begin, end) for stretches of rows: whole planes, or parts where those are few.
template <class Body>
void for_rows(const Images& images, int channels, int workers, const Body& body) {
  const int64_t planes = images.batch * channels, parts = planes >= workers ? 1 : workers;
  parallel_for(planes * parts, workers, [&](int64_t i) {
    const int64_t plane = i / parts, part = i % parts, sample = plane / channels;
    const int64_t height = images.sources[sample].height;
    const int begin = static_cast<int>(height * part / parts), end = static_cast<int>(height * (part + 1) / parts);
    if (begin < end) body(sample, static_cast<int>(plane % channels), begin, end);
  });
}

template <class T>
T* at(const int64_t* outputs, int64_t sample, int64_t offset) {
  return reinterpret_cast<T*>(outputs[sample]) + offset;
}

int64_t pixels_of(const Images& images, int64_t sample) {
  return images.sources[sample].height * images.sources[sample].width;
}

uint8_t to_level(float x) { return static_cast<uint8_t>(std::nearbyint(std::min(std::max(x, 0.0f), 255.0f))); }

// In float32, as OpenCV: ties and their neighbours then fall to the same side.
void equalizing_table(const int32_t* counts, int64_t pixels, uint8_t* table) {
  const int first = static_cast<int>(std::find_if(counts, counts + LEVELS, [](int32_t n) { return n; }) - counts);
  const int64_t span = pixels - counts[first];
  const float scale = 255.0f / static_cast<float>(span);
  int64_t sum = 0;
  for (int i = 0; i < LEVELS; ++i) {
    if (i > first) sum += counts[i];
    table[i] = span ? to_level(static_cast<float>(sum) * scale) : static_cast<uint8_t>(i);
  }
}

void clipped_table(const int32_t* counts, int64_t area, int64_t limit, uint8_t* table) {
  int64_t excess = 0;
  for (int i = 0; i < LEVELS; ++i) excess += std::max<int64_t>(counts[i] - limit, 0);
  const int64_t share = excess / LEVELS, left = excess % LEVELS;
  const int64_t stride = std::max<int64_t>(LEVELS / std::max<int64_t>(left, 1), 1);
  const float scale = 255.0f / static_cast<float>(area);
  int64_t sum = 0;
  for (int i = 0; i < LEVELS; ++i) {
    sum += std::min<int64_t>(counts[i], limit) + share + (i % stride == 0 && i / stride < left);
    table[i] = to_level(static_cast<float>(sum) * scale);
  }
}

}  // namespace

void level_counts(const Images& images, const Grid& grid, const int64_t* outputs, int threads) {
  const auto count = VISIONOPS_PICK(count_tile);
  const int64_t planes = images.batch * images.channels;
  parallel_for(planes * grid.rows, workers_for(images, threads), [&](int64_t i) {
    const int64_t plane = i / grid.rows, sample = plane / images.channels;
    const int channel = static_cast<int>(plane % images.channels), row = static_cast<int>(i % grid.rows);
    for (int column = 0; column < grid.columns; ++column) {
      const int64_t tile = (int64_t{channel} * grid.rows + row) * grid.columns + column;
      count(images.sources[sample], images.dtype, channel, grid, row, column,
            at<int32_t>(outputs, sample, tile * LEVELS));
    }
  });
}

void extremes(const Images& images, float* out, int threads) {
  const auto find = VISIONOPS_PICK(find_extremes);
  parallel_for(images.batch * images.channels, workers_for(images, threads), [&](int64_t i) {
    find(images.sources[i / images.channels], static_cast<int>(i % images.channels), out + 2 * i);
  });
}

void stretch(const Images& images, float low, float high, const int64_t* outputs, int threads) {
  const auto plane = VISIONOPS_PICK(stretch_plane);
  parallel_for(images.batch * images.channels, workers_for(images, threads, 2), [&](int64_t i) {
    const int64_t b = i / images.channels, c = i % images.channels;
    plane(images.sources[b], static_cast<int>(c), low, high, at<float>(outputs, b, c * pixels_of(images, b)));
  });
}

void stretch_adjoint(const Source* grads, const Images& images, float low, float high, const int64_t* outputs,
                     int threads) {
  const auto plane = VISIONOPS_PICK(stretch_adjoint_plane);
  parallel_for(images.batch * images.channels, workers_for(images, threads, 4), [&](int64_t i) {
    const int64_t b = i / images.channels, c = i % images.channels;
    plane(grads[b], images.sources[b], static_cast<int>(c), low, high,
          at<float>(outputs, b, c * pixels_of(images, b)));
  });
}

void equalize_levels(const Images& images, const Grid& grid, const int64_t* limits, int64_t limits_step,
                     const int64_t* outputs, int threads) {
  const auto count = VISIONOPS_PICK(count_tile);
  const int64_t planes = images.batch * images.channels, tiles = int64_t{grid.rows} * grid.columns;
  const int workers = workers_for(images, threads, 2);
  if (!limits) {
    const auto map = VISIONOPS_PICK(map_levels);
    return parallel_for(planes, workers, [&](int64_t plane) {
      const int64_t sample = plane / images.channels, pixels = pixels_of(images, sample);
      const int channel = static_cast<int>(plane % images.channels);
      int32_t counts[LEVELS];
      uint8_t table[LEVELS];
      count(images.sources[sample], Dtype::uint8, channel, grid, 0, 0, counts);
      equalizing_table(counts, pixels, table);
      map(images.sources[sample], channel, table, at<uint8_t>(outputs, sample, channel * pixels), 0,
          static_cast<int>(images.sources[sample].height));
    });
  }
  std::vector<uint8_t> tables(planes * tiles * LEVELS);
  parallel_for(planes * grid.rows, workers, [&](int64_t i) {
    const int64_t plane = i / grid.rows, sample = plane / images.channels, row = i % grid.rows;
    int32_t counts[LEVELS];
    for (int column = 0; column < grid.columns; ++column) {
      count(images.sources[sample], Dtype::uint8, static_cast<int>(plane % images.channels), grid,
            static_cast<int>(row), column, counts);
      clipped_table(counts, int64_t{grid.tall} * grid.wide, limits[sample * limits_step],
                    tables.data() + (plane * tiles + row * grid.columns + column) * LEVELS);
    }
  });
  const auto blend = VISIONOPS_PICK(blend_levels);
  for_rows(images, images.channels, workers, [&](int64_t sample, int channel, int begin, int end) {
    const int64_t plane = sample * images.channels + channel;
    blend(images.sources[sample], channel, grid, tables.data() + plane * tiles * LEVELS,
          at<uint8_t>(outputs, sample, channel * pixels_of(images, sample)), begin, end);
  });
}

void look_up_levels(const Images& images, const Tables<uint8_t>& tables, const int64_t* outputs, int threads) {
  const auto map = VISIONOPS_PICK(map_levels);
  for_rows(images, images.channels, workers_for(images, threads), [&](int64_t b, int c, int begin, int end) {
    map(images.sources[b], c, tables.of(b, c), at<uint8_t>(outputs, b, c * pixels_of(images, b)), begin, end);
  });
}

void look_up(const Images& images, const Grid& grid, const Tables<float>& tables, const int64_t* outputs,
             int threads) {
  const auto rows = VISIONOPS_PICK(look_up_rows);
  for_rows(images, images.channels, workers_for(images, threads, 2), [&](int64_t b, int c, int begin, int end) {
    rows(images.sources[b], c, grid, tables.of(b, c), tables.size, at<float>(outputs, b, c * pixels_of(images, b)),
         begin, end);
  });
}

void look_up_adjoint(const Source* grads, const Images& images, const Grid& grid, const Tables<float>& tables,
                     const int64_t* outputs, double* sums, int threads) {
  const auto rows = VISIONOPS_PICK(look_up_adjoint_rows);
  const int64_t size = int64_t{grid.rows} * grid.columns * tables.size;
  const auto body = [&](int64_t b, int c, int begin, int end) {
    rows(grads[b], images.sources[b], c, grid, tables.of(b, c), tables.size,
         outputs ? at<float>(outputs, b, c * pixels_of(images, b)) : nullptr,
         sums ? sums + (b * images.channels + c) * size : nullptr, begin, end);
  };
  const int workers = workers_for(images, threads, 4);
  if (!sums) return for_rows(images, images.channels, workers, body);
  // A row of sums is one thread's, in one order.
  parallel_for(images.batch * images.channels, workers, [&](int64_t i) {
    body(i / images.channels, static_cast<int>(i % images.channels), 0,
         static_cast<int>(images.sources[i / images.channels].height));
  });
}

namespace {

// Returns the entries of each cube with its channels together, four of them.
std::vector<float> pack(const Cube& cube, int64_t cubes) {
  const int64_t n = cube.entries();
  std::vector<float> packed(cubes * n * 4);
  for (int64_t b = 0; b < cubes; ++b)
    for (int c = 0; c < cube.channels; ++c)
      for (int64_t i = 0; i < n; ++i)
        packed[(b * n + i) * 4 + c] = cube.data[b * cube.sample_step + c * n + i];
  return packed;
}

}  // namespace

void look_up3d(const Images& images, const Cube& cube, const int64_t* outputs, int threads) {
  const auto rows = VISIONOPS_PICK(look_up3d_rows);
  const std::vector<float> packed = pack(cube, cube.sample_step ? images.batch : 1);
  for_rows(images, 1, workers_for(images, threads, 8), [&](int64_t b, int, int begin, int end) {
    rows(images.sources[b], cube, packed.data() + (cube.sample_step ? b * cube.entries() * 4 : 0),
         at<float>(outputs, b, 0), begin, end);
  });
}

void look_up3d_adjoint(const Source* grads, const Images& images, const Cube& cube, const int64_t* outputs,
                       double* sums, int threads) {
  const auto rows = VISIONOPS_PICK(look_up3d_adjoint_rows);
  const int64_t n = cube.entries();
  const std::vector<float> packed = pack(cube, cube.sample_step ? images.batch : 1);
  const auto body = [&](int64_t b, double* mine, int begin, int end) {
    rows(grads[b], images.sources[b], cube, packed.data() + (cube.sample_step ? b * n * 4 : 0),
         outputs ? at<float>(outputs, b, 0) : nullptr, mine, begin, end);
  };
  const int workers = workers_for(images, threads, 16);
  if (!sums)
    return for_rows(images, 1, workers, [&](int64_t b, int, int begin, int end) { body(b, nullptr, begin, end); });
  parallel_for(images.batch, workers, [&](int64_t b) {
    std::vector<double> mine(n * 4);
    body(b, mine.data(), 0, static_cast<int>(images.sources[b].height));
    for (int c = 0; c < cube.channels; ++c)
      for (int64_t i = 0; i < n; ++i) sums[(b * cube.channels + c) * n + i] = mine[i * 4 + c];
  });
}

void integral(const Images& images, bool as_double, const int64_t* outputs, int threads) {
  const auto plane = VISIONOPS_PICK(integral_plane);
  parallel_for(images.batch * images.channels, workers_for(images, threads), [&](int64_t i) {
    const int64_t sample = i / images.channels, channel = i % images.channels;
    const Source& source = images.sources[sample];
    plane(source, images.dtype, static_cast<int>(channel), as_double, outputs[sample],
          channel * (source.height + 1) * (source.width + 1));
  });
}

void integral_adjoint(const Images& grads, const int64_t* outputs, int threads) {
  const auto plane = VISIONOPS_PICK(integral_adjoint_plane);
  parallel_for(grads.batch * grads.channels, workers_for(grads, threads), [&](int64_t i) {
    const int64_t sample = i / grads.channels, channel = i % grads.channels;
    const Source& grad = grads.sources[sample];
    plane(grad, static_cast<int>(channel), at<float>(outputs, sample, channel * (grad.height - 1) * (grad.width - 1)));
  });
}

}  // namespace visionops
