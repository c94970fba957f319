// Sums of products of a gradient with shifted images: the gradients of taps.
#include <algorithm>
#include <vector>

#include "common/lanes.h"
#include "filter/separable.h"
#include "warp/view.h"

namespace visionops {
namespace VISIONOPS_ISA {
namespace {

// Copies a row into n contiguous floats.
void copy_row(const View<float>& view, int row, float* __restrict out) {
  const float* const from = view.data + row * view.row_stride;
  for (int x = 0; x < view.width; ++x) out[x] = from[x * view.column_stride];
}

double dot(const float* a, const float* b, int n) {
  Floats sum = {};
  int i = 0;
  for (; i + LANES <= n; i += LANES) sum += load(a + i) * load(b + i);
  double total = 0;
  for (int j = 0; j < LANES; ++j) total += sum[j];
  for (; i < n; ++i) total += a[i] * b[i];
  return total;
}

}  // namespace

void product_rows(const Products& job, int64_t sample, int channel, double* sums) {
  View<float> grad = view_of<float>(job.grads[sample]), image = view_of<float>(job.images[sample]);
  grad.data += channel * grad.channel_stride;
  image.data += channel * image.channel_stride;
  const int height = image.height, width = image.width, radius = job.size / 2;
  const bool constant = job.border == Border::constant;
  std::vector<float> mine(width), line(width + 2 * radius);
  const std::vector<float> outside(width, job.fill);
  if (!job.down) {
    for (int row = 0; row < height; ++row) {
      copy_row(grad, row, mine.data());
      copy_row(image, row, line.data() + radius);
      for (int k = 0; k < radius; ++k) {
        line[k] = constant ? job.fill : line[radius + fold(k - radius, width, job.border)];
        line[radius + width + k] = constant ? job.fill : line[radius + fold(width + k, width, job.border)];
      }
      for (int k = 0; k < job.size; ++k) sums[k] += dot(mine.data(), line.data() + k, width);
    }
    return;
  }
  std::vector<float> plane(static_cast<size_t>(height) * width);
  for (int row = 0; row < height; ++row) copy_row(image, row, plane.data() + static_cast<int64_t>(row) * width);
  for (int row = 0; row < height; ++row) {
    copy_row(grad, row, mine.data());
    for (int k = 0; k < job.size; ++k) {
      const int at = row + k - radius;
      const bool out = constant && (at < 0 || at >= height);
      const float* const other =
          out ? outside.data() : plane.data() + static_cast<int64_t>(fold(at, height, job.border)) * width;
      sums[k] += dot(mine.data(), other, width);
    }
  }
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
