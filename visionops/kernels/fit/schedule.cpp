// Cuts fits and their adjoint into stretches of pixels.
#include <algorithm>
#include <vector>

#include "common/isa.h"
#include "common/parallel.h"
#include "fit/fit.h"

namespace visionops {
namespace {

constexpr int64_t STRETCH = 1 << 14;

template <class Body>
void for_stretches(const Fit& job, int threads, const Body& body) {
  const int64_t parts = (job.pixels + STRETCH - 1) / STRETCH;
  const int workers = threads_for(job.batch * job.pixels * job.pairs(), threads);
  parallel_for(job.batch * parts, workers, [&](int64_t i) {
    const int64_t begin = i % parts * STRETCH;
    body(i, i / parts, begin, std::min(begin + STRETCH, job.pixels));
  });
}

}  // namespace

void fit(const Fit& job, int threads) {
  const auto kernel = VISIONOPS_PICK(fit_pixels);
  for_stretches(job, threads,
                [&](int64_t, int64_t sample, int64_t begin, int64_t end) { kernel(job, sample, begin, end); });
}

void fit_adjoint(const Fit& job, const FitGradients& to, int threads) {
  const auto kernel = VISIONOPS_PICK(fit_adjoint_pixels);
  const int64_t parts = (job.pixels + STRETCH - 1) / STRETCH;
  std::vector<double> sums(static_cast<size_t>(job.batch * parts));
  for_stretches(job, threads, [&](int64_t i, int64_t sample, int64_t begin, int64_t end) {
    sums[i] = kernel(job, to, sample, begin, end);
  });
  for (size_t i = 0; i < sums.size(); ++i) to.eps[i / parts] += sums[i];
}

}  // namespace visionops
