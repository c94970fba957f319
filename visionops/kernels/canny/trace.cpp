// Follows edges from their strong pixels to those that may be some, a sample at a time.
#include <cstring>
#include <vector>

#include "canny/canny.h"
#include "common/isa.h"
#include "common/parallel.h"

namespace visionops {
namespace {

void trace(std::vector<uint8_t>& map, int height, int width) {
  const int64_t stride = width + 2;
  std::vector<uint8_t*> found;
  for (int y = 0; y < height; ++y) {
    uint8_t* const row = map.data() + (y + 1) * stride + 1;
    for (uint8_t* at = row; (at = static_cast<uint8_t*>(std::memchr(at, edge, row + width - at))); ++at)
      found.push_back(at);
  }
  const int64_t around[] = {-stride - 1, -stride, -stride + 1, -1, 1, stride - 1, stride, stride + 1};
  while (!found.empty()) {
    uint8_t* const at = found.back();
    found.pop_back();
    for (const int64_t step : around)
      if (at[step] == may_be) {
        at[step] = edge;
        found.push_back(at + step);
      }
  }
}

template <class T>
void write(const std::vector<uint8_t>& map, int height, int width, T one, T* out) {
  for (int y = 0; y < height; ++y, out += width) {
    const uint8_t* const row = map.data() + static_cast<int64_t>(y + 1) * (width + 2) + 1;
    for (int x = 0; x < width; ++x) out[x] = row[x] == edge ? one : T{0};
  }
}

}  // namespace

void find_edges(const Canny& job, int threads) {
  const auto kernel = VISIONOPS_PICK(mark_rows);
  int64_t elements = 0;
  for (int64_t b = 0; b < job.batch; ++b) elements += job.sources[b].height * job.sources[b].width * job.channels;
  const int workers = threads_for(elements * 4, threads);
  const bool by_sample = workers <= 1 || job.batch >= workers;
  parallel_for(job.batch, by_sample ? workers : 1, [&](int64_t sample) {
    const int height = static_cast<int>(job.sources[sample].height), width = static_cast<int>(job.sources[sample].width);
    thread_local std::vector<uint8_t> kept;
    auto& map = kept;  // the threads below must share this one's
    map.assign(static_cast<size_t>(height + 2) * (width + 2), not_one);
    const int64_t parts = by_sample ? 1 : workers;
    parallel_for(parts, by_sample ? 1 : workers, [&](int64_t part) {
      const int begin = static_cast<int>(height * part / parts), end = static_cast<int>(height * (part + 1) / parts);
      if (begin < end) kernel(job, sample, begin, end, map.data());
    });
    trace(map, height, width);
    if (job.dtype == Dtype::uint8)
      write<uint8_t>(map, height, width, 255, reinterpret_cast<uint8_t*>(job.edges[sample]));
    else
      write<float>(map, height, width, 1.0f, reinterpret_cast<float*>(job.edges[sample]));
  });
}

}  // namespace visionops
