#include "common/memory.h"

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace visionops {

void use_huge_pages([[maybe_unused]] int64_t address, [[maybe_unused]] int64_t size) {
#if defined(__linux__)
  constexpr int64_t page = 4096;
  const int64_t begin = (address + page - 1) / page * page, end = (address + size) / page * page;
  if (begin < end) madvise(reinterpret_cast<void*>(begin), static_cast<size_t>(end - begin), MADV_HUGEPAGE);
#endif
}

void use_huge_pages(const int64_t* outputs, int64_t batch, int64_t size) {
  constexpr int64_t large = int64_t{8} << 20;
  if (batch * size >= large && outputs[batch - 1] - outputs[0] == (batch - 1) * size)
    use_huge_pages(outputs[0], batch * size);
}

}  // namespace visionops
