// Loops over independent items, on threads that live only as long as the call.
#pragma once

#include <cstdint>
#include <functional>

namespace visionops {

// Calls body(i) for 0 <= i < count on at most `threads` threads, this one included. With one thread it is a plain
// loop: a data-loader worker that was forked must not meet a pool that it inherited. The first exception is rethrown.
void parallel_for(int64_t count, int threads, const std::function<void(int64_t)>& body);

// Threads worth starting for so many elements of work: starting one costs about as much as 2^17 elements.
int threads_for(int64_t elements, int threads);

}  // namespace visionops
