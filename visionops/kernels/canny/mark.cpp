// Gradients of a row, then the maxima across the edge of the row before it: loops without branches over whole rows.
#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

#include "canny/canny.h"
#include "common/isa.h"

namespace visionops {
namespace VISIONOPS_ISA {
namespace {

// tan(22.5 degrees) in units of 2^-15.
constexpr int TANGENT = 13573, ONE = 32768;

// Bytes are computed with in integers, exactly; floats in floats.
template <class T>
using Value = std::conditional_t<std::is_same_v<T, uint8_t>, int32_t, float>;

template <class V>
V threshold(double value, bool squares) {
  if constexpr (std::is_same_v<V, float>) {
    return static_cast<float>(squares ? value * std::max(value, 0.0) : value);
  } else {
    const double bounded = std::min(std::max(value, -1.0), 32767.0);
    return static_cast<int32_t>(std::floor(squares && bounded > 0 ? bounded * bounded : bounded));
  }
}

// One row of derivatives and of their size, with a zero on both sides.
template <class V>
struct Row {
  explicit Row(int width) : dx(width), dy(width), padded(width + 2) {}
  V* size() { return padded.data() + 1; }
  std::vector<V> dx, dy, padded;
};

template <class T>
class Gradients {
 public:
  using V = Value<T>;

  Gradients(const Canny& job, const Source& source)
      : source_(source), channels_(job.channels), squares_(job.squares), width_(static_cast<int>(source.width)),
        sum_(width_ + 2), difference_(width_ + 2) {
    if (source.column_stride != 1)
      for (auto& copy : copies_) copy.resize(width_);
  }

  // Writes the derivatives of row y, of the channel where they are largest.
  void fill(int y, Row<V>& row) {
    for (int c = 0; c < channels_; ++c) {
      const int height = static_cast<int>(source_.height);
      sums(line(c, std::max(y - 1, 0), 0), line(c, y, 1), line(c, std::min(y + 1, height - 1), 2));
      if (squares_)
        c == 0 ? derive<true, true>(row) : derive<true, false>(row);
      else
        c == 0 ? derive<false, true>(row) : derive<false, false>(row);
    }
  }

 private:
  const T* line(int channel, int y, int slot) {
    const T* const from =
        reinterpret_cast<const T*>(source_.address) + channel * source_.channel_stride + y * source_.row_stride;
    if (source_.column_stride == 1) return from;
    T* const copy = copies_[slot].data();
    for (int x = 0; x < width_; ++x) copy[x] = from[x * source_.column_stride];
    return copy;
  }

  // Down the columns: smoothed, and the difference; the edge is repeated.
  void sums(const T* above, const T* middle, const T* below) {
    V* __restrict const sum = sum_.data() + 1;
    V* __restrict const difference = difference_.data() + 1;
    for (int x = 0; x < width_; ++x) {
      const V a = above[x], b = middle[x], c = below[x];
      sum[x] = a + 2 * b + c;
      difference[x] = c - a;
    }
    sum[-1] = sum[0], sum[width_] = sum[width_ - 1];
    difference[-1] = difference[0], difference[width_] = difference[width_ - 1];
  }

  template <bool SQUARES, bool FIRST>
  void derive(Row<V>& row) {
    const V* __restrict const sum = sum_.data() + 1;
    const V* __restrict const difference = difference_.data() + 1;
    V* __restrict const dx = row.dx.data();
    V* __restrict const dy = row.dy.data();
    V* __restrict const size = row.size();
    for (int x = 0; x < width_; ++x) {
      const V u = sum[x + 1] - sum[x - 1], v = difference[x - 1] + 2 * difference[x] + difference[x + 1];
      const V s = SQUARES ? u * u + v * v : std::abs(u) + std::abs(v);
      const bool more = FIRST || s > size[x];
      dx[x] = more ? u : dx[x];
      dy[x] = more ? v : dy[x];
      size[x] = more ? s : size[x];
    }
  }

  const Source& source_;
  const int channels_;
  const bool squares_;
  const int width_;
  std::vector<V> sum_, difference_;
  std::vector<T> copies_[3];
};

template <class V>
void mark(const V* __restrict above, const V* __restrict size, const V* __restrict below, const V* __restrict dx,
          const V* __restrict dy, int width, V low, V high, uint8_t* __restrict map) {
  for (int x = 0; x < width; ++x) {
    const V u = dx[x], v = dy[x], s = size[x];
    const V wide = std::abs(u) * TANGENT, tall = std::abs(v) * ONE;
    const bool level = tall < wide, steep = tall > wide + std::abs(u) * (2 * ONE), falling = (u < 0) == (v < 0);
    const V left = size[x - 1], right = size[x + 1], over = above[x], under = below[x];
    const V over_left = above[x - 1], over_right = above[x + 1], under_left = below[x - 1], under_right = below[x + 1];
    const V slanted_before = falling ? over_left : over_right, slanted_after = falling ? under_right : under_left;
    const V before = level ? left : steep ? over : slanted_before, after = level ? right : steep ? under : slanted_after;
    const bool thin = (s > low) & (s > before) & ((s > after) | ((s == after) & (level | steep)));
    map[x] = thin ? (s > high ? edge : may_be) : not_one;
  }
}

template <class T>
void mark_all(const Canny& job, int64_t sample, int begin, int end, uint8_t* map) {
  using V = Value<T>;
  const Source& source = job.sources[sample];
  const int height = static_cast<int>(source.height), width = static_cast<int>(source.width);
  const V low = threshold<V>(job.low[sample * job.low_step], job.squares);
  const V high = threshold<V>(job.high[sample * job.high_step], job.squares);
  Gradients<T> gradients(job, source);
  Row<V> rows[3] = {Row<V>(width), Row<V>(width), Row<V>(width)};
  for (int y = begin - 1; y <= end; ++y) {
    Row<V>& row = rows[(y + 3) % 3];
    if (y >= 0 && y < height)
      gradients.fill(y, row);
    else
      std::fill(row.padded.begin(), row.padded.end(), V{0});
    if (job.magnitudes && y >= begin && y < end) {
      float* const to = reinterpret_cast<float*>(job.magnitudes[sample]) + static_cast<int64_t>(y) * width;
      const V* const size = row.size();
      if (job.squares)
        for (int x = 0; x < width; ++x) to[x] = std::sqrt(static_cast<float>(size[x]));
      else
        for (int x = 0; x < width; ++x) to[x] = static_cast<float>(size[x]);
    }
    if (y <= begin) continue;
    Row<V>& middle = rows[(y + 2) % 3];
    mark(rows[(y + 1) % 3].size(), middle.size(), row.size(), middle.dx.data(), middle.dy.data(), width, low, high,
         map + static_cast<int64_t>(y) * (width + 2) + 1);
  }
}

}  // namespace

void mark_rows(const Canny& job, int64_t sample, int begin, int end, uint8_t* map) {
  if (job.dtype == Dtype::uint8)
    mark_all<uint8_t>(job, sample, begin, end, map);
  else
    mark_all<float>(job, sample, begin, end, map);
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
