// Rows are filtered along x once each, into a ring that holds what two rows of the output read.
#include "filter/separable.h"

#include <algorithm>
#include <type_traits>
#include <vector>

#include "common/isa.h"
#include "common/lanes.h"
#include "pixel/elementary.h"
#include "warp/view.h"

namespace visionops {
namespace VISIONOPS_ISA {
namespace {

// Output rows that are summed together: they read the same lines but one.
constexpr int ROWS = 2;

void convert(const float* __restrict x, int n, float* __restrict out) { std::memcpy(out, x, sizeof(float) * n); }

void convert(const uint8_t* __restrict x, int n, float* __restrict out) {
  for (int i = 0; i < n; ++i) out[i] = x[i];
}

void convert(const float* __restrict x, int n, uint8_t* __restrict out) {
  for (int i = 0; i < n; ++i) out[i] = byte_of(x[i]);
}

template <class T>
void put(Floats x, int n, T* out) {
  if (std::is_same_v<T, float> && n >= LANES) return store(x, reinterpret_cast<float*>(out));
  alignas(64) float block[LANES];
  store(x, block);
  convert(block, std::min(LANES, n), out);
}

// out[row][i] = sum_k taps[k] * lines[row + k][i] for i < n, of VECTORS registers a row; lines hold whole vectors.
// SIZE is the number of taps where the compiler may know it, else 0.
template <int SIZE, int COUNT, int VECTORS, class T>
void combine_block(const float* const* lines, const float* taps, int size, int at, int n, T* const* out) {
  Floats sums[COUNT][VECTORS] = {};
  const int lines_read = (SIZE ? SIZE : size) + COUNT - 1;
#pragma GCC unroll 8
  for (int k = 0; k < lines_read; ++k)
    for (int j = 0; j < VECTORS; ++j) {
      const Floats x = load(lines[k] + at + j * LANES);
      for (int row = 0; row < COUNT; ++row)
        if (row <= k && k - row < (SIZE ? SIZE : size)) sums[row][j] += taps[k - row] * x;
    }
  for (int row = 0; row < COUNT; ++row)
    for (int j = 0; j < VECTORS; ++j) put(sums[row][j], n - at - j * LANES, out[row] + at + j * LANES);
}

template <int SIZE, int COUNT, class T>
void combine_rows(const float* const* lines, const float* taps, int size, int n, T* const* out) {
  int at = 0;
  for (; n - at > 3 * LANES; at += 4 * LANES) combine_block<SIZE, COUNT, 4>(lines, taps, size, at, n, out);
  for (; n - at > LANES; at += 2 * LANES) combine_block<SIZE, COUNT, 2>(lines, taps, size, at, n, out);
  if (n > at) combine_block<SIZE, COUNT, 1>(lines, taps, size, at, n, out);
}

template <int COUNT, class T>
void combine(const float* const* lines, const float* taps, int size, int n, T* const* out) {
  switch (size) {
    case 3: return combine_rows<3, COUNT>(lines, taps, size, n, out);
    case 5: return combine_rows<5, COUNT>(lines, taps, size, n, out);
    case 7: return combine_rows<7, COUNT>(lines, taps, size, n, out);
    default: return combine_rows<0, COUNT>(lines, taps, size, n, out);
  }
}

template <class T>
void filter(const Separable& job, int64_t sample, int channel, int begin, int end) {
  const Source& source = job.sources[sample];
  const int height = static_cast<int>(source.height), width = static_cast<int>(source.width);
  const int rx = job.size_x / 2, ry = job.size_y / 2;
  const float* const taps_x = job.taps_x + sample * job.taps_x_step;
  const float* const taps_y = job.taps_y + sample * job.taps_y_step;
  const T* const data = reinterpret_cast<const T*>(source.address) + channel * source.channel_stride;
  T* out = reinterpret_cast<T*>(job.outputs[sample]) + static_cast<int64_t>(channel) * height * width;

  const int stride = (width + LANES - 1) / LANES * LANES, kept = job.size_y + ROWS - 1;
  Aligned padded(static_cast<size_t>(stride) + 2 * rx), ring(static_cast<size_t>(stride) * kept);
  std::vector<const float*> shifted(job.size_x);
  std::vector<float*> lines(kept);
  for (int k = 0; k < job.size_x; ++k) shifted[k] = padded.data() + k;
  for (int k = 0; k < kept; ++k) lines[k] = ring.data() + static_cast<int64_t>(k) * stride;
  std::vector<int64_t> before(rx), after(rx);  // what the border repeats
  for (int k = 0; k < rx; ++k) {
    before[k] = fold(k - rx, width, job.border) * source.column_stride;
    after[k] = fold(width + k, width, job.border) * source.column_stride;
  }
  const bool constant = job.border == Border::constant;

  // The next row takes the place of the oldest. One beyond the image is filtered again from that which it repeats.
  auto advance = [&](int row) {
    std::rotate(lines.begin(), lines.begin() + 1, lines.end());
    if (constant && (row < 0 || row >= height)) {
      std::fill(lines.back(), lines.back() + width, job.fill);
      return;
    }
    const T* const from = data + fold(row, height, job.border) * source.row_stride;
    float* const middle = padded.data() + rx;
    if (source.column_stride == 1)
      convert(from, width, middle);
    else
      for (int x = 0; x < width; ++x) middle[x] = from[x * source.column_stride];
    for (int k = 0; k < rx; ++k) {
      padded.data()[k] = constant ? job.fill : from[before[k]];
      middle[width + k] = constant ? job.fill : from[after[k]];
    }
    combine<1>(shifted.data(), taps_x, job.size_x, stride, &lines.back());
  };

  for (int row = begin - ry; row < begin + ry; ++row) advance(row);
  int row = begin;
  for (; row + ROWS <= end; row += ROWS) {
    T* to[ROWS];
    for (int k = 0; k < ROWS; ++k) {
      advance(row + k + ry);
      to[k] = out + static_cast<int64_t>(row + k) * width;
    }
    combine<ROWS>(lines.data(), taps_y, job.size_y, width, to);
  }
  for (; row < end; ++row) {
    advance(row + ry);
    T* const to = out + static_cast<int64_t>(row) * width;
    combine<1>(lines.data() + ROWS - 1, taps_y, job.size_y, width, &to);
  }
}

}  // namespace

void filter_rows(const Separable& job, int64_t sample, int channel, int begin, int end) {
  if (job.dtype == Dtype::uint8)
    filter<uint8_t>(job, sample, channel, begin, end);
  else
    filter<float>(job, sample, channel, begin, end);
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
