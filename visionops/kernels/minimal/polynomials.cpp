#include "minimal/roots.h"

namespace visionops {
namespace VISIONOPS_ISA {

void real_roots(const Polynomials& job, int64_t begin, int64_t end) {
  const int slots = job.n - 1;
  for (int64_t i = begin; i < end; ++i) {
    double pairs[LARGEST_DEGREE][2] = {};
    const int found = real_roots_of(job.coefficients + i * job.n, job.n, pairs);
    std::copy(pairs[0], pairs[0] + 2 * slots, job.pairs + i * slots * 2);
    for (int s = 0; s < slots; ++s) job.found[i * slots + s] = s < found;
  }
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
