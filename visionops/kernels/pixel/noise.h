// Normal noise as a function of (key, pixel): Philox4x32-10 and Box-Muller, as pixel/noise.py.
#pragma once

#include <cmath>
#include <cstdint>

#include "common/isa.h"
#include "pixel/elementary.h"

namespace visionops {
namespace VISIONOPS_ISA {

// Two of the four words of a block become two normals.
inline void normal_pair(uint32_t radius, uint32_t angle, float& first, float& second) {
  const float u = (static_cast<float>(static_cast<int32_t>(radius >> 9)) + 0.5f) * 0x1p-23f;
  const float turns = (static_cast<float>(static_cast<int32_t>(angle >> 9)) + 0.5f) * 0x1p-23f;
  const float r = std::sqrt(-2.0f * log_of(u));
  float cosine, sine;
  cos_sin_turns(turns, cosine, sine);
  first = r * cosine;
  second = r * sine;
}

// Normals of the channels 4 * group ... 4 * group + 3 of the pixels from (column, row) on.
inline void normal_run(int column, int row, int group, uint32_t key0, uint32_t key1,
                       float (*__restrict normals)[RUN]) {
  for (int i = 0; i < RUN; ++i) {
    uint32_t c0 = static_cast<uint32_t>(column + i), c1 = static_cast<uint32_t>(row), c2 = static_cast<uint32_t>(group);
    uint32_t c3 = 0, k0 = key0, k1 = key1;
    for (int round = 0; round < 10; ++round) {
      const uint64_t p0 = static_cast<uint64_t>(c0) * 0xD2511F53u, p1 = static_cast<uint64_t>(c2) * 0xCD9E8D57u;
      c0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
      c1 = static_cast<uint32_t>(p1);
      c2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
      c3 = static_cast<uint32_t>(p0);
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    normal_pair(c0, c1, normals[0][i], normals[1][i]);
    normal_pair(c2, c3, normals[2][i], normals[3][i]);
  }
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
