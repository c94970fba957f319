// Rows first, turned so that registers hold pixels of different rows; then columns. Decays run apart from each other, as
// complex numbers: a recursion of the sixth order would lose all of float32's digits at a large sigma.
#include "recursive/recursive.h"

#include <algorithm>
#include <vector>

#include "common/border.h"
#include "common/isa.h"
#include "filter/rows.h"

namespace visionops {
namespace VISIONOPS_ISA {
namespace {

// Its state stays in registers only where it is inlined.
#define INLINE __attribute__((always_inline)) inline

constexpr int VECTORS = 2, WIDE = VECTORS * LANES;

// Decays that have died away in the dark must not slow it down as numbers below the normal range.
class FlushToZero {
 public:
#if defined(__SSE2__)
  FlushToZero() : before_(__builtin_ia32_stmxcsr()) { __builtin_ia32_ldmxcsr(before_ | 0x8000); }
  ~FlushToZero() { __builtin_ia32_ldmxcsr(before_); }

 private:
  const unsigned before_;
#endif
};

// The decays of WIDE lines side by side.
class Lines {
 public:
  explicit Lines(const Decay* decays) { std::copy(decays, decays + DECAYS, decays_); }

  INLINE void push(const float* from) {
    for (int j = 0; j < DECAYS; ++j) {
      const float p = decays_[j].pole_re, q = decays_[j].pole_im;
      for (int v = 0; v < VECTORS; ++v) {
        const Floats x = load(from + v * LANES), re = re_[j][v];
        re_[j][v] = (x + p * re) - q * im_[j][v];
        im_[j][v] = p * im_[j][v] + q * re;
      }
    }
  }

  void push_zero() {
    static constexpr float none[WIDE] = {};
    push(none);
  }

  INLINE Floats upto(int v) const {
    Floats y = {};
    for (int j = 0; j < DECAYS; ++j) y += decays_[j].a_re * re_[j][v] - decays_[j].a_im * im_[j][v];
    return y;
  }

  INLINE Floats after(int v) const {
    Floats y = {};
    for (int j = 0; j < DECAYS; ++j) y += decays_[j].b_re * re_[j][v] - decays_[j].b_im * im_[j][v];
    return y;
  }

 private:
  Decay decays_[DECAYS];  // a copy, that no store through a pointer may change
  Floats re_[DECAYS][VECTORS] = {}, im_[DECAYS][VECTORS] = {};
};

// What lies before and after n pixels, for a border; -1 is fill.
struct Ends {
  Ends(int n, int reach, Border border) : before(reach), after(reach) {
    for (int k = 0; k < reach; ++k) {
      before[k] = border == Border::constant ? -1 : fold(-1 - k, n, border);
      after[k] = border == Border::constant ? -1 : fold(n + k, n, border);
    }
  }
  std::vector<int> before, after;
};

// Blurs along n pixels of WIDE lines; pixels are `step` apart, in the result WIDE.
void along(const Decay* decays, const Ends& ends, float fill, const float* from, int64_t step, int n, float* out) {
  alignas(64) float filled[WIDE];
  std::fill(filled, filled + WIDE, fill);
  const auto at = [&](int i) { return i < 0 ? filled : from + i * step; };
  const int reach = static_cast<int>(ends.before.size());
  Lines forwards(decays);
  for (int k = reach - 1; k >= 0; --k) forwards.push(at(ends.before[k]));
  for (int i = 0; i < n; ++i) {
    forwards.push(from + i * step);
    for (int v = 0; v < VECTORS; ++v) store(forwards.upto(v), out + i * WIDE + v * LANES);
  }
  Lines backwards(decays);
  for (int k = reach - 1; k >= 0; --k) backwards.push(at(ends.after[k]));
  for (int i = n - 1; i >= 0; --i) {
    for (int v = 0; v < VECTORS; ++v) {
      float* const to = out + i * WIDE + v * LANES;
      store(load(to) + backwards.after(v), to);
    }
    backwards.push(from + i * step);
  }
}

// The adjoint: also blurs to outside, and gives that back to where the border had read.
void spread(const Decay* decays, const Ends& ends, const float* from, int64_t step, int n, float* out) {
  std::fill(out, out + static_cast<int64_t>(n) * WIDE, 0.0f);
  const auto add = [&](int i, int v, Floats y) {
    float* const to = out + i * WIDE + v * LANES;
    store(load(to) + y, to);
  };
  const int reach = static_cast<int>(ends.before.size());
  Lines forwards(decays);
  for (int i = 0; i < n; ++i) {
    forwards.push(from + i * step);
    for (int v = 0; v < VECTORS; ++v) add(i, v, forwards.upto(v));
  }
  for (int k = 0; k < reach && ends.after[k] >= 0; ++k) {
    forwards.push_zero();
    for (int v = 0; v < VECTORS; ++v) add(ends.after[k], v, forwards.upto(v));
  }
  Lines backwards(decays);
  for (int i = n - 1; i >= 0; --i) {
    for (int v = 0; v < VECTORS; ++v) add(i, v, backwards.after(v));
    backwards.push(from + i * step);
  }
  for (int k = 0; k < reach && ends.before[k] >= 0; ++k) {
    for (int v = 0; v < VECTORS; ++v) add(ends.before[k], v, backwards.after(v));
    backwards.push_zero();
  }
}

template <class T>
void blur(const Recursive& job, int64_t sample, int channel) {
  const Source& source = job.sources[sample];
  const int height = static_cast<int>(source.height), width = static_cast<int>(source.width);
  const int64_t which = sample % job.count, stride = (width + WIDE - 1) / WIDE * WIDE;
  const Decay* const decays = job.decays + which * DECAYS;
  const int reach = static_cast<int>(job.reach[which]);
  const T* const data = reinterpret_cast<const T*>(source.address) + channel * source.channel_stride;
  T* const out = reinterpret_cast<T*>(job.outputs[sample]) + static_cast<int64_t>(channel) * height * width;
  // Kept between channels: memory that is already mapped.
  thread_local std::vector<float> plane, turned, result;
  plane.resize(static_cast<size_t>(height) * stride);
  turned.assign(static_cast<size_t>(width) * WIDE, 0.0f);
  result.resize(static_cast<size_t>(std::max(width, height)) * WIDE);
  const auto run = [&](const Ends& ends, const float* from, int64_t step, int n) {
    if (job.adjoint)
      spread(decays, ends, from, step, n, result.data());
    else
      along(decays, ends, job.fill, from, step, n, result.data());
  };

  const Ends across(width, reach, job.border);
  for (int y = 0; y < height; y += WIDE) {
    const int rows = std::min(WIDE, height - y);
    for (int x0 = 0; x0 < width; x0 += 16)
      for (int r = 0; r < rows; ++r) {
        const T* const from = data + (y + r) * source.row_stride;
        for (int x = x0; x < std::min(x0 + 16, width); ++x) turned[x * WIDE + r] = from[x * source.column_stride];
      }
    run(across, turned.data(), WIDE, width);
    for (int x0 = 0; x0 < width; x0 += 16)
      for (int r = 0; r < rows; ++r) {
        float* const to = plane.data() + (y + r) * stride;
        for (int x = x0; x < std::min(x0 + 16, width); ++x) to[x] = result[x * WIDE + r];
      }
  }
  for (int y = 0; y < height; ++y) std::fill(&plane[y * stride] + width, &plane[y * stride] + stride, 0.0f);
  const Ends down(height, reach, job.border);
  for (int x = 0; x < width; x += WIDE) {
    run(down, plane.data() + x, stride, height);
    for (int y = 0; y < height; ++y)
      for (int v = 0; v < VECTORS && x + v * LANES < width; ++v)
        put(load(&result[y * WIDE + v * LANES]), width - x - v * LANES, out + static_cast<int64_t>(y) * width + x + v * LANES);
  }
}

}  // namespace

void blur_plane(const Recursive& job, int64_t sample, int channel) {
  const FlushToZero flush;
  if (job.dtype == Dtype::uint8)
    blur<uint8_t>(job, sample, channel);
  else
    blur<float>(job, sample, channel);
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
