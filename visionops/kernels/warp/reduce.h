// The prefilter of a minifying warp: means over blocks of 2^level pixels, of the part of a source that is read.
#pragma once

#include <algorithm>
#include <cmath>
#include <memory>

#include "warp/view.h"

namespace visionops {
namespace VISIONOPS_ISA {

// The source of one sample as it is once reduced, and where the output reads that.
struct Reduction {
  Reduction(const Sweep& job, int64_t sample)
      : matrix(job.geometry.matrix_of(sample)), map(job.geometry.map_of(sample)) {
    const Source& source = job.sources[sample];
    if (job.levels && (matrix || map)) level_y = job.levels[2 * sample], level_x = job.levels[2 * sample + 1];
    factors[0] = 1 << level_x, factors[1] = 1 << level_y;
    height = static_cast<int>((source.height + factors[1] - 1) / factors[1]);
    width = static_cast<int>((source.width + factors[0] - 1) / factors[0]);
    if (!matrix || !(level_x || level_y)) return;
    for (int i = 0; i < 2; ++i)
      for (int j = 0; j < 3; ++j) changed_[3 * i + j] = matrix[3 * i + j] / factors[i] + shift(i) * matrix[6 + j];
    std::copy(matrix + 6, matrix + 9, changed_ + 6);
    matrix = changed_;
  }
  Reduction(const Reduction&) = delete;

  bool is_trivial() const { return !level_x && !level_y; }
  // How much further from zero the centre of a reduced pixel lies, along x (0) or y (1).
  double shift(int axis) const { return 0.5 / factors[axis] - 0.5; }

  const double* matrix;
  const float* map;
  int level_y = 0, level_x = 0;
  int factors[2];  // along x, along y
  int height, width;

 private:
  double changed_[9];
};

// Returns what the rows [begin, end) of the output read of the reduced source: the bounding box of their positions
// with room for the taps, or everything where that is not known.
inline Box region_read(const Reduction& small, int out_width, int begin, int end, Border border) {
  const double* const matrix = small.matrix;
  const float* const map = small.map;
  const int *const factors = small.factors, height = small.height, width = small.width;
  double low_x = INFINITY, low_y = INFINITY, high_x = -INFINITY, high_y = -INFINITY;
  bool known = true;
  auto include = [&](double x, double y) {
    low_x = std::min(low_x, x), high_x = std::max(high_x, x);
    low_y = std::min(low_y, y), high_y = std::max(high_y, y);
  };
  if (matrix) {
    const double sign = matrix[7] * begin + matrix[8];
    for (double v : {begin - 0.0, end - 1.0})
      for (double u : {0.0, out_width - 1.0}) {
        const double w = matrix[6] * u + matrix[7] * v + matrix[8];
        known = known && w * sign > 0;  // no horizon inside: the corners bound everything
        include((matrix[0] * u + matrix[1] * v + matrix[2]) / w, (matrix[3] * u + matrix[4] * v + matrix[5]) / w);
      }
  } else {
    for (int64_t i = static_cast<int64_t>(begin) * out_width; i < static_cast<int64_t>(end) * out_width; ++i)
      if (std::fabs(map[2 * i]) <= FAR && std::fabs(map[2 * i + 1]) <= FAR)
        include((map[2 * i] + 0.5) / factors[0] - 0.5, (map[2 * i + 1] + 0.5) / factors[1] - 0.5);
  }
  const bool folds = border == Border::reflect || border == Border::circular;
  const bool within = low_x >= 1 && low_y >= 1 && high_x < width - 2 && high_y < height - 2;
  const bool near = low_x > -FAR && low_y > -FAR && high_x < FAR && high_y < FAR && low_x <= high_x && low_y <= high_y;
  if (!known || !near || (folds && !within)) return {0, 0, width, height};
  auto first = [](double low, int n) {
    return static_cast<int>(std::clamp(std::floor(low) - 2, 0.0, std::max(n - 4.0, 0.0)));
  };
  auto last = [](double high, int n) {
    return static_cast<int>(std::clamp(std::floor(high) + 4, std::min(4.0, 1.0 * n), 1.0 * n));
  };
  return {first(low_x, width), first(low_y, height), last(high_x, width), last(high_y, height)};
}

// Sums of pairs, `level` times, of n floats, n a multiple of 2^level. Returns where the sums are: in `row` or `spare`.
inline float* halve(float* row, float* spare, int n, int level) {
  for (; level > 0; --level) {
    n /= 2;
    const float* __restrict in = row;
    float* __restrict out = spare;
    for (int i = 0; i < n; ++i) out[i] = in[2 * i] + in[2 * i + 1];
    std::swap(row, spare);
  }
  return row;
}

// Adds rows of pixels column by column. Sum holds what a block's height of T adds up to.
template <class T, class Sum>
void sum_rows(const T* data, int64_t row_stride, int64_t column_stride, int rows, int64_t n, Sum* __restrict sums) {
  std::fill(sums, sums + n, Sum{0});
  for (int y = 0; y < rows; ++y) {
    const T* __restrict row = data + y * row_stride;
    if (column_stride == 1)
      for (int64_t i = 0; i < n; ++i) sums[i] = static_cast<Sum>(sums[i] + row[i]);
    else
      for (int64_t i = 0; i < n; ++i) sums[i] = static_cast<Sum>(sums[i] + row[i * column_stride]);
  }
}

template <class Sum>
void deinterleave(const Sum* __restrict sums, int n, int channels, int c, float* __restrict out) {
  for (int i = 0; i < n; ++i) out[i] = static_cast<float>(sums[i * channels + c]);
}

template <class Sum>
void deinterleave3(const Sum* __restrict sums, int n, float* __restrict r, float* __restrict g, float* __restrict b) {
  for (int i = 0; i < n; ++i) {
    r[i] = static_cast<float>(sums[3 * i]);
    g[i] = static_cast<float>(sums[3 * i + 1]);
    b[i] = static_cast<float>(sums[3 * i + 2]);
  }
}

// Reduces the box (in reduced pixels) of a source into planes of `scratch`, and returns a view of it that counts as
// the whole reduced source. A block that the edge cuts averages what it has.
template <class T, class Sum>
View<float> reduce(const View<T>& source, int channels, int level_y, int level_x, const Box& box,
                   std::unique_ptr<float[]>& scratch) {
  const int ky = 1 << level_y, kx = 1 << level_x;
  const int rows = box.bottom - box.top, columns = box.right - box.left;
  const int from = box.left * kx, span = std::min(source.width, box.right * kx) - from, whole = columns * kx;
  const bool packed = source.channel_stride == 1 && source.column_stride == channels && channels > 1;
  scratch.reset(new float[static_cast<int64_t>(rows) * columns * channels]);
  const std::unique_ptr<Sum[]> sums(new Sum[static_cast<int64_t>(span) * channels]);
  const std::unique_ptr<float[]> line(new float[static_cast<int64_t>(whole) * channels]), spare(new float[whole]);
  for (int y = 0; y < rows; ++y) {
    const int top = (box.top + y) * ky, height = std::min(ky, source.height - top);
    const T* const data = source.data + top * source.row_stride + from * source.column_stride;
    if (packed) {
      sum_rows(data, source.row_stride, 1, height, static_cast<int64_t>(span) * channels, sums.get());
      if (channels == 3)
        deinterleave3(sums.get(), span, line.get(), line.get() + whole, line.get() + 2 * whole);
      else
        for (int c = 0; c < channels; ++c) deinterleave(sums.get(), span, channels, c, line.get() + c * whole);
    } else {
      for (int c = 0; c < channels; ++c) {
        sum_rows(data + c * source.channel_stride, source.row_stride, source.column_stride, height, span, sums.get());
        deinterleave(sums.get(), span, 1, 0, line.get() + c * whole);
      }
    }
    const float mean = source.unit / (static_cast<float>(kx) * static_cast<float>(height));
    for (int c = 0; c < channels; ++c) {
      float* const row = line.get() + static_cast<int64_t>(c) * whole;
      std::fill(row + span, row + whole, 0.0f);
      const float* const means = halve(row, spare.get(), whole, level_x);
      float* const out = scratch.get() + (static_cast<int64_t>(c) * rows + y) * columns;
      for (int x = 0; x < columns; ++x) out[x] = means[x] * mean;
      if (span < whole) out[columns - 1] *= static_cast<float>(kx) / static_cast<float>(kx - (whole - span));
    }
  }
  return {scratch.get(), (source.height + ky - 1) / ky, (source.width + kx - 1) / kx, box.top, box.left,
          static_cast<int64_t>(rows) * columns, columns, 1, 1.0f};
}

// The same, with the sums of blocks in a type that holds them.
template <class T>
View<float> reduce_region(const View<T>& source, int channels, const Reduction& small, const Box& box,
                          std::unique_ptr<float[]>& scratch) {
  // Sixteen bits hold the sum of 256 bytes.
  using Wide = std::conditional_t<std::is_same_v<T, uint8_t>, uint32_t, float>;
  using Narrow = std::conditional_t<std::is_same_v<T, uint8_t>, uint16_t, float>;
  return small.level_y <= 8 ? reduce<T, Narrow>(source, channels, small.level_y, small.level_x, box, scratch)
                            : reduce<T, Wide>(source, channels, small.level_y, small.level_x, box, scratch);
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
