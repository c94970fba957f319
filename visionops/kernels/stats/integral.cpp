// Sums over all rows above and all columns to the left, and their adjoint, which sums the other way.
#include <algorithm>
#include <cstring>
#include <vector>

#include "stats/stats.h"

namespace visionops {
namespace VISIONOPS_ISA {
namespace {

// Numbers whose running sum is made at once: each is added to those one, two, four, ... places on, in place of a chain
// in which every addition waits for the one before.
template <class Sum>
struct Run {
  static constexpr int SIZE = 64 / sizeof(Sum);
  typedef Sum Values __attribute__((vector_size(64)));
  typedef decltype(Values{} < Values{}) Places;

  Places shift[4];
  Places last;

  Run() {
    for (int s = 0; s < 4; ++s)
      for (int i = 0; i < SIZE; ++i) shift[s][i] = i >= 1 << s ? i - (1 << s) : SIZE;  // SIZE: of the zeros
    for (int i = 0; i < SIZE; ++i) last[i] = SIZE - 1;
  }

  Values sums_of(Values x) const {
    for (int s = 0; 1 << s < SIZE; ++s) x += __builtin_shuffle(x, Values{}, shift[s]);
    return x;
  }
};

// Adds the sums of n values from `first` on, by `step`, to those `above`, which grow to be this row's; writes them from
// `out` on, by `out_step` of 1 or -1.
template <class T, class Sum, class Out>
void add_row(const T* first, int64_t step, int n, Sum* __restrict above, Out* out, int out_step) {
  using Values = typename Run<Sum>::Values;
  constexpr int SIZE = Run<Sum>::SIZE;
  const Run<Sum> run;
  Values carry{};
  for (int i = 0; i < n; i += SIZE) {
    const int count = std::min(SIZE, n - i);
    alignas(64) Sum given[SIZE] = {}, results[SIZE];
    if (step == 1 && count == SIZE)
      for (int k = 0; k < SIZE; ++k) given[k] = static_cast<Sum>(first[i + k]);
    else
      for (int k = 0; k < count; ++k) given[k] = static_cast<Sum>(first[(i + k) * step]);
    Values values, old;
    std::memcpy(&values, given, sizeof values);
    std::memcpy(&old, above + i, sizeof old);
    values = run.sums_of(values) + carry;
    carry = __builtin_shuffle(values, run.last);
    values += old;
    std::memcpy(above + i, &values, sizeof values);
    std::memcpy(results, &values, sizeof values);
    if (out_step == 1 && count == SIZE)
      for (int k = 0; k < SIZE; ++k) out[i + k] = static_cast<Out>(results[k]);
    else
      for (int k = 0; k < count; ++k) out[(i + k) * out_step] = static_cast<Out>(results[k]);
  }
}

template <class T, class Sum, class Out>
void sums(const Source& source, int channel, Out* out) {
  const int width = static_cast<int>(source.width);
  const T* const from = reinterpret_cast<const T*>(source.address) + channel * source.channel_stride;
  const int64_t pitch = int64_t{width} + 1;
  std::vector<Sum> above(width + Run<Sum>::SIZE);
  std::fill(out, out + pitch, Out{});
  for (int64_t y = 0; y < source.height; ++y) {
    Out* const to = out + (y + 1) * pitch;
    *to = Out{};
    add_row(from + y * source.row_stride, source.column_stride, width, above.data(), to + 1, 1);
  }
}

}  // namespace

void integral_plane(const Source& source, Dtype dtype, int channel, bool as_double, int64_t address, int64_t start) {
  // Unsigned: what 32 bits do not hold wraps around.
  if (dtype == Dtype::uint8)
    sums<uint8_t, uint32_t>(source, channel, reinterpret_cast<uint32_t*>(address) + start);
  else if (as_double)
    sums<float, double>(source, channel, reinterpret_cast<double*>(address) + start);
  else
    sums<float, double>(source, channel, reinterpret_cast<float*>(address) + start);
}

void integral_adjoint_plane(const Source& grad, int channel, float* out) {
  const int64_t height = grad.height - 1;
  const int width = static_cast<int>(grad.width) - 1;
  const float* const from = reinterpret_cast<const float*>(grad.address) + channel * grad.channel_stride;
  std::vector<double> above(width + Run<double>::SIZE);
  for (int64_t row = height; row > 0; --row)
    add_row(from + row * grad.row_stride + width * grad.column_stride, -grad.column_stride, width, above.data(),
            out + row * width - 1, -1);
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
