// Vectors as wide as the instruction set, where a loop is not enough to keep values in registers.
#pragma once

#include <cstring>
#include <vector>

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

inline Floats load(const float* from) {
  Floats x;
  std::memcpy(&x, from, sizeof x);
  return x;
}

inline void store(Floats x, float* to) { std::memcpy(to, &x, sizeof x); }

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
