// Cuts a filter into channels and stretches of rows.
#include <algorithm>
#include <vector>

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

void filter_then_sweep(const Separable& job, const Sweep& colours, int threads) {
  int64_t elements = 0;
  for (int64_t b = 0; b < job.batch; ++b) elements += job.sources[b].height * job.sources[b].width * job.channels;
  const int workers = threads_for(elements * 4, threads);
  const bool by_sample = workers <= 1 || job.batch >= workers;
  parallel_for(job.batch, by_sample ? workers : 1, [&](int64_t sample) {
    const Source& source = job.sources[sample];
    const int64_t pixels = source.height * source.width;
    if (!pixels || !job.channels) return;
    // Kept between samples and calls: memory that is already mapped, and mostly still in cache.
    thread_local std::vector<float> scratch;
    scratch.resize(static_cast<size_t>(pixels * job.channels));
    const int64_t address = reinterpret_cast<int64_t>(scratch.data());

    Separable one = job;
    one.batch = 1;
    one.sources = &source;
    one.taps_x += sample * job.taps_x_step;
    one.taps_y += sample * job.taps_y_step;
    if (one.sharpen) one.sharpen += sample * job.sharpen_step;
    one.outputs = &address;
    filter_separable(one, by_sample ? 1 : workers);

    const Source filtered{address, source.height, source.width, pixels, source.width, 1};
    Sweep then = colours;
    then.sources = &filtered;
    then.dtype = Dtype::float32;
    then.batch = 1;
    then.geometry.height = static_cast<int>(source.height);
    then.geometry.width = static_cast<int>(source.width);
    then.codes += sample * colours.steps;
    then.params += sample * colours.params_step;
    then.outputs += sample;
    sweep(then, by_sample ? 1 : workers);
  });
}

}  // namespace visionops
