// Rows are filtered along x once each, into a ring that holds as many as there are taps along y.
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

// Registers that are summed together, so that additions overlap, and the pixels in them.
constexpr int SUMS = 8, BLOCK = SUMS * LANES;

void convert(const float* __restrict x, int n, float* __restrict out) { std::memcpy(out, x, sizeof(float) * n); }

void convert(const uint8_t* __restrict x, int n, float* __restrict out) {
  for (int i = 0; i < n; ++i) out[i] = x[i];
}

void convert(const float* __restrict x, int n, uint8_t* __restrict out) {
  for (int i = 0; i < n; ++i) out[i] = byte_of(x[i]);
}

// out[i] = sum_k taps[k] * lines[k][i] for i < n; lines hold whole blocks.
template <class T>
void combine(float* const* lines, const float* taps, int size, int n, T* out) {
  for (int at = 0; at < n; at += BLOCK) {
    Floats sums[SUMS] = {};
    for (int k = 0; k < size; ++k) {
      const float* const line = lines[k] + at;
      for (int j = 0; j < SUMS; ++j) sums[j] += taps[k] * load(line + j * LANES);
    }
    if (std::is_same_v<T, float> && n - at >= BLOCK) {
      for (int j = 0; j < SUMS; ++j) store(sums[j], reinterpret_cast<float*>(out + at) + j * LANES);
    } else {
      alignas(64) float block[BLOCK];
      for (int j = 0; j < SUMS; ++j) store(sums[j], block + j * LANES);
      convert(block, std::min(BLOCK, n - at), out + at);
    }
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

  const int stride = (width + BLOCK - 1) / BLOCK * BLOCK;
  Aligned padded(static_cast<size_t>(stride) + 2 * rx), ring(static_cast<size_t>(stride) * job.size_y);
  std::vector<float*> shifted(job.size_x), lines(job.size_y);
  for (int k = 0; k < job.size_x; ++k) shifted[k] = padded.data() + k;
  for (int k = 0; k < job.size_y; ++k) lines[k] = ring.data() + static_cast<int64_t>(k) * stride;
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
    combine(shifted.data(), taps_x, job.size_x, stride, lines.back());
  };

  for (int row = begin - ry; row < begin + ry; ++row) advance(row);
  for (int row = begin; row < end; ++row) {
    advance(row + ry);
    combine(lines.data(), taps_y, job.size_y, width, out + static_cast<int64_t>(row) * width);
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
