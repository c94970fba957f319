// Reconstruction by dilation with the source of each value: two scans, then a queue of what still rises (Vincent 1993).
#include <algorithm>
#include <deque>
#include <vector>

#include "morphology/element.h"

namespace visionops {
namespace {

template <class T>
class Reconstruction {
 public:
  Reconstruction(const T* marker, const T* mask, int height, int width, int connectivity, int64_t* source)
      : mask_(mask), height_(height), width_(width), count_(connectivity / 2), source_(source),
        value_(static_cast<size_t>(height) * width) {
    for (int64_t i = 0, size = static_cast<int64_t>(value_.size()); i < size; ++i) {
      value_[i] = std::min(marker[i], mask[i]);
      source_[i] = marker[i] <= mask[i] ? i : i + size;
    }
  }

  void run() {
    for (int y = 0; y < height_; ++y)
      for (int x = 0; x < width_; ++x) around(y, x, -1, [&](int64_t i, int64_t beside) { rise(i, beside); });
    for (int y = height_ - 1; y >= 0; --y)
      for (int x = width_ - 1; x >= 0; --x) {
        around(y, x, 1, [&](int64_t i, int64_t beside) { rise(i, beside); });
        bool waits = false;
        around(y, x, 1, [&](int64_t i, int64_t beside) { waits |= value_[beside] < std::min(value_[i], mask_[beside]); });
        if (waits) queue_.push_back(static_cast<int64_t>(y) * width_ + x);
      }
    while (!queue_.empty()) {
      const int64_t at = queue_.front();
      queue_.pop_front();
      for (const int side : {-1, 1})
        around(static_cast<int>(at / width_), static_cast<int>(at % width_), side, [&](int64_t i, int64_t beside) {
          if (rise(beside, i)) queue_.push_back(beside);
        });
    }
  }

 private:
  // Raises a pixel to its neighbour's value as far as the mask allows; returns whether it rose.
  bool rise(int64_t i, int64_t beside) {
    const T offer = std::min(value_[beside], mask_[i]);
    if (!(offer > value_[i])) return false;
    source_[i] = value_[beside] <= mask_[i] ? source_[beside] : i + static_cast<int64_t>(value_.size());
    value_[i] = offer;
    return true;
  }

  // Calls use(i, beside) for the neighbours that come before (side -1) or after (1) in reading order.
  template <class Use>
  void around(int y, int x, int side, Use use) {
    static constexpr int steps[4][2] = {{0, 1}, {1, 0}, {1, 1}, {1, -1}};
    for (int k = 0; k < count_; ++k) {
      const int v = y + side * steps[k][0], u = x + side * steps[k][1];
      if (v < 0 || v >= height_ || u < 0 || u >= width_) continue;
      use(static_cast<int64_t>(y) * width_ + x, static_cast<int64_t>(v) * width_ + u);
    }
  }

  const T* mask_;
  int height_, width_, count_;
  int64_t* source_;
  std::vector<T> value_;
  std::deque<int64_t> queue_;
};

}  // namespace

void reconstruct(const float* marker, const float* mask, int height, int width, int connectivity, int64_t* out) {
  Reconstruction<float>(marker, mask, height, width, connectivity, out).run();
}

void reconstruct(const double* marker, const double* mask, int height, int width, int connectivity, int64_t* out) {
  Reconstruction<double>(marker, mask, height, width, connectivity, out).run();
}

}  // namespace visionops
