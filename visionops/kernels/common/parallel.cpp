#include "common/parallel.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace visionops {

void parallel_for(int64_t count, int threads, const std::function<void(int64_t)>& body) {
  const int workers = static_cast<int>(std::min<int64_t>(count, threads));
  if (workers <= 1) {
    for (int64_t i = 0; i < count; ++i) body(i);
    return;
  }
  std::atomic<int64_t> next{0};
  std::exception_ptr error;
  std::mutex guard;
  auto work = [&] {
    try {
      for (int64_t i = next++; i < count; i = next++) body(i);
    } catch (...) {
      std::lock_guard<std::mutex> lock(guard);
      if (!error) error = std::current_exception();
    }
  };
  std::vector<std::thread> others;
  try {
    for (int i = 1; i < workers; ++i) others.emplace_back(work);
  } catch (const std::system_error&) {
    // No more threads to be had: those that started, and this one, do the work.
  }
  work();
  for (auto& thread : others) thread.join();
  if (error) std::rethrow_exception(error);
}

int threads_for(int64_t elements, int threads) {
  return static_cast<int>(std::clamp<int64_t>(elements >> 17, 1, std::max(threads, 1)));
}

}  // namespace visionops
