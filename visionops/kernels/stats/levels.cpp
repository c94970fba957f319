// Levels of pixels: counted, mapped by a table, and mapped by the blend of the four tables around a pixel.
#include <algorithm>
#include <cstring>
#include <vector>

#include "common/fetch.h"
#include "stats/stats.h"
#include "warp/view.h"

namespace visionops {
namespace VISIONOPS_ISA {
namespace {

// A float of this magnitude has no fraction: adding it to one in [0, 255] rounds, half to even, and leaves the integer
// in the lowest byte.
constexpr float ROUND = 8388608.0f;

inline uint8_t rounded(float x) {
  x += ROUND;
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return static_cast<uint8_t>(bits);
}

inline uint8_t level(uint8_t x) { return x; }

inline uint8_t level(float x) {
  x = x > 0.0f ? x : 0.0f;  // also a NaN
  return rounded((x < 1.0f ? x : 1.0f) * 255.0f);
}

// Returns the levels of the columns [begin, end) of a row, reflected where they lie beyond the image: in place, or
// written to `scratch`.
template <class T>
const uint8_t* levels_of(const View<T>& view, int row, int begin, int end, uint8_t* __restrict scratch) {
  const T* const from = view.data + row * view.row_stride;
  const int64_t step = view.column_stride;
  const int inside = std::max(std::min(end, view.width), begin);
  if constexpr (std::is_same_v<T, uint8_t>)
    if (step == 1 && inside == end) return from + begin;
  uint8_t* to = scratch;
  if (step == 1)
    for (int x = begin; x < inside; ++x) *to++ = level(from[x]);
  else
    for (int x = begin; x < inside; ++x) *to++ = level(from[x * step]);
  for (int x = inside; x < end; ++x) *to++ = level(from[fold(x, view.width, Border::reflect) * step]);
  return scratch;
}

template <class T>
View<T> plane_of(const Source& source, int channel) {
  View<T> view = view_of<T>(source);
  view.data += channel * view.channel_stride;
  return view;
}

template <class T>
void count(const View<T>& view, const Grid& grid, int row, int column, int32_t* counts) {
  // By turns into four tables: a level that comes twice in a row need not wait for its first count.
  int32_t tables[4][LEVELS] = {};
  const int begin = column * grid.wide, end = begin + grid.wide;
  std::vector<uint8_t> scratch(grid.wide);
  for (int y = row * grid.tall; y < (row + 1) * grid.tall; ++y) {
    const int inside = y < view.height ? y : fold(y, view.height, Border::reflect);
    const uint8_t* const levels = levels_of(view, inside, begin, end, scratch.data());
    int i = 0;
    for (; i + 8 <= grid.wide; i += 8) {
      uint64_t word;
      std::memcpy(&word, levels + i, 8);
      for (int k = 0; k < 8; ++k) ++tables[k % 4][word >> 8 * k & 255];
    }
    for (; i < grid.wide; ++i) ++tables[0][levels[i]];
  }
  for (int i = 0; i < LEVELS; ++i) counts[i] = tables[0][i] + tables[1][i] + tables[2][i] + tables[3][i];
}

void map_row(const uint8_t* from, const uint8_t* table, uint8_t* to, int n) {
  int i = 0;
#if defined(__AVX512VBMI__)
  __m512i quarter[4];
  for (int k = 0; k < 4; ++k) quarter[k] = _mm512_loadu_si512(table + 64 * k);
  for (; i + 64 <= n; i += 64) {
    const __m512i at = _mm512_loadu_si512(from + i);
    const __m512i dark = _mm512_permutex2var_epi8(quarter[0], at, quarter[1]);
    const __m512i bright = _mm512_permutex2var_epi8(quarter[2], at, quarter[3]);
    _mm512_storeu_si512(to + i, _mm512_mask_blend_epi8(_mm512_movepi8_mask(at), dark, bright));
  }
#endif
  for (; i < n; ++i) to[i] = table[from[i]];
}

}  // namespace

void count_tile(const Source& source, Dtype dtype, int channel, const Grid& grid, int row, int column,
                int32_t* counts) {
  if (dtype == Dtype::uint8)
    count(plane_of<uint8_t>(source, channel), grid, row, column, counts);
  else
    count(plane_of<float>(source, channel), grid, row, column, counts);
}

void map_levels(const Source& source, int channel, const uint8_t* table, uint8_t* out, int begin, int end) {
  const View<uint8_t> view = plane_of<uint8_t>(source, channel);
  std::vector<uint8_t> scratch(view.width);
  for (int y = begin; y < end; ++y)
    map_row(levels_of(view, y, 0, view.width, scratch.data()), table, out + int64_t{y} * view.width, view.width);
}

void blend_levels(const Source& source, int channel, const Grid& grid, const uint8_t* tables, uint8_t* out, int begin,
                  int end) {
  const View<uint8_t> view = plane_of<uint8_t>(source, channel);
  const int width = view.width, runs = (width + RUN - 1) / RUN;
  // Between the centres of four tiles their tables are one of four bytes an entry: one load serves for all.
  std::vector<uint32_t> cells(static_cast<size_t>(grid.columns + 1) * LEVELS);
  std::vector<int32_t> cell(runs * RUN);
  std::vector<float> across(runs * RUN);
  // Products with reciprocals, as OpenCV has them: weights to the last bit decide ties.
  const float wide = 1.0f / static_cast<float>(grid.wide), tall = 1.0f / static_cast<float>(grid.tall);
  for (int x = 0; x < width; ++x) {
    const float at = static_cast<float>(x) * wide - 0.5f;
    const int before = static_cast<int>(at + 1.0f) - 1;
    cell[x] = (before + 1) * LEVELS;
    across[x] = at - static_cast<float>(before);
  }
  std::vector<uint8_t> scratch(width);
  int filled = -2;
  for (int y = begin; y < end; ++y) {
    const float at = static_cast<float>(y) * tall - 0.5f;
    const int before = static_cast<int>(at + 1.0f) - 1;
    const float down = at - static_cast<float>(before);
    if (before != filled) {
      filled = before;
      const int64_t size = int64_t{grid.columns} * LEVELS;
      const uint8_t* const upper = tables + std::max(before, 0) * size;
      const uint8_t* const lower = tables + std::min(before + 1, grid.rows - 1) * size;
      for (int i = 0; i <= grid.columns; ++i) {
        const int left = std::max(i - 1, 0) * LEVELS, right = std::min(i, grid.columns - 1) * LEVELS;
        for (int v = 0; v < LEVELS; ++v)
          cells[i * LEVELS + v] = uint32_t{upper[left + v]} | uint32_t{upper[right + v]} << 8 |
                                  uint32_t{lower[left + v]} << 16 | uint32_t{lower[right + v]} << 24;
      }
    }
    const uint8_t* const levels = levels_of(view, y, 0, width, scratch.data());
    uint8_t* const to = out + int64_t{y} * width;
    for (int x = 0; x < width; x += RUN) {
      const int n = std::min(RUN, width - x);
      alignas(64) int32_t offset[RUN] = {};
      alignas(64) uint32_t four[RUN];
      alignas(64) uint8_t result[RUN];
      for (int i = 0; i < n; ++i) offset[i] = cell[x + i] + levels[x + i];
      fetch_four<4>(cells.data(), offset, four);
      for (int i = 0; i < RUN; ++i) {
        const float a = static_cast<float>(static_cast<int32_t>(four[i] & 255));
        const float b = static_cast<float>(static_cast<int32_t>(four[i] >> 8 & 255));
        const float c = static_cast<float>(static_cast<int32_t>(four[i] >> 16 & 255));
        const float d = static_cast<float>(static_cast<int32_t>(four[i] >> 24));
        const float right = across[x + i], left = 1.0f - right;
        result[i] = rounded((a * left + b * right) * (1.0f - down) + (c * left + d * right) * down);
      }
      std::memcpy(to + x, result, n);
    }
  }
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
