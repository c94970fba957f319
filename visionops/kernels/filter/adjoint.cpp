// The adjoint of a filter: in the image by the mirrored filter and a border that gives back, in the taps by products.
#include <algorithm>
#include <memory>
#include <vector>

#define VISIONOPS_ISA portable
#include "common/isa.h"
#include "common/parallel.h"
#include "filter/separable.h"
#include "warp/view.h"

namespace visionops {
namespace {

// Filters a plane of gradients with room for what falls beyond its edges, and folds that back to where the border had
// read it.
void adjoint_plane(const Separable& job, int64_t sample, int channel) {
  const auto kernel = VISIONOPS_PICK(filter_rows);
  const Source& grad = job.sources[sample];
  const int height = static_cast<int>(grad.height), width = static_cast<int>(grad.width);
  const bool constant = job.border == Border::constant;
  const int rx = constant ? 0 : job.size_x / 2, ry = constant ? 0 : job.size_y / 2;
  const int64_t wide = width + 2 * rx, high = height + 2 * ry;
  thread_local std::vector<float> padded, spread;
  padded.assign(static_cast<size_t>(wide * high), 0.0f);
  spread.resize(padded.size());
  const float* const from = reinterpret_cast<const float*>(grad.address) + channel * grad.channel_stride;
  for (int y = 0; y < height; ++y) {
    float* const to = padded.data() + (y + ry) * wide + rx;
    for (int x = 0; x < width; ++x) to[x] = from[y * grad.row_stride + x * grad.column_stride];
  }
  const Source source{reinterpret_cast<int64_t>(padded.data()), high, wide, 0, wide, 1};
  const int64_t address = reinterpret_cast<int64_t>(spread.data());
  Separable one = job;
  one.sources = &source;
  one.taps_x += sample * job.taps_x_step;
  one.taps_y += sample * job.taps_y_step;
  one.border = Border::constant;
  one.fill = 0;
  one.outputs = &address;
  kernel(one, 0, 0, 0, static_cast<int>(high));

  float* const out =
      reinterpret_cast<float*>(job.outputs[sample]) + static_cast<int64_t>(channel) * height * width;
  std::fill(out, out + static_cast<int64_t>(height) * width, 0.0f);
  std::vector<int> columns(2 * rx);
  for (int k = 0; k < rx; ++k) {
    columns[k] = portable::fold(k - rx, width, job.border);
    columns[rx + k] = portable::fold(width + k, width, job.border);
  }
  for (int row = 0; row < high; ++row) {
    const float* const line = spread.data() + row * wide;
    float* const to = out + static_cast<int64_t>(portable::fold(row - ry, height, job.border)) * width;
    for (int x = 0; x < width; ++x) to[x] += line[rx + x];
    for (int k = 0; k < rx; ++k) to[columns[k]] += line[k], to[columns[rx + k]] += line[rx + width + k];
  }
}

}  // namespace

void filter_adjoint(const Separable& job, int threads) {
  int64_t elements = 0;
  for (int64_t b = 0; b < job.batch; ++b) elements += job.sources[b].height * job.sources[b].width * job.channels;
  parallel_for(job.batch * job.channels, threads_for(elements * 4, threads), [&](int64_t i) {
    adjoint_plane(job, i / job.channels, static_cast<int>(i % job.channels));
  });
}

void filter_products(const Products& job, int threads) {
  const auto kernel = VISIONOPS_PICK(product_rows);
  int64_t elements = 0;
  for (int64_t b = 0; b < job.batch; ++b) elements += job.images[b].height * job.images[b].width * job.channels;
  const int64_t planes = job.batch * job.channels;
  std::vector<double> sums(planes * job.size);
  parallel_for(planes, threads_for(elements * 4, threads), [&](int64_t i) {
    kernel(job, i / job.channels, static_cast<int>(i % job.channels), &sums[i * job.size]);
  });
  for (int64_t i = 0; i < planes; ++i)
    for (int k = 0; k < job.size; ++k) job.sums[i / job.channels * job.size + k] += sums[i * job.size + k];
}

}  // namespace visionops
