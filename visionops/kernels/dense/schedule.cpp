// Cuts a dense filter into channels and stretches of rows.
#include <vector>

#include "common/isa.h"
#include "common/parallel.h"
#include "dense/dense.h"

namespace visionops {
namespace {

int64_t work_of(const Dense& job) {
  return job.batch * job.channels * job.depth * job.height * job.width * 2 * job.count;
}

}  // namespace

void filter_dense(const Dense& job, int threads) {
  const auto kernel = VISIONOPS_PICK(dense_rows);
  const int workers = threads_for(work_of(job), threads);
  const int64_t planes = job.batch * job.channels, rows = int64_t{job.depth} * job.height;
  const int64_t parts = planes >= workers ? 1 : workers;
  parallel_for(planes * parts, workers, [&](int64_t i) {
    const int64_t part = i % parts;
    kernel(job, i / parts, static_cast<int>(rows * part / parts), static_cast<int>(rows * (part + 1) / parts));
  });
}

void filter_dense_adjoint(const Dense& job, int threads) {
  const auto kernel = VISIONOPS_PICK(dense_adjoint);
  parallel_for(job.batch * job.channels, threads_for(work_of(job), threads), [&](int64_t i) { kernel(job, i); });
}

void filter_dense_products(const Dense& job, int threads) {
  const auto kernel = VISIONOPS_PICK(dense_products);
  const int64_t size = int64_t{job.count} * job.kd * job.kh * job.kw;
  std::vector<double> sums(job.batch * job.channels * size);
  Dense each = job;
  each.sums = sums.data();
  parallel_for(job.batch * job.channels, threads_for(work_of(job), threads), [&](int64_t i) { kernel(each, i); });
  for (int64_t i = 0; i < job.batch * job.channels; ++i)
    for (int64_t k = 0; k < size; ++k) job.sums[i / job.channels * size + k] += sums[i * size + k];
}

}  // namespace visionops
