// Means over windows and their adjoint, a row at a time.
#include "box/box.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "box/sums.h"
#include "common/border.h"
#include "common/isa.h"
#include "filter/rows.h"

namespace visionops {
namespace VISIONOPS_ISA {
namespace {

typedef uint16_t Shorts __attribute__((vector_size(4 * LANES)));
typedef uint16_t HalfShorts __attribute__((vector_size(2 * LANES)));

constexpr int MOST_ADDED = 16;  // columns that are added one by one

template <class T>
void mean_rows(const Box& job, int64_t sample, int channel, int begin, int end) {
  const Source& source = job.sources[sample];
  const int height = static_cast<int>(source.height), width = static_cast<int>(source.width);
  const int top = job.size_y / 2, left = job.size_x / 2, right = job.size_x - 1 - left;
  const bool constant = job.border == Border::constant;
  const bool in_place = std::is_same_v<T, float> && source.column_stride == 1;
  const T* const data = reinterpret_cast<const T*>(source.address) + channel * source.channel_stride;
  T* const out = reinterpret_cast<T*>(job.outputs[sample]) + static_cast<int64_t>(channel) * height * width;
  Aligned converted(static_cast<size_t>(width)), blank(static_cast<size_t>(width));
  std::fill(blank.data(), blank.data() + width, job.fill);
  const auto row = [&](int y) -> const float* {
    if (constant && (y < 0 || y >= height)) return blank.data();
    const T* const from = data + fold(y, height, job.border) * source.row_stride;
    if (in_place) return reinterpret_cast<const float*>(from);
    if (source.column_stride == 1)
      convert(from, width, converted.data());
    else
      for (int x = 0; x < width; ++x) converted.data()[x] = from[x * source.column_stride];
    return converted.data();
  };
  std::vector<int> before(left), after(right);
  for (int k = 0; k < left; ++k) before[k] = fold(k - left, width, job.border);
  for (int k = 0; k < right; ++k) after[k] = fold(width + k, width, job.border);

  Columns columns(job.size_y, width);
  Along along(job.size_x, width);
  float* const middle = along.row() + left;
  const float outside = job.fill * job.size_y;
  const Floats scale = all(1.0f / (static_cast<float>(job.size_y) * job.size_x));
  for (int y = begin; y < end; ++y) {
    columns.sum(y - top, row, middle);
    for (int k = 0; k < left; ++k) middle[k - left] = constant ? outside : middle[before[k]];
    for (int k = 0; k < right; ++k) middle[width + k] = constant ? outside : middle[after[k]];
    T* const to = out + static_cast<int64_t>(y) * width;
    along.sum([&](int at, int n, Floats sum) { put(scale * sum, n, to + at); });
  }
}

// Sums of small windows of bytes fit 16 bits and are exact, so that those of columns may run down the image.
bool runs_in_shorts(const Box& job, const Source& source) {
  return job.size_x <= MOST_ADDED && job.size_x * job.size_y <= 65535 / 255 && job.border != Border::constant &&
         source.column_stride == 1;
}

void mean_bytes(const Box& job, int64_t sample, int channel, int begin, int end) {
  const Source& source = job.sources[sample];
  const int height = static_cast<int>(source.height), width = static_cast<int>(source.width);
  const int top = job.size_y / 2, left = job.size_x / 2, right = job.size_x - 1 - left;
  const uint8_t* const data = reinterpret_cast<const uint8_t*>(source.address) + channel * source.channel_stride;
  uint8_t* const out = reinterpret_cast<uint8_t*>(job.outputs[sample]) + static_cast<int64_t>(channel) * height * width;
  const auto row = [&](int y) { return data + fold(y, height, job.border) * source.row_stride; };
  constexpr int block = 2 * LANES;
  std::vector<uint16_t> columns(static_cast<size_t>(width) + job.size_x + block);
  uint16_t* const middle = columns.data() + left;
  const auto add = [&](const uint8_t* __restrict line, uint16_t* __restrict to) {
    for (int x = 0; x < width; ++x) to[x] = static_cast<uint16_t>(to[x] + line[x]);
  };
  const auto move = [&](const uint8_t* __restrict line, const uint8_t* __restrict old, uint16_t* __restrict to) {
    for (int x = 0; x < width; ++x) to[x] = static_cast<uint16_t>(to[x] + line[x] - old[x]);
  };
  const Floats scale = all(1.0f / (static_cast<float>(job.size_y) * job.size_x));
  for (int k = 0; k < job.size_y - 1; ++k) add(row(begin - top + k), middle);
  for (int y = begin; y < end; ++y) {
    const uint8_t* const line = row(y - top + job.size_y - 1);
    y == begin ? add(line, middle) : move(line, row(y - top - 1), middle);
    for (int k = 0; k < left; ++k) middle[k - left] = middle[fold(k - left, width, job.border)];
    for (int k = 0; k < right; ++k) middle[width + k] = middle[fold(width + k, width, job.border)];
    uint8_t* const to = out + static_cast<int64_t>(y) * width;
    for (int at = 0; at < width; at += block) {
      Shorts sum = {};
      for (int k = 0; k < job.size_x; ++k) {
        Shorts next;
        std::memcpy(&next, columns.data() + at + k, sizeof next);
        sum += next;
      }
      HalfShorts halves[2];
      std::memcpy(halves, &sum, sizeof sum);
      for (int i = 0, x = at; i < 2 && x < width; ++i, x += LANES)
        put(scale * __builtin_convertvector(halves[i], Floats), width - x, to + x);
    }
  }
}

}  // namespace

void box_rows(const Box& job, int64_t sample, int channel, int begin, int end) {
  if (job.dtype == Dtype::uint8 && runs_in_shorts(job, job.sources[sample]))
    mean_bytes(job, sample, channel, begin, end);
  else if (job.dtype == Dtype::uint8)
    mean_rows<uint8_t>(job, sample, channel, begin, end);
  else
    mean_rows<float>(job, sample, channel, begin, end);
}

// The means of gradients over the mirrored windows, also around the image, folded back to where the border had read.
void box_adjoint(const Box& job, int64_t sample, int channel) {
  const Source& source = job.sources[sample];
  const int height = static_cast<int>(source.height), width = static_cast<int>(source.width);
  const bool constant = job.border == Border::constant;
  const int top = job.size_y / 2, left = job.size_x / 2, bottom = job.size_y - 1 - top, right = job.size_x - 1 - left;
  const int x0 = constant ? 0 : left, x1 = constant ? 0 : right, wide = x0 + width + x1;
  const float* const data = reinterpret_cast<const float*>(source.address) + channel * source.channel_stride;
  float* const out = reinterpret_cast<float*>(job.outputs[sample]) + static_cast<int64_t>(channel) * height * width;
  std::fill(out, out + static_cast<int64_t>(height) * width, 0.0f);
  Aligned converted(static_cast<size_t>(width)), blank(static_cast<size_t>(width));
  const auto row = [&](int y) -> const float* {
    if (y < 0 || y >= height) return blank.data();
    const float* const from = data + y * source.row_stride;
    if (source.column_stride == 1) return from;
    for (int x = 0; x < width; ++x) converted.data()[x] = from[x * source.column_stride];
    return converted.data();
  };
  Columns columns(job.size_y, width);
  Along along(job.size_x, wide);
  float* const middle = along.row() + right + x0;  // zeros around it
  Aligned spread(static_cast<size_t>(wide) + LANES);
  float* const line = spread.data();
  const Floats scale = all(1.0f / (static_cast<float>(job.size_y) * job.size_x));
  for (int y = constant ? 0 : -top; y < (constant ? height : height + bottom); ++y) {
    columns.sum(y - bottom, row, middle);
    along.sum([&](int at, int, Floats sum) { store(scale * sum, line + at); });
    float* const to = out + static_cast<int64_t>(fold(y, height, job.border)) * width;
    for (int x = 0; x < width; ++x) to[x] += line[x0 + x];
    for (int k = 0; k < x0; ++k) to[fold(k - x0, width, job.border)] += line[k];
    for (int k = 0; k < x1; ++k) to[fold(width + k, width, job.border)] += line[x0 + width + k];
  }
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
