// Philox4x64-10. Source: Salmon et al., Parallel random numbers: as easy as 1, 2, 3 (SC 2011).
#include "random/philox.h"

namespace visionops {
namespace {

struct Block {
  uint64_t words[4];
};

Block philox4x64(Block c, uint64_t key0, uint64_t key1) {
  for (int round = 0; round < 10; ++round) {
    const auto p0 = static_cast<unsigned __int128>(c.words[0]) * 0xD2E7470EE14C6C93u;
    const auto p1 = static_cast<unsigned __int128>(c.words[2]) * 0xCA5A826395121157u;
    c = {{static_cast<uint64_t>(p1 >> 64) ^ c.words[1] ^ key0, static_cast<uint64_t>(p1),
          static_cast<uint64_t>(p0 >> 64) ^ c.words[3] ^ key1, static_cast<uint64_t>(p0)}};
    key0 += 0x9E3779B97F4A7C15u;
    key1 += 0xBB67AE8584CAA73Bu;
  }
  return c;
}

}  // namespace

void philox_uniform(uint64_t seed, uint64_t epoch, uint64_t view, uint64_t index, uint64_t step, int64_t count,
                    double* out, int64_t stride) {
  Block block;
  for (int64_t i = 0; i < count; ++i) {
    // NumPy counts up before it makes a block, so that the first one has counter 1.
    if (i % 4 == 0) block = philox4x64({{static_cast<uint64_t>(i / 4 + 1), step, index, view}}, seed, epoch);
    out[i * stride] = static_cast<double>(block.words[i % 4] >> 11) * 0x1p-53;
  }
}

}  // namespace visionops
