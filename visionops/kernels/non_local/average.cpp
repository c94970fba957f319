// The averages of a tile, and what the adjoint goes by: one offset after another over the whole tile.
#include "filter/rows.h"
#include "non_local/non_local.h"
#include "non_local/tile.h"

namespace visionops {
namespace VISIONOPS_ISA {
namespace {

// A tile's sums of the weights, and of the weights times the differences from the middle.
struct Sums {
  Planes image, total, change;

  Sums(const NonLocal& job, const Tile& tile)
      : image(job.channels, tile.height, tile.width, job.patch + job.search), total(1, tile.height, tile.width, 0),
        change(job.channels, tile.height, tile.width, 0) {
    for (int c = 0; c < job.channels; ++c) {
      const Source& source = job.images[tile.sample];
      if (job.dtype == Dtype::uint8)
        image.read<uint8_t>(source, c, job.border, tile.top, tile.left, c);
      else
        image.read<float>(source, c, job.border, tile.top, tile.left, c);
    }
    const Exponent exponent(job, tile.sample);
    const int wide = whole(tile.width);
    Aligned weights(static_cast<size_t>(wide));
    float* __restrict const weight = weights.data();
    for (int y = 0; y < tile.height; ++y) std::fill(total.at(0, y, 0), total.at(0, y, wide), 1.0f);
    Distances distances(job.channels, job.patch, tile.height, tile.width);
    for (int dy = -job.search; dy <= job.search; ++dy)
      for (int dx = -job.search; dx <= job.search; ++dx) {
        if (!dy && !dx) continue;
        const int64_t shift = dy * image.stride + dx;
        distances.sum(image, 0, 0, shift, [&](int y, const float* __restrict sum) {
          float* __restrict const all = total.at(0, y, 0);
          for (int x = 0; x < wide; ++x) {
            weight[x] = exponent.weight(sum[x]);
            all[x] += weight[x];
          }
          for (int c = 0; c < job.channels; ++c) {
            const float* const here = image.at(c, y, 0);
            float* __restrict const to = change.at(c, y, 0);
            for (int x = 0; x < wide; ++x) to[x] += weight[x] * (here[x + shift] - here[x]);
          }
        });
      }
  }
};

template <class T>
void average(const NonLocal& job, const Tile& tile) {
  Sums sums(job, tile);
  const Source& source = job.images[tile.sample];
  std::vector<float> line(static_cast<size_t>(tile.width));
  for (int c = 0; c < job.channels; ++c)
    for (int y = 0; y < tile.height; ++y) {
      const float *const image = sums.image.at(c, y, 0), *const total = sums.total.at(0, y, 0);
      const float* const change = sums.change.at(c, y, 0);
      for (int x = 0; x < tile.width; ++x) line[x] = image[x] + change[x] / total[x];
      convert(line.data(), tile.width, reinterpret_cast<T*>(job.outputs[tile.sample]) +
              (c * source.height + tile.top + y) * source.width + tile.left);
    }
}

}  // namespace

void average_tile(const NonLocal& job, const Tile& tile) {
  if (job.dtype == Dtype::uint8)
    average<uint8_t>(job, tile);
  else
    average<float>(job, tile);
}

void share_tile(const NonLocal& job, const Tile& tile, const Source& grad, const Shares& to) {
  Sums sums(job, tile);
  const float* const grads = reinterpret_cast<const float*>(grad.address);
  for (int y = 0; y < tile.height; ++y) {
    const float* const total = sums.total.at(0, y, 0);
    const int64_t here = (tile.top + y) * grad.width + tile.left;
    std::fill(to.rest + here, to.rest + here + tile.width, 0.0f);
    for (int c = 0; c < job.channels; ++c) {
      const float* const from =
          grads + c * grad.channel_stride + (tile.top + y) * grad.row_stride + tile.left * grad.column_stride;
      float* const share = to.share + c * grad.height * grad.width + here;
      const float* const change = sums.change.at(c, y, 0);
      for (int x = 0; x < tile.width; ++x) {
        share[x] = from[x * grad.column_stride] / total[x];
        to.rest[here + x] -= share[x] * (change[x] / total[x]);
      }
    }
  }
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
