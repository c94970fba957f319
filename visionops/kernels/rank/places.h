// The pixels of a tile in the order of their values, equal ones in reading order.
#pragma once

#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "rank/lines.h"

namespace visionops {
namespace VISIONOPS_ISA {

struct Entry {
  uint32_t key;
  int32_t at;
};

// Returns integers in the order of the floats, zeros of both signs equal; NaN after infinity, or, negative, before.
inline uint32_t key_of(float x) {
  x += 0.0f;
  int32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return static_cast<uint32_t>(bits ^ ((bits >> 31) & 0x7fffffff)) ^ 0x80000000u;
}

inline std::vector<Entry> sorted(const std::vector<float>& pixels) {
  constexpr int DIGIT = 11;
  constexpr uint32_t MASK = (1u << DIGIT) - 1;
  const int n = static_cast<int>(pixels.size());
  std::vector<Entry> now(n), next(n);
  int starts[3][1 << DIGIT] = {};
  for (int i = 0; i < n; ++i) {
    now[i] = {key_of(pixels[i]), i};
    for (int d = 0; d < 3; ++d) ++starts[d][now[i].key >> (d * DIGIT) & MASK];
  }
  for (int d = 0; d < 3; ++d) {
    const int shift = d * DIGIT;
    if (starts[d][now[0].key >> shift & MASK] == n) continue;
    int total = 0;
    for (int& start : starts[d]) total += std::exchange(start, total);
    for (const Entry& e : now) next[starts[d][e.key >> shift & MASK]++] = e;
    now.swap(next);
  }
  return now;
}

// Returns the pixels of a tile and of the windows around them, row by row.
inline std::vector<float> around(const Plane<float>& plane, int top, int left, int rows, int columns) {
  std::vector<float> pixels(static_cast<size_t>(rows) * columns);
  for (int y = 0; y < rows; ++y) plane.read(top + y, left, columns, &pixels[static_cast<size_t>(y) * columns]);
  return pixels;
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
