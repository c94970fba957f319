// Thinning by tables: each pass looks only where something changed.
#include <algorithm>
#include <vector>

#include "morphology/element.h"

namespace visionops {

// `removed` says for two passes and each of 256 neighbourhoods, from the right against the clock, whether it goes.
void thin(const uint8_t* inside, int height, int width, const uint8_t* removed, uint8_t* out) {
  const int64_t wide = width + 2;
  std::vector<uint8_t> kept((height + 2) * wide), listed(kept.size());
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) kept[(y + 1) * wide + x + 1] = inside[static_cast<int64_t>(y) * width + x] != 0;
  const int64_t around[8] = {1, 1 - wide, -wide, -1 - wide, -1, wide - 1, wide, 1 + wide};
  const auto code_of = [&](int64_t i) {
    int code = 0;
    for (int k = 0; k < 8; ++k) code |= kept[i + around[k]] << k;
    return code;
  };
  // For each pass, the pixels around which something went since it last looked at them.
  std::vector<int64_t> changed[2], now, gone;
  for (int64_t i = wide; i < static_cast<int64_t>(kept.size()) - wide; ++i)
    if (kept[i] && code_of(i) != 255) {
      listed[i] = 3;
      changed[0].push_back(i);
      changed[1].push_back(i);
    }
  for (int pass = 0; !changed[0].empty() || !changed[1].empty(); pass = 1 - pass) {
    now.swap(changed[pass]);
    changed[pass].clear();
    gone.clear();
    for (const int64_t i : now) {
      listed[i] = static_cast<uint8_t>(listed[i] & ~(1 << pass));
      if (kept[i] && removed[256 * pass + code_of(i)]) gone.push_back(i);
    }
    for (const int64_t i : gone) kept[i] = 0;
    for (const int64_t i : gone)
      for (const int64_t step : around) {
        const int64_t at = i + step;
        if (!kept[at]) continue;
        for (int which = 0; which < 2; ++which)
          if (!(listed[at] >> which & 1)) changed[which].push_back(at);
        listed[at] = 3;
      }
  }
  for (int y = 0; y < height; ++y)
    std::copy_n(&kept[(y + 1) * wide + 1], width, out + static_cast<int64_t>(y) * width);
}

}  // namespace visionops
