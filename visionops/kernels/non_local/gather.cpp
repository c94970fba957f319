// The gradient by the image with its border, gathered by tiles: what is read lies about a tile, what is written in it.
//
// With d = image(q) - image(p), the loss changes with log w(p, q) and log w(q, p) together by
// w (sum over channels of (share(p) - share(q)) d + rest(p) + rest(q)), and with the squares of the patch's
// differences by the mean of that, times `rate`, over the patches that hold them.
#include "non_local/non_local.h"
#include "non_local/tile.h"

namespace visionops {
namespace VISIONOPS_ISA {

void gather_tile(const NonLocal& job, const Tile& tile, const Shares& shares, float* to, int64_t row, int64_t plane,
                 double* sums) {
  const Source& source = job.images[tile.sample];
  const int channels = job.channels, p = job.patch, margin = job.search + 2 * p, wide = whole(tile.width);
  const int high_p = tile.height + 2 * p, wide_p = tile.width + 2 * p;  // the pixels whose patches meet the tile
  Planes image(channels, tile.height, tile.width, margin), share(channels + 1, tile.height, tile.width, margin);
  const Source given{reinterpret_cast<int64_t>(shares.share), source.height, source.width,
                     source.height * source.width, source.width, 1};
  Source rest = given;
  rest.address = reinterpret_cast<int64_t>(shares.rest);
  for (int c = 0; c < channels; ++c) {
    image.read<float>(source, c, job.border, tile.top, tile.left, c);
    share.read<float>(given, c, Border::constant, tile.top, tile.left, c);
  }
  share.read<float>(rest, 0, Border::constant, tile.top, tile.left, channels);

  const Exponent exponent(job, tile.sample);
  Planes result(channels, tile.height, tile.width, 0), both(1, tile.height, tile.width, p);
  for (int c = 0; c < channels; ++c)  // the middle
    for (int y = 0; y < tile.height; ++y) std::copy(share.at(c, y, 0), share.at(c, y, tile.width), result.at(c, y, 0));
  Aligned weights(static_cast<size_t>(whole(wide_p)) + LANES), by_rate(wide), by_floor(wide), windows(wide);
  float* __restrict const weight = weights.data();
  float *__restrict const of_rate = by_rate.data(), *__restrict const of_floor = by_floor.data();
  Distances distances(channels, p, high_p, wide_p);
  Columns columns(2 * p + 1, wide_p);
  Along along(2 * p + 1, tile.width);
  const float by_square = 2 * job.rate[tile.sample * job.rate_step] * exponent.mean;

  for (int dy = -job.search; dy <= job.search; ++dy)
    for (int dx = -job.search; dx <= job.search; ++dx) {
      if (!dy && !dx) continue;
      const int64_t shift = dy * image.stride + dx;
      std::fill(of_rate, of_rate + wide, 0.0f);
      std::fill(of_floor, of_floor + wide, 0.0f);
      distances.sum(image, -p, -p, shift, [&](int line, const float* __restrict sum) {
        const int y = line - p;
        float* __restrict const pair = both.at(0, y, -p);
        const float* const own = share.at(channels, y, -p);
        for (int x = 0; x < wide_p; ++x) pair[x] = own[x] + own[x + shift];
        for (int c = 0; c < channels; ++c) {
          const float *const value = image.at(c, y, -p), *const part = share.at(c, y, -p);
          for (int x = 0; x < wide_p; ++x) pair[x] += (part[x] - part[x + shift]) * (value[x + shift] - value[x]);
        }
        for (int x = 0; x < wide_p; ++x) {
          weight[x] = exponent.weight(sum[x]);
          pair[x] = sum[x] * exponent.mean >= exponent.floor ? weight[x] * pair[x] : 0.0f;
        }
        if (y < 0 || y >= tile.height) return;
        for (int x = 0; x < tile.width; ++x) {
          of_rate[x] += pair[p + x] * (sum[p + x] * exponent.mean - exponent.floor);
          of_floor[x] += pair[p + x];
        }
        for (int c = 0; c < channels; ++c) {
          const float* const part = share.at(c, y, 0);
          float* __restrict const out = result.at(c, y, 0);
          for (int x = 0; x < tile.width; ++x) out[x] += weight[p + x] * part[x + shift];
        }
      });
      columns.restart();
      for (int y = 0; y < tile.height; ++y) {
        columns.sum(y, [&](int line) -> const float* { return both.at(0, line - p, -p); }, along.row());
        float* __restrict const window = windows.data();
        along.sum([&](int at, int, Floats sum) { store(by_square * sum, window + at); });
        for (int c = 0; c < channels; ++c) {
          const float* const value = image.at(c, y, 0);
          float* __restrict const out = result.at(c, y, 0);
          for (int x = 0; x < tile.width; ++x) out[x] += window[x] * (value[x] - value[x + shift]);
        }
      }
      // Every pair is met from both of its ends.
      for (int x = 0; x < tile.width; ++x) {
        sums[0] += 0.5 * of_rate[x];
        sums[1] -= 0.5 * job.rate[tile.sample * job.rate_step] * of_floor[x];
      }
    }
  for (int c = 0; c < channels; ++c)
    for (int y = 0; y < tile.height; ++y)
      std::copy(result.at(c, y, 0), result.at(c, y, tile.width), to + c * plane + y * row);
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
