// Cuts a filter into channels and stretches of rows.
#include <algorithm>

#include "common/isa.h"
#include "common/parallel.h"
#include "filter/separable.h"

namespace visionops {

void filter_separable(const Separable& job, int threads) {
  const auto kernel = VISIONOPS_PICK(filter_rows);
  int64_t elements = 0;
  for (int64_t b = 0; b < job.batch; ++b) elements += job.sources[b].height * job.sources[b].width * job.channels;
  const int workers = threads_for(elements * 4, threads);
  const int64_t planes = job.batch * job.channels;
  const int64_t parts = planes >= workers ? 1 : workers;
  parallel_for(planes * parts, workers, [&](int64_t i) {
    const int64_t plane = i / parts, part = i % parts, sample = plane / job.channels;
    const int64_t height = job.sources[sample].height;
    if (!height || !job.sources[sample].width) return;
    const int begin = static_cast<int>(height * part / parts), end = static_cast<int>(height * (part + 1) / parts);
    if (begin < end) kernel(job, sample, static_cast<int>(plane % job.channels), begin, end);
  });
}

}  // namespace visionops
