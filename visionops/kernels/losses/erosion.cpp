// Soft erosion again and again, and the weighted sum of the maps that it leaves.
#include <algorithm>
#include <cmath>
#include <vector>

#include "losses/losses.h"

namespace visionops {
namespace {

// Writes the sums of pixels and their four neighbours, 0 outside.
void add_neighbours(const float* from, int height, int width, float* to) {
  for (int y = 0; y < height; ++y) {
    const float* const row = from + static_cast<int64_t>(y) * width;
    float* const out = to + static_cast<int64_t>(y) * width;
    std::copy(row, row + width, out);
    if (y + 1 < height)
      for (int x = 0; x < width; ++x) out[x] += row[x + width];
    if (y > 0)
      for (int x = 0; x < width; ++x) out[x] += row[x - width];
    for (int x = 0; x + 1 < width; ++x) out[x] += row[x + 1];
    for (int x = 1; x < width; ++x) out[x] += row[x - 1];
  }
}

// Erodes a map into another, and returns what it was divided by.
float erode(const Erosion& job, const float* from, float* to) {
  const int64_t n = static_cast<int64_t>(job.height) * job.width;
  add_neighbours(from, job.height, job.width, to);
  float most = 0;
  for (int64_t i = 0; i < n; ++i) {
    const float rest = to[i] / 5 - 0.5f;
    to[i] = rest < 0 ? 0 : rest;  // NaN stays
    most = to[i] > most ? to[i] : most;
  }
  most = most > 0 ? most : 1;
  for (int64_t i = 0; i < n; ++i) to[i] /= most;
  return most;
}

float weight_of(const Erosion& job, int k) { return static_cast<float>(std::pow(k, static_cast<double>(job.alpha))); }

}  // namespace

void eroded_sum(const Erosion& job, float* out) {
  const int64_t n = static_cast<int64_t>(job.height) * job.width;
  std::vector<float> map(job.wrong, job.wrong + n), next(n);
  std::fill(out, out + n, 0.0f);
  for (int k = 1; k <= job.iterations; ++k) {
    erode(job, map.data(), next.data());
    map.swap(next);
    const float weight = weight_of(job, k);
    for (int64_t i = 0; i < n; ++i) out[i] += weight * map[i];
  }
}

void eroded_sum_adjoint(const Erosion& job, const float* grad, float* by_wrong) {
  const int64_t n = static_cast<int64_t>(job.height) * job.width;
  std::vector<float> map(job.wrong, job.wrong + n), next(n), most(job.iterations + 1);
  std::vector<uint8_t> kept(n * job.iterations);  // what was not clamped
  for (int k = 1; k <= job.iterations; ++k) {
    add_neighbours(map.data(), job.height, job.width, next.data());
    for (int64_t i = 0; i < n; ++i) kept[n * (k - 1) + i] = !(next[i] / 5 - 0.5f < 0);
    most[k] = erode(job, map.data(), next.data());
    map.swap(next);
  }
  std::fill(map.begin(), map.end(), 0.0f);
  for (int k = job.iterations; k >= 1; --k) {
    const float weight = weight_of(job, k), factor = 1 / (5 * most[k]);
    const uint8_t* const mask = kept.data() + n * (k - 1);
    for (int64_t i = 0; i < n; ++i) map[i] = mask[i] ? factor * (map[i] + weight * grad[i]) : 0;
    add_neighbours(map.data(), job.height, job.width, next.data());
    map.swap(next);
  }
  std::copy(map.begin(), map.end(), by_wrong);
}

}  // namespace visionops
