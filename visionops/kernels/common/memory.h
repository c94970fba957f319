// Memory that results are written to.
#pragma once

#include <cstdint>

namespace visionops {

// Asks the system to back a block with huge pages; what it says does not matter.
void use_huge_pages(int64_t address, int64_t size);

// The same for a batch of outputs, `size` bytes each, that nobody wrote to yet: where they are one block of many
// megabytes, first touches of small pages take longer than a resampling. A smaller block comes from a heap that has
// most of its pages already.
void use_huge_pages(const int64_t* outputs, int64_t batch, int64_t size);

}  // namespace visionops
