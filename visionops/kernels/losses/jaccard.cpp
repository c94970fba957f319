// The gradient of Lovasz's extension of Jaccard's loss: pixels sorted by their digits, then one sweep.
#include <array>
#include <cstring>
#include <vector>

#include "losses/losses.h"

namespace visionops {
namespace {

constexpr int BITS = 11, DIGITS = 1 << BITS;

struct Pixel {
  uint32_t key, place;
};

// Keys fall as errors rise. Errors below 0 are 0, NaN is the largest, and what does not count comes after all others.
uint32_t key_of(float error, bool counts) {
  uint32_t bits;
  std::memcpy(&bits, &error, sizeof bits);
  bits = error < 0 ? 0 : bits & 0x7fffffffu;
  return ~(counts ? bits + 1 : 0);
}

void sort(std::vector<Pixel>& pixels, std::vector<Pixel>& room) {
  for (int shift = 0; shift < 32; shift += BITS) {
    std::array<size_t, DIGITS> starts{};
    for (const Pixel& p : pixels) ++starts[p.key >> shift & (DIGITS - 1)];
    size_t next = 0;
    for (size_t& start : starts) {
      const size_t count = start;
      start = next;
      next += count;
    }
    for (const Pixel& p : pixels) room[starts[p.key >> shift & (DIGITS - 1)]++] = p;
    pixels.swap(room);
  }
}

}  // namespace

void jaccard_steps(const float* errors, const float* there, const uint8_t* counts, int64_t n, float* steps) {
  std::vector<Pixel> pixels(n), room(n);
  double total = 0;
  for (int64_t i = 0; i < n; ++i) {
    pixels[i] = {key_of(errors[i], !counts || counts[i]), static_cast<uint32_t>(i)};
    total += static_cast<double>(there[i]);
  }
  sort(pixels, room);
  double ahead = 0, before = 0;
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t place = pixels[i].place;
    ahead += static_cast<double>(there[place]);
    const double jaccard = 1 - (total - ahead) / (total + static_cast<double>(i + 1) - ahead);
    steps[place] = static_cast<float>(jaccard - before);
    before = jaccard;
  }
}

}  // namespace visionops
