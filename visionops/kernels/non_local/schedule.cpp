// Cuts non-local means and their adjoint into tiles.
#include <algorithm>
#include <vector>

#define VISIONOPS_ISA portable
#include "common/border.h"
#include "common/isa.h"
#include "common/parallel.h"
#include "non_local/non_local.h"

namespace visionops {
namespace {

// A tile and its sums stay in the second cache, and most of what is computed about it is not about others.
constexpr int HEIGHT = 64, WIDTH = 256;

int workers_of(const NonLocal& job, int threads) {
  const int64_t side = 2 * job.search + 1;
  int64_t elements = 0;
  for (int64_t b = 0; b < job.batch; ++b) elements += job.images[b].height * job.images[b].width;
  return threads_for(elements * job.channels * side * side, threads);
}

// Adds the tiles of rows [begin, end) and columns [left, right) of a sample.
void cut(int64_t sample, int begin, int end, int left, int right, std::vector<Tile>& tiles) {
  for (int y = begin; y < end; y += HEIGHT)
    for (int x = left; x < right; x += WIDTH)
      tiles.push_back({sample, y, x, std::min(HEIGHT, end - y), std::min(WIDTH, right - x)});
}

// Adds a plane, wider than the image by `margin` all around, to where the border had read it.
void fold_back(const float* from, const Source& like, int margin, Border border, float* out) {
  const int height = static_cast<int>(like.height), width = static_cast<int>(like.width), wide = width + 2 * margin;
  std::fill(out, out + like.height * like.width, 0.0f);
  for (int y = -margin; y < height + margin; ++y, from += wide) {
    if (border == Border::constant && (y < 0 || y >= height)) continue;
    float* const to = out + static_cast<int64_t>(portable::fold(y, height, border)) * width;
    for (int x = 0; x < width; ++x) to[x] += from[margin + x];
    if (border == Border::constant) continue;
    for (int x = 0; x < margin; ++x) {
      to[portable::fold(x - margin, width, border)] += from[x];
      to[portable::fold(width + x, width, border)] += from[margin + width + x];
    }
  }
}

void adjoint_of(const NonLocal& job, const NonLocalGradients& to, int64_t sample, int workers) {
  const Source& source = job.images[sample];
  const int height = static_cast<int>(source.height), width = static_cast<int>(source.width);
  const int margin = job.patch + job.search, wide = width + 2 * margin;
  const int64_t size = source.height * source.width, padded = static_cast<int64_t>(wide) * (height + 2 * margin);
  if (!size) return;
  std::vector<float> shared(static_cast<size_t>(size * (job.channels + 1)));
  std::vector<float> gathered(static_cast<size_t>(padded * job.channels));
  const Shares shares{shared.data(), shared.data() + size * job.channels};

  const auto share = VISIONOPS_PICK(share_tile);
  const auto gather = VISIONOPS_PICK(gather_tile);
  std::vector<Tile> tiles;
  cut(sample, 0, height, 0, width, tiles);
  parallel_for(static_cast<int64_t>(tiles.size()), workers,
               [&](int64_t i) { share(job, tiles[i], to.grads[sample], shares); });
  tiles.clear();
  cut(sample, -margin, height + margin, -margin, width + margin, tiles);
  std::vector<double> sums(2 * tiles.size());
  parallel_for(static_cast<int64_t>(tiles.size()), workers, [&](int64_t i) {
    const int64_t first = static_cast<int64_t>(tiles[i].top + margin) * wide + tiles[i].left + margin;
    gather(job, tiles[i], shares, gathered.data() + first, wide, padded, &sums[2 * i]);
  });
  for (size_t i = 0; i < sums.size(); ++i) to.sums[2 * sample + i % 2] += sums[i];
  parallel_for(job.channels, workers, [&](int64_t c) {
    fold_back(gathered.data() + c * padded, source, margin, job.border,
              reinterpret_cast<float*>(job.outputs[sample]) + c * size);
  });
}

}  // namespace

void non_local(const NonLocal& job, int threads) {
  const auto kernel = VISIONOPS_PICK(average_tile);
  std::vector<Tile> tiles;
  for (int64_t b = 0; b < job.batch; ++b)
    cut(b, 0, static_cast<int>(job.images[b].height), 0, static_cast<int>(job.images[b].width), tiles);
  parallel_for(static_cast<int64_t>(tiles.size()), workers_of(job, threads), [&](int64_t i) { kernel(job, tiles[i]); });
}

void non_local_adjoint(const NonLocal& job, const NonLocalGradients& to, int threads) {
  const int workers = workers_of(job, threads);
  const bool by_sample = job.batch >= workers;
  parallel_for(job.batch, by_sample ? workers : 1,
               [&](int64_t sample) { adjoint_of(job, to, sample, by_sample ? 1 : workers); });
}

}  // namespace visionops
