// Cuts a sweep into passes and rows, and hands them to the kernel of this machine.
#include <algorithm>
#include <memory>
#include <vector>

#include "common/isa.h"
#include "common/memory.h"
#include "common/parallel.h"
#include "warp/sweep.h"

namespace visionops {
namespace {

// All passes of one sample. A contrast needs the mean of the image so far, so the program is cut before each.
void run_sample(const Sweep& job, int64_t sample, int threads) {
  const int height = job.geometry.height;
  const auto kernel = VISIONOPS_PICK(sweep_rows);
  const int64_t pixels = static_cast<int64_t>(height) * job.geometry.width;
  std::unique_ptr<float[]> scratch;
  std::vector<double> sums;
  Pass pass{sample, 0, 0, 0.0f, nullptr, nullptr, nullptr};
  do {
    pass.last = pass.first + (pass.from != nullptr);
    while (pass.last < job.steps && job.code(sample, pass.last) != Op::contrast) ++pass.last;
    const bool more = pass.last < job.steps;
    if (more && !pass.to) {
      // Between passes colours stay float32: in the output itself if it is that, else aside.
      if (job.out_dtype == Dtype::uint8) scratch.reset(new float[pixels * job.channels]);
      pass.to = scratch ? scratch.get() : reinterpret_cast<float*>(job.outputs[sample]);
      sums.resize((height + SUM_ROWS - 1) / SUM_ROWS);
    }
    float* const to = pass.to;
    if (!more) pass.to = nullptr;
    pass.sums = more ? sums.data() : nullptr;

    const int workers = threads_for(pixels * job.channels, threads);
    const int chunks = (height + SUM_ROWS - 1) / SUM_ROWS;
    const int chunks_each = (chunks + workers - 1) / workers;
    parallel_for((chunks + chunks_each - 1) / chunks_each, workers, [&](int64_t part) {
      const int begin = static_cast<int>(part) * chunks_each * SUM_ROWS;
      kernel(job, pass, begin, std::min(height, begin + chunks_each * SUM_ROWS));
    });

    if (more) {
      double sum = 0;
      for (double part : sums) sum += part;
      pass.mean = static_cast<float>(sum / static_cast<double>(pixels));
    }
    pass.from = pass.to = to;
    pass.first = pass.last;
  } while (pass.first < job.steps);
}

}  // namespace

void sweep(const Sweep& job, int threads) {
  const int64_t elements = static_cast<int64_t>(job.geometry.height) * job.geometry.width * job.channels;
  if (!elements) return;
  use_huge_pages(job.outputs, job.batch, elements * (job.out_dtype == Dtype::uint8 ? 1 : 4));
  const int workers = threads_for(job.batch * elements, threads);
  const bool by_sample = workers <= 1 || job.batch >= workers;
  parallel_for(job.batch, by_sample ? workers : 1,
               [&](int64_t sample) { run_sample(job, sample, by_sample ? 1 : workers); });
}

}  // namespace visionops
