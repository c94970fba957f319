// Exact squared distances: down the columns, then the lower envelope of parabolas along each row (Felzenszwalb and
// Huttenlocher 2012).
#include <limits>
#include <vector>

#include "morphology/element.h"

namespace visionops {
namespace {

constexpr double FAR = std::numeric_limits<double>::infinity();

// Replaces the heights of parabolas, one for each column, by their lower envelope.
void envelope(double* line, int n, std::vector<double>& heights, std::vector<int>& at, std::vector<double>& from) {
  int count = 0;
  for (int q = 0; q < n; ++q) {
    if (line[q] == FAR) continue;
    double start = -FAR;
    while (count) {
      const int p = at[count - 1];
      // Where the parabola at q comes below that at p.
      start = ((line[q] - line[p]) / (q - p) + q + p) / 2;
      if (start > from[count - 1]) break;
      --count;
      start = -FAR;
    }
    at[count] = q;
    from[count++] = start;
  }
  if (!count) return;
  heights.assign(line, line + n);
  for (int x = 0, k = 0; x < n; ++x) {
    while (k + 1 < count && from[k + 1] < x) ++k;
    const double apart = x - at[k];
    line[x] = apart * apart + heights[at[k]];
  }
}

}  // namespace

void squared_distance(const uint8_t* inside, int height, int width, double* out) {
  const int64_t size = static_cast<int64_t>(height) * width;
  // Rows to the nearest zero above, then to the nearer one.
  for (int64_t i = 0; i < size; ++i) out[i] = !inside[i] ? 0 : i < width ? FAR : out[i - width] + 1;
  for (int64_t i = size - 1 - width; i >= 0; --i)
    if (out[i + width] + 1 < out[i]) out[i] = out[i + width] + 1;
  for (int64_t i = 0; i < size; ++i) out[i] *= out[i];
  std::vector<double> heights(width), from(width);
  std::vector<int> at(width);
  for (int y = 0; y < height; ++y) envelope(out + static_cast<int64_t>(y) * width, width, heights, at, from);
}

}  // namespace visionops
