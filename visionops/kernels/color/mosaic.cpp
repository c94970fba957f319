// Bayer mosaics to colours: each the mean of the nearest pixels that saw it, the mosaic reflected at its border.
#include <vector>

#include "color/color.h"
#include "common/isa.h"

namespace visionops {
namespace VISIONOPS_ISA {
namespace {

// What sums of pixels are held in; of bytes, those that are halved round ties to even.
template <class T>
struct Mean;

template <>
struct Mean<float> {
  using Sum = float;
  static float half(float sum) { return 0.5f * sum; }
  static float quarter(float sum) { return 0.25f * sum; }
};

template <>
struct Mean<uint8_t> {
  using Sum = uint16_t;
  static uint16_t half(uint16_t sum) { return static_cast<uint16_t>(sum + (sum >> 1 & 1)) >> 1; }
  static uint16_t quarter(uint16_t sum) { return static_cast<uint16_t>(sum + 1 + (sum >> 2 & 1)) >> 2; }
};

// A row with one reflected pixel on either side.
template <class T, class Sum>
void take_row(const Source& s, int64_t row, Sum* __restrict to) {
  const T* const data = reinterpret_cast<const T*>(s.address) + row * s.row_stride;
  const int64_t width = s.width, step = s.column_stride;
  if (step == 1)
    for (int64_t x = 0; x < width; ++x) to[x] = data[x];
  else
    for (int64_t x = 0; x < width; ++x) to[x] = data[x * step];
  to[-1] = to[1];
  to[width] = to[width - 2];
}

// Of a row whose pixels where `seen` is 1 saw its own colour and all others green; `other` is seen in rows beside it.
template <class T, class Sum>
void mix(const Sum* up, const Sum* mid, const Sum* down, const Sum* seen, int64_t width, T* __restrict own,
         T* __restrict green, T* __restrict other) {
  for (int64_t x = 0; x < width; ++x) {
    const Sum across = mid[x - 1] + mid[x + 1], along = up[x] + down[x], beside = across + along;
    const Sum corners = (up[x - 1] + up[x + 1]) + (down[x - 1] + down[x + 1]);
    const bool mine = seen[x] != 0;
    own[x] = static_cast<T>(mine ? mid[x] : Mean<T>::half(across));
    green[x] = static_cast<T>(mine ? Mean<T>::quarter(beside) : mid[x]);
    other[x] = static_cast<T>(mine ? Mean<T>::quarter(corners) : Mean<T>::half(along));
  }
}

template <class T>
void mosaic(const Mosaic& job, int64_t sample, int begin, int end) {
  using Sum = typename Mean<T>::Sum;
  const Source& s = job.sources[sample];
  const int64_t width = s.width, height = s.height, stride = width + 2;
  std::vector<Sum> rows(3 * stride), seen(width + 1);
  for (int64_t x = 0; x <= width; x += 2) seen[x] = 1;
  Sum* const lines[3] = {rows.data() + 1, rows.data() + stride + 1, rows.data() + 2 * stride + 1};
  T* const out = reinterpret_cast<T*>(job.outputs[sample]);
  const auto line_of = [&](int64_t y) { return lines[(y + 3) % 3]; };
  // Row y lies in line y mod 3, the reflected ones too: -1 in line 2, `height` in its own.
  const auto take = [&](int64_t y) { take_row<T>(s, y < 0 ? 1 : y < height ? y : height - 2, line_of(y)); };
  take(begin - 1);
  take(begin);
  for (int64_t y = begin; y < end; ++y) {
    take(y + 1);
    const bool is_red = (y & 1) == job.red >> 1;
    const int own = is_red ? 0 : 2, first = (is_red ? job.red : 3 - job.red) & 1;
    T* to[3];
    for (int c = 0; c < 3; ++c) to[c] = out + (c * height + y) * width;
    mix<T>(line_of(y - 1), line_of(y), line_of(y + 1), seen.data() + first, width, to[own], to[1], to[2 - own]);
  }
}

}  // namespace

void mosaic_rows(const Mosaic& job, int64_t sample, int begin, int end) {
  job.dtype == Dtype::uint8 ? mosaic<uint8_t>(job, sample, begin, end) : mosaic<float>(job, sample, begin, end);
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
