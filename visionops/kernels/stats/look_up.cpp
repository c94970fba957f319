// Tables of one colour, read linearly between entries, and their adjoint.
#include <algorithm>
#include <cstring>
#include <vector>

#include "common/fetch.h"
#include "stats/stats.h"
#include "warp/view.h"

namespace visionops {
namespace VISIONOPS_ISA {
namespace {

// Along an axis, where the tables before and after each pixel start, and how near it is to the latter.
struct Axis {
  std::vector<int32_t> before, after;
  std::vector<float> part;

  Axis(int pixels, int size, int tiles, int32_t step)
      : before((pixels + RUN - 1) / RUN * RUN), after(before.size()), part(before.size()) {
    if (tiles == 1) return;
    for (int i = 0; i < pixels; ++i) {
      const float at = static_cast<float>(i) / static_cast<float>(size) - 0.5f;
      const int first = static_cast<int>(at + 1.0f) - 1;
      before[i] = std::max(first, 0) * step;
      after[i] = std::min(first + 1, tiles - 1) * step;
      part[i] = at - static_cast<float>(first);
    }
  }
};

void read_run(const float* from, int64_t step, int n, float* __restrict to) {
  for (int i = 0; i < n; ++i) to[i] = from[i * step];
  for (int i = n; i < RUN; ++i) to[i] = 0;
}

// Returns entries and fractions of a run of colours; a NaN is one of the first entry.
void place(const float* __restrict x, int size, int32_t* __restrict entry, float* __restrict part) {
  const float last = static_cast<float>(size - 1);
  for (int i = 0; i < RUN; ++i) {
    const float inside = x[i] < 0.0f ? 0.0f : x[i] > 1.0f ? 1.0f : x[i];
    const float at = inside * last;
    const int32_t whole = static_cast<int32_t>(at > 0.0f ? at : 0.0f);
    entry[i] = whole < size - 2 ? whole : size - 2;
    part[i] = at - static_cast<float>(entry[i]);
  }
}

// Reads each entry and the next of the tables that start at `start`.
void pairs(const float* tables, const int32_t* __restrict start, const int32_t* __restrict entry,
           float* __restrict low, float* __restrict high) {
  alignas(64) int32_t offset[RUN];
  alignas(64) uint32_t first[RUN], second[RUN];
  for (int i = 0; i < RUN; ++i) offset[i] = start[i] + entry[i];
  fetch_eight<4>(tables, offset, first, second);
  std::memcpy(low, first, sizeof first);
  std::memcpy(high, second, sizeof second);
}

inline float mix(float a, float b, float part) { return a + (b - a) * part; }

// Reads the entries around a run of colours from the tables of one or of four tiles, blended as those are.
struct Reader {
  const Grid& grid;
  const float* tables;
  Axis across, down;

  Reader(const Source& source, const Grid& grid, const float* tables, int size)
      : grid(grid), tables(tables), across(static_cast<int>(source.width), grid.wide, grid.columns, size),
        down(static_cast<int>(source.height), grid.tall, grid.rows, grid.columns * size) {}

  void read(int x, int y, const int32_t* entry, float* __restrict low, float* __restrict high) const {
    const int32_t *const left = across.before.data() + x, *const right = across.after.data() + x;
    const float *const upper = tables + down.before[y], *const lower = tables + down.after[y];
    pairs(upper, left, entry, low, high);
    if (grid.is_whole()) return;
    alignas(64) float others[3][2][RUN];
    pairs(upper, right, entry, others[0][0], others[0][1]);
    pairs(lower, left, entry, others[1][0], others[1][1]);
    pairs(lower, right, entry, others[2][0], others[2][1]);
    const float* const part = across.part.data() + x;
    const float below = down.part[y];
    for (int i = 0; i < RUN; ++i) {
      low[i] = mix(mix(low[i], others[0][0][i], part[i]), mix(others[1][0][i], others[2][0][i], part[i]), below);
      high[i] = mix(mix(high[i], others[0][1][i], part[i]), mix(others[1][1][i], others[2][1][i], part[i]), below);
    }
  }
};

}  // namespace

void look_up_rows(const Source& source, int channel, const Grid& grid, const float* tables, int size, float* out,
                  int begin, int end) {
  const View<float> view = view_of<float>(source);
  const Reader reader(source, grid, tables, size);
  for (int y = begin; y < end; ++y) {
    const float* const from = view.data + channel * view.channel_stride + y * view.row_stride;
    for (int x = 0; x < view.width; x += RUN) {
      const int n = std::min(RUN, view.width - x);
      alignas(64) float values[RUN], part[RUN], low[RUN], high[RUN];
      alignas(64) int32_t entry[RUN];
      read_run(from + x * view.column_stride, view.column_stride, n, values);
      place(values, size, entry, part);
      reader.read(x, y, entry, low, high);
      for (int i = 0; i < RUN; ++i) values[i] = mix(low[i], high[i], part[i]);
      std::memcpy(out + int64_t{y} * view.width + x, values, n * sizeof(float));
    }
  }
}

void look_up_adjoint_rows(const Source& grad, const Source& source, int channel, const Grid& grid,
                          const float* tables, int size, float* out, double* sums, int begin, int end) {
  const View<float> view = view_of<float>(source), grads = view_of<float>(grad);
  const Reader reader(source, grid, tables, size);
  const float steep = static_cast<float>(size - 1);
  for (int y = begin; y < end; ++y) {
    const float* const from = view.data + channel * view.channel_stride + y * view.row_stride;
    const float* const down = grads.data + channel * grads.channel_stride + y * grads.row_stride;
    for (int x = 0; x < view.width; x += RUN) {
      const int n = std::min(RUN, view.width - x);
      alignas(64) float values[RUN], part[RUN], low[RUN], high[RUN], g[RUN];
      alignas(64) int32_t entry[RUN];
      read_run(from + x * view.column_stride, view.column_stride, n, values);
      read_run(down + x * grads.column_stride, grads.column_stride, n, g);
      place(values, size, entry, part);
      if (out) {
        reader.read(x, y, entry, low, high);
        for (int i = 0; i < RUN; ++i) {
          const float slope = g[i] * ((high[i] - low[i]) * steep);
          values[i] = (values[i] >= 0.0f) & (values[i] <= 1.0f) ? slope : 0.0f;
        }
        std::memcpy(out + int64_t{y} * view.width + x, values, n * sizeof(float));
      }
      if (!sums) continue;
      const auto add = [&](double* table, int i, float weight) {
        table[entry[i]] += g[i] * weight * (1.0f - part[i]);
        table[entry[i] + 1] += g[i] * weight * part[i];
      };
      if (grid.is_whole()) {
        for (int i = 0; i < n; ++i) add(sums, i, 1.0f);
        continue;
      }
      const float below = reader.down.part[y];
      double *const upper = sums + reader.down.before[y], *const lower = sums + reader.down.after[y];
      for (int i = 0; i < n; ++i) {
        const int32_t left = reader.across.before[x + i], right = reader.across.after[x + i];
        const float near = reader.across.part[x + i];
        add(upper + left, i, (1.0f - near) * (1.0f - below));
        add(upper + right, i, near * (1.0f - below));
        add(lower + left, i, (1.0f - near) * below);
        add(lower + right, i, near * below);
      }
    }
  }
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
