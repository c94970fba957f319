// Cuts a box filter into channels and stretches of rows.
#include "box/box.h"
#include "common/isa.h"
#include "common/parallel.h"

namespace visionops {
namespace {

int64_t work_of(const Box& job) {
  int64_t elements = 0;
  for (int64_t b = 0; b < job.batch; ++b) elements += job.sources[b].height * job.sources[b].width * job.channels;
  return elements * 4;
}

}  // namespace

void filter_box(const Box& job, int threads) {
  const auto kernel = VISIONOPS_PICK(box_rows);
  const int workers = threads_for(work_of(job), threads);
  const int64_t planes = job.batch * job.channels, parts = planes >= workers ? 1 : workers;
  parallel_for(planes * parts, workers, [&](int64_t i) {
    const int64_t plane = i / parts, part = i % parts, sample = plane / job.channels;
    const int64_t height = job.sources[sample].height;
    kernel(job, sample, static_cast<int>(plane % job.channels), static_cast<int>(height * part / parts),
           static_cast<int>(height * (part + 1) / parts));
  });
}

void filter_box_adjoint(const Box& job, int threads) {
  const auto kernel = VISIONOPS_PICK(box_adjoint);
  parallel_for(job.batch * job.channels, threads_for(work_of(job), threads),
               [&](int64_t i) { kernel(job, i / job.channels, static_cast<int>(i % job.channels)); });
}

}  // namespace visionops
