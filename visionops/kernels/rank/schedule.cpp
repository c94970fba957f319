// Cuts ranks into channels, and these into rows or tiles.
#include <algorithm>
#include <vector>

#include "common/isa.h"
#include "common/parallel.h"
#include "rank/window.h"

namespace visionops {

void rank_windows(const Ranks& job, int threads) {
  const int64_t size = static_cast<int64_t>(job.height) * job.width;
  const bool median = job.height == job.width && (job.height == 3 || job.height == 5) && job.rank == size / 2;
  const bool ordinal = job.dtype == Dtype::float32 && !median;
  const auto rows = median ? VISIONOPS_PICK(median_rows) : VISIONOPS_PICK(histogram_rows);
  const bool cumulative = std::max(job.height, job.width) < 128;
  const auto tile = cumulative ? VISIONOPS_PICK(cumulative_tile) : VISIONOPS_PICK(ordinal_tile);
  // Beyond the window's own reach a tile is large enough that most of what it sorts is its own.
  const auto tiles = [&](int length, int window) {
    const int most = std::max(128, 2 * window);
    return (length - 1) / (cumulative ? std::min(most, 257 - window) : most) + 1;
  };
  struct Part {
    int64_t sample;
    int channel, top, left, bottom, right;
  };
  int64_t elements = 0;
  for (int64_t b = 0; b < job.batch; ++b) elements += job.sources[b].height * job.sources[b].width * job.channels;
  const int workers = threads_for(elements * (median ? 8 : 64), threads);
  std::vector<Part> parts;
  for (int64_t b = 0; b < job.batch; ++b) {
    const int height = static_cast<int>(job.sources[b].height), width = static_cast<int>(job.sources[b].width);
    if (!height || !width) continue;
    // A strip of rows starts with the window's rows.
    const int cuts = job.batch * job.channels >= workers ? 1 : std::min(workers, 1 + height / (2 * job.height));
    for (int c = 0; c < job.channels; ++c) {
      if (ordinal) {
        const int64_t down = tiles(height, job.height), across = tiles(width, job.width);
        for (int64_t i = 0; i < down * across; ++i) {
          const int64_t y = i / across, x = i % across;
          parts.push_back({b, c, static_cast<int>(height * y / down), static_cast<int>(width * x / across),
                           static_cast<int>(height * (y + 1) / down), static_cast<int>(width * (x + 1) / across)});
        }
      } else {
        for (int64_t i = 0; i < cuts; ++i)
          parts.push_back({b, c, static_cast<int>(height * i / cuts), 0, static_cast<int>(height * (i + 1) / cuts), width});
      }
    }
  }
  parallel_for(static_cast<int64_t>(parts.size()), workers, [&](int64_t i) {
    const Part& p = parts[i];
    if (ordinal) return tile(job, p.sample, p.channel, p.top, p.left, p.bottom, p.right);
    rows(job, p.sample, p.channel, p.top, p.bottom);
  });
}

void choose_adjoint(const Choice& job, int threads) {
  // To sort and to search takes as long as to compare this many offsets.
  constexpr int64_t SEARCHED = 24 * 24;
  const auto kernel = job.box && job.count >= SEARCHED ? VISIONOPS_PICK(choose_box_plane) : VISIONOPS_PICK(choose_plane);
  int64_t elements = 0;
  for (int64_t b = 0; b < job.batch; ++b) elements += job.images[b].height * job.images[b].width * job.channels;
  parallel_for(job.batch * job.channels, threads_for(elements * std::min<int64_t>(job.count, 64), threads), [&](int64_t i) {
    const int64_t sample = i / job.channels;
    if (job.images[sample].height && job.images[sample].width) kernel(job, sample, static_cast<int>(i % job.channels));
  });
}

}  // namespace visionops
