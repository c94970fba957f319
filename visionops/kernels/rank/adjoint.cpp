// The gradient of a choice: what each pixel got goes to the first of its offsets that has the value chosen.
#include <algorithm>

#include "rank/lines.h"
#include "rank/window.h"

namespace visionops {
namespace VISIONOPS_ISA {

void choose_plane(const Choice& job, int64_t sample, int channel) {
  const Plane<float> image(job.images[sample], channel, job.border, job.fill);
  const Plane<float> grad(job.grads[sample], channel, job.border, 0);
  const Plane<float> result(job.results[sample], channel, job.border, 0);
  const int height = image.height, width = image.width, reach = width + job.left + job.right;
  const int depth = 1 + job.top + job.bottom;
  float* const out = reinterpret_cast<float*>(job.outputs[sample]) +
                     static_cast<int64_t>(channel) * height * static_cast<int64_t>(width);
  std::fill(out, out + static_cast<int64_t>(height) * width, 0.0f);
  // Rows of the image and of its gradient, in turn, with what lies outside; then what is to be given, and the values.
  Rows<float> lines(depth, reach), sums(depth, reach), row(2, width);
  float *const left = row[0], *const chosen = row[1];
  const auto slot = [&](int y) { return (y + job.top + depth) % depth; };
  const auto open = [&](int y) {
    image.read(y, -job.left, reach, lines[slot(y)]);
    std::fill(sums[slot(y)], sums[slot(y)] + reach, 0.0f);
  };
  const auto close = [&](int y) {
    const bool outside = y < 0 || y >= height, constant = job.border == Border::constant;
    if (outside && constant) return;
    const float* const from = sums[slot(y)];
    float* const to = out + static_cast<int64_t>(fold(y, height, job.border)) * width;
    for (int x = 0; x < width; ++x) to[x] += from[job.left + x];
    if (constant) return;
    for (int x = -job.left; x < 0; ++x) to[fold(x, width, job.border)] += from[job.left + x];
    for (int x = width; x < width + job.right; ++x) to[fold(x, width, job.border)] += from[job.left + x];
  };
  for (int y = -job.top; y < job.bottom; ++y) open(y);
  for (int y = 0; y < height; ++y) {
    open(y + job.bottom);
    grad.read(y, 0, width, left);
    result.read(y, 0, width, chosen);
    for (int64_t k = 0; k < job.count; ++k) {
      const int at = slot(y + job.offsets[2 * k]), from = job.left + job.offsets[2 * k + 1];
      const float* const values = lines[at] + from;
      float* const sum = sums[at] + from;
      Floats rest = {};
      int x = 0;
      for (; x + LANES <= width; x += LANES) {
        const Floats value = load(values + x), wanted = load(chosen + x), mine = load(left + x);
        const Floats kept = where_equal(value, wanted, Floats{}, mine);
        store(load(sum + x) + where_equal(value, wanted, mine, Floats{}), sum + x);
        store(kept, left + x);
        rest = at_least(rest, at_least(kept, -kept));
      }
      bool more = false;
      for (int i = 0; i < LANES; ++i) more |= rest[i] != 0;
      for (; x < width; ++x) {
        if (values[x] == chosen[x]) sum[x] += left[x], left[x] = 0;
        more |= left[x] != 0;
      }
      if (!more) break;
    }
    close(y - job.top);
  }
  for (int y = height - job.top; y < height + job.bottom; ++y) close(y);
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
