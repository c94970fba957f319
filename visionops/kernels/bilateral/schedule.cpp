// Cuts the bilateral filter and its adjoint into stretches of rows.
#include <algorithm>
#include <functional>
#include <vector>

#define VISIONOPS_ISA portable
#include "bilateral/bilateral.h"
#include "common/border.h"
#include "common/isa.h"
#include "common/parallel.h"

namespace visionops {
namespace {

// Rows that are padded together: few enough to stay in the second cache, many to a window's height.
constexpr int ROWS = 32;

int workers_of(const Bilateral& job, int threads) {
  int64_t elements = 0;
  for (int64_t b = 0; b < job.batch; ++b) elements += job.images[b].height * job.images[b].width;
  return threads_for(elements * (static_cast<int64_t>(job.taps.size()) + 1) * job.channels, threads);
}

// Adds planes as wide as the border to where the border had read them.
void fold_back(const Room& from, int channel, const Source& like, const Bilateral& job, float* out) {
  const int height = static_cast<int>(like.height), width = static_cast<int>(like.width);
  const bool constant = job.border == Border::constant;
  float* const plane = out + static_cast<int64_t>(channel) * height * width;
  std::fill(plane, plane + static_cast<int64_t>(height) * width, 0.0f);
  std::vector<int> columns(2 * job.rx);
  for (int k = 0; k < job.rx; ++k) {
    columns[k] = portable::fold(k - job.rx, width, job.border);
    columns[job.rx + k] = portable::fold(width + k, width, job.border);
  }
  for (int y = -job.ry; y < height + job.ry; ++y) {
    if (constant && (y < 0 || y >= height)) continue;
    const float* const line = from.at + channel * from.plane + y * from.stride;
    float* const to = plane + static_cast<int64_t>(portable::fold(y, height, job.border)) * width;
    for (int x = 0; x < width; ++x) to[x] += line[x];
    if (constant) continue;
    for (int k = 0; k < job.rx; ++k) to[columns[k]] += line[k - job.rx], to[columns[job.rx + k]] += line[width + k];
  }
}

void adjoint_of(const Bilateral& job, const BilateralGradients& to, int64_t sample, int workers) {
  const Source& source = job.images[sample];
  const int height = static_cast<int>(source.height), width = static_cast<int>(source.width);
  const int channels = job.channels, guides = job.guides ? job.guide_channels : 0, rx = job.rx, ry = job.ry;
  const int64_t wide = 4 * rx + width + RUN, plane = wide * (height + 4 * ry);
  const int64_t wide_out = 2 * rx + width, plane_out = wide_out * (height + 2 * ry);
  // Kept between samples and calls: memory that is already mapped.
  thread_local std::vector<float> scratch;
  const int64_t read = plane * (2 * channels + guides + 1);
  scratch.resize(static_cast<size_t>(read + plane_out * (channels + guides)));
  std::fill(scratch.begin(), scratch.begin() + read, 0.0f);
  float* next = scratch.data();
  auto room = [&](int64_t planes, int64_t stride, int64_t size, int margin_y, int margin_x) {
    const Room made{next + margin_y * stride + margin_x, stride, size};
    next += planes * size;
    return made;
  };
  Shares shares{};
  shares.image = room(channels, wide, plane, 2 * ry, 2 * rx);
  shares.guide = guides ? room(guides, wide, plane, 2 * ry, 2 * rx) : shares.image;
  shares.share = room(channels, wide, plane, 2 * ry, 2 * rx);
  shares.rest = room(1, wide, plane, 2 * ry, 2 * rx);
  shares.by_image = room(channels, wide_out, plane_out, ry, rx);
  shares.by_guide = room(guides, wide_out, plane_out, ry, rx);

  const auto pad = VISIONOPS_PICK(pad_bilateral);
  const auto share = VISIONOPS_PICK(share_rows);
  const auto gather = VISIONOPS_PICK(gather_row);
  parallel_for(channels + guides, workers, [&](int64_t i) {
    const int c = static_cast<int>(i);
    if (c < channels) pad(job, source, c, -ry, height + ry, shares.image);
    else pad(job, job.guides[sample], c - channels, -ry, height + ry, shares.guide);
  });
  parallel_for((height + ROWS - 1) / ROWS, workers, [&](int64_t i) {
    const int begin = static_cast<int>(i) * ROWS;
    share(job, to.grads[sample], sample, shares, begin, std::min(begin + ROWS, height));
  });
  std::vector<double> sums(2 * (height + 2 * ry));
  parallel_for((height + 2 * ry + ROWS - 1) / ROWS, workers, [&](int64_t i) {
    const int begin = static_cast<int>(i) * ROWS, end = std::min(begin + ROWS, height + 2 * ry);
    for (int row = begin; row < end; ++row) gather(job, sample, shares, row - ry, &sums[2 * row]);
  });
  for (size_t i = 0; i < sums.size(); ++i) to.sigmas[2 * sample + i % 2] += sums[i];
  parallel_for(channels + guides, workers, [&](int64_t i) {
    const int c = static_cast<int>(i);
    if (c < channels) fold_back(shares.by_image, c, source, job, reinterpret_cast<float*>(job.outputs[sample]));
    else fold_back(shares.by_guide, c - channels, source, job, reinterpret_cast<float*>(to.guides[sample]));
  });
}

}  // namespace

void bilateral(const Bilateral& job, int threads) {
  const auto kernel = VISIONOPS_PICK(bilateral_rows);
  struct Part { int64_t sample; int begin, end; };
  std::vector<Part> parts;
  const int rows = std::max(ROWS, 4 * job.ry);
  for (int64_t b = 0; b < job.batch; ++b) {
    const int height = static_cast<int>(job.images[b].height);
    for (int begin = 0; begin < height; begin += rows) parts.push_back({b, begin, std::min(begin + rows, height)});
  }
  parallel_for(static_cast<int64_t>(parts.size()), workers_of(job, threads),
               [&](int64_t i) { kernel(job, parts[i].sample, parts[i].begin, parts[i].end); });
}

void bilateral_adjoint(const Bilateral& job, const BilateralGradients& to, int threads) {
  const int workers = workers_of(job, threads);
  const bool by_sample = job.batch >= workers;
  parallel_for(job.batch, by_sample ? workers : 1,
               [&](int64_t sample) { adjoint_of(job, to, sample, by_sample ? 1 : workers); });
}

}  // namespace visionops
