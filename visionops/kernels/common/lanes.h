// Vectors as wide as the instruction set, where a loop is not enough to keep values in registers.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#if defined(__AVX__)
#include <immintrin.h>
#endif

namespace visionops {
namespace VISIONOPS_ISA {

#if defined(__AVX512F__)
constexpr int LANES = 16;
#elif defined(__AVX__)
constexpr int LANES = 8;
#else
constexpr int LANES = 4;
#endif

typedef float Floats __attribute__((vector_size(4 * LANES)));
typedef int32_t Integers __attribute__((vector_size(4 * LANES)));

inline Floats load(const float* from) {
  Floats x;
  std::memcpy(&x, from, sizeof x);
  return x;
}

inline void store(Floats x, float* to) { std::memcpy(to, &x, sizeof x); }
inline void store(Integers x, int32_t* to) { std::memcpy(to, &x, sizeof x); }

inline Floats all(float x) { return x - Floats{}; }

// The compiler makes a comparison and a selection of what is one instruction, hence the intrinsics.
// Both return x where it is a NaN.
inline Floats at_least(Floats low, Floats x) {
#if defined(__AVX512F__)
  return _mm512_max_ps(low, x);
#elif defined(__AVX__)
  return _mm256_max_ps(low, x);
#else
  return low > x ? low : x;
#endif
}

inline Floats at_most(Floats high, Floats x) {
#if defined(__AVX512F__)
  return _mm512_min_ps(high, x);
#elif defined(__AVX__)
  return _mm256_min_ps(high, x);
#else
  return high < x ? high : x;
#endif
}

// As torch.clamp: a NaN stays.
inline Floats clamp(Floats x, Floats low, Floats high) { return at_most(high, at_least(low, x)); }

// Returns yes where a equals b, no elsewhere.
inline Floats where_equal(Floats a, Floats b, Floats yes, Floats no) {
#if defined(__AVX512F__)
  return _mm512_mask_mov_ps(no, _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ), yes);
#else
  return a == b ? yes : no;
#endif
}

// Returns min(|a|, |b|).
inline Floats least_magnitude(Floats a, Floats b) {
#if defined(__AVX512DQ__)
  return _mm512_range_ps(a, b, 0b1010);
#else
  return at_most(at_least(a, -a), at_least(b, -b));
#endif
}

inline Integers integer_of(Floats x) { return __builtin_convertvector(x, Integers); }

// Returns the floor of |x| < 2^31.
inline Floats floor_of(Floats x) {
#if defined(__AVX512F__)
  return _mm512_floor_ps(x);
#elif defined(__AVX__)
  return _mm256_floor_ps(x);
#else
  const Floats cut = __builtin_convertvector(integer_of(x), Floats);
  return cut - (x < cut ? all(1.0f) : Floats{});
#endif
}

// Returns 1 / x, to two units of the last place, of x far from the ends of the range.
inline Floats reciprocal(Floats x) {
#if defined(__AVX512F__)
  // One step of Newton from 14 bits takes a quarter of the time of a division.
  const Floats guess = _mm512_rcp14_ps(x);
  return guess + guess * (1.0f - x * guess);
#else
  return 1.0f / x;
#endif
}

// Floats that start where a cache line does.
class Aligned {
 public:
  explicit Aligned(size_t size) : lines_((size + 15) / 16) {}
  float* data() { return lines_.data()->values; }

 private:
  struct alignas(64) Line {
    float values[16];
  };
  std::vector<Line> lines_;
};

}  // namespace VISIONOPS_ISA
}  // namespace visionops
