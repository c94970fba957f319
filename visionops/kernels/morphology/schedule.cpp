// Cuts extremes into channels and stretches of rows.
#include <algorithm>

#include "common/isa.h"
#include "common/parallel.h"
#include "morphology/element.h"

namespace visionops {

namespace {

// `rows` of elements are taken of each pixel: a row of 32 bytes costs about as much as an element of `threads_for`.
template <class Kernel>
void each_stretch(const Extremum& job, int64_t rows, int threads, const Kernel& kernel) {
  int64_t elements = 0;
  for (int64_t b = 0; b < job.batch; ++b) elements += job.sources[b].height * job.sources[b].width * job.channels;
  const int64_t bytes = elements * (job.dtype == Dtype::uint8 ? 1 : 4);
  const int workers = threads_for(bytes * std::min<int64_t>(rows, 32) / 32, threads);
  const int64_t planes = job.batch * job.channels;
  const int64_t parts = planes >= workers ? 1 : workers;
  parallel_for(planes * parts, workers, [&](int64_t i) {
    const int64_t plane = i / parts, part = i % parts, sample = plane / job.channels;
    const int64_t height = job.sources[sample].height;
    if (!height || !job.sources[sample].width) return;
    const int begin = static_cast<int>(height * part / parts), end = static_cast<int>(height * (part + 1) / parts);
    if (begin < end) kernel(sample, static_cast<int>(plane % job.channels), begin, end);
  });
}

}  // namespace

void extremum(const Extremum& job, int threads) {
  const auto kernel = VISIONOPS_PICK(extremum_rows);
  each_stretch(job, job.runs.count, threads, [&](int64_t sample, int channel, int begin, int end) {
    kernel(job, sample, channel, begin, end);
  });
}

void compound(const Compound& job, int threads) {
  const auto kernel = VISIONOPS_PICK(compound_rows);
  each_stretch(job.first, job.first.runs.count + job.second.count, threads,
               [&](int64_t sample, int channel, int begin, int end) { kernel(job, sample, channel, begin, end); });
}

}  // namespace visionops
