// Down the columns first, from the rows of the source where they are float32, into a row that is padded; then along it.
#include "filter/separable.h"

#include <algorithm>
#include <type_traits>
#include <utility>
#include <vector>

#include "common/isa.h"
#include "common/lanes.h"
#include "filter/rows.h"
#include "warp/view.h"

namespace visionops {
namespace VISIONOPS_ISA {
namespace {

// Calls function with the number of taps as a constant where that pays, else with zero.
template <class Function>
void with_size(int size, Function function) {
  switch (size) {
    case 3: return function(std::integral_constant<int, 3>());
    case 5: return function(std::integral_constant<int, 5>());
    case 7: return function(std::integral_constant<int, 7>());
    case 9: return function(std::integral_constant<int, 9>());
    case 11: return function(std::integral_constant<int, 11>());
    case 13: return function(std::integral_constant<int, 13>());
    case 15: return function(std::integral_constant<int, 15>());
    case 17: return function(std::integral_constant<int, 17>());
    default: return function(std::integral_constant<int, 0>());
  }
}

// out[i] = sum_k taps[k] * lines[k][i] for VECTORS registers from `at` on, the last of them `last` pixels long.
template <int SIZE, int VECTORS, bool WHOLE>
void down_block(const float* const* lines, const float* taps, int any_size, int at, int last, float* out) {
  const int size = SIZE ? SIZE : any_size;
  Floats sums[VECTORS] = {};
#pragma GCC unroll 17
  for (int k = 0; k < size; ++k)
    for (int j = 0; j < VECTORS; ++j) {
      const float* const from = lines[k] + at + j * LANES;
      sums[j] += taps[k] * (WHOLE ? load(from) : load_some(from, last));
    }
  for (int j = 0; j < VECTORS; ++j) store(sums[j], out + at + j * LANES);
}

// The same for i < n. Many sums at once, so that additions overlap.
template <int SIZE>
void down(const float* const* lines, const float* taps, int size, int n, float* out) {
  constexpr int many = SIZE ? 4 : 8;
  int at = 0;
  for (; n - at >= many * LANES; at += many * LANES) down_block<SIZE, many, true>(lines, taps, size, at, LANES, out);
  for (; n - at >= 2 * LANES; at += 2 * LANES) down_block<SIZE, 2, true>(lines, taps, size, at, LANES, out);
  for (; n > at; at += LANES) down_block<SIZE, 1, false>(lines, taps, size, at, std::min(LANES, n - at), out);
}

// A register and its neighbours in a row that starts where a cache line does. A load across two lines takes twice as
// long as one within, so that shifting registers is faster where there is an instruction for it.
class Neighbourhood {
 public:
#if defined(__AVX512F__)
  explicit Neighbourhood(const float* at)
      : before_(_mm512_load_si512(at - LANES)), here_(_mm512_load_si512(at)), after_(_mm512_load_si512(at + LANES)) {}

  template <int SHIFT>
  Floats shifted() const {
    static_assert(-LANES < SHIFT && SHIFT < LANES);
    if constexpr (SHIFT < 0) return _mm512_castsi512_ps(_mm512_alignr_epi32(here_, before_, LANES + SHIFT));
    else if constexpr (SHIFT > 0) return _mm512_castsi512_ps(_mm512_alignr_epi32(after_, here_, SHIFT));
    else return _mm512_castsi512_ps(here_);
  }

 private:
  const __m512i before_, here_, after_;
#else
  explicit Neighbourhood(const float* at) : at_(at) {}
  template <int SHIFT>
  Floats shifted() const { return load(at_ + SHIFT); }

 private:
  const float* const at_;
#endif
};

// out[i] = rest + sum_k taps[k] * row[i + k - size / 2] for i < n.
template <int... K, class T>
void along_row(std::integer_sequence<int, K...>, const float* row, const float* taps, float rest, int n, T* out) {
  constexpr int radius = sizeof...(K) / 2;
  const Floats weights[] = {all(taps[K])...}, start = all(rest);
  int at = 0;
  for (; n - at >= 2 * LANES; at += 2 * LANES) {  // two sums at once, so that additions overlap
    const Neighbourhood x(row + at), y(row + at + LANES);
    Floats first = start, second = start;
    ((first += weights[K] * x.template shifted<K - radius>(),
      second += weights[K] * y.template shifted<K - radius>()), ...);
    put(first, LANES, out + at);
    put(second, LANES, out + at + LANES);
  }
  for (; n > at; at += LANES) {
    const Neighbourhood x(row + at);
    Floats sum = start;
    ((sum += weights[K] * x.template shifted<K - radius>()), ...);
    put(sum, n - at, out + at);
  }
}

// The same for numbers of taps that no instance of along_row has.
template <class T>
void along_any(const float* row, const float* taps, int size, float rest, int n, T* out) {
  for (int at = 0; at < n; at += 4 * LANES) {  // the row is long enough
    Floats sums[4] = {all(rest), all(rest), all(rest), all(rest)};
    for (int k = 0; k < size; ++k)
      for (int j = 0; j < 4; ++j) sums[j] += taps[k] * load(row + at + k - size / 2 + j * LANES);
    for (int j = 0; j < 4 && at + j * LANES < n; ++j) put(sums[j], n - at - j * LANES, out + at + j * LANES);
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
  T* const out = reinterpret_cast<T*>(job.outputs[sample]) + static_cast<int64_t>(channel) * height * width;
  const bool constant = job.border == Border::constant;
  const bool in_place = std::is_same_v<T, float> && source.column_stride == 1;

  const int stride = (width + 4 * LANES - 1) / (4 * LANES) * 4 * LANES;
  const int margin = (rx + LANES - 1) / LANES * LANES + LANES;
  Aligned padded(static_cast<size_t>(stride) + 2 * margin);
  float* const middle = padded.data() + margin;
  std::vector<int> before(rx), after(rx);  // what the border repeats
  for (int k = 0; k < rx; ++k) {
    before[k] = fold(k - rx, width, job.border);
    after[k] = fold(width + k, width, job.border);
  }

  // The rows that are read, from begin - ry on: the source's own where they are float32, else made by `advance` in a
  // ring of as many as there are taps. Those outside a constant border are zero.
  Aligned ring(in_place ? 0 : static_cast<size_t>(stride) * job.size_y), zeros(stride);
  std::vector<const float*> lines(end - begin + 2 * ry);
  for (size_t i = 0; i < lines.size(); ++i) {
    const int row = begin - ry + static_cast<int>(i);
    if (constant && (row < 0 || row >= height))
      lines[i] = zeros.data();
    else if (in_place)
      lines[i] = reinterpret_cast<const float*>(data + fold(row, height, job.border) * source.row_stride);
    else
      lines[i] = ring.data() + static_cast<int64_t>(i % job.size_y) * stride;
  }
  auto advance = [&](int row) {
    const float* const line = lines[row - (begin - ry)];
    if (in_place || line == zeros.data()) return;
    const T* const from = data + fold(row, height, job.border) * source.row_stride;
    float* const to = const_cast<float*>(line);
    if (source.column_stride == 1)
      convert(from, width, to);
    else
      for (int x = 0; x < width; ++x) to[x] = from[x * source.column_stride];
  };

  const float sharpen = job.sharpen ? job.sharpen[sample * job.sharpen_step] : 0;
  Aligned blurred(job.sharpen ? stride : 0);

  // The fill of rows and columns outside, as if along came first: columns outside are read by the rows inside alone.
  auto finish = [&](int row) {
    float inside = 0, outside = 0;
    if (constant)
      for (int k = 0; k < job.size_y; ++k)
        (row + k - ry >= 0 && row + k - ry < height ? inside : outside) += taps_y[k] * job.fill;
    for (int k = 0; k < rx; ++k) {
      middle[k - rx] = constant ? inside : middle[before[k]];
      middle[width + k] = constant ? inside : middle[after[k]];
    }
    T* const to = out + static_cast<int64_t>(row) * width;
    auto along = [&](auto* to) {
      with_size(job.size_x, [&](auto size) {
        if constexpr (size > 0)
          along_row(std::make_integer_sequence<int, size>(), middle, taps_x, outside, width, to);
        else
          along_any(middle, taps_x, job.size_x, outside, width, to);
      });
    };
    if (!job.sharpen) return along(to);
    float* const line = blurred.data();
    along(line);
    const T* const from = data + row * source.row_stride;
    if (source.column_stride == 1)
      for (int x = 0; x < width; ++x) line[x] += sharpen * (from[x] - line[x]);
    else
      for (int x = 0; x < width; ++x) line[x] += sharpen * (from[x * source.column_stride] - line[x]);
    for (int x = 0; x < width; x += LANES) put(load(line + x), width - x, to + x);
  };

  for (int row = begin - ry; row < begin + ry; ++row) advance(row);
  for (int row = begin; row < end; ++row) {
    advance(row + ry);
    with_size(job.size_y,
              [&](auto size) { down<size>(lines.data() + (row - begin), taps_y, job.size_y, width, middle); });
    finish(row);
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
