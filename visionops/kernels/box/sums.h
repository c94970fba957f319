// Sums of rows by van Herk's blocks, sums along a row by fourfold ones. Nothing is subtracted, as in running sums: no
// rounding error piles up, and a NaN stays in the windows that hold it.
#pragma once

#include <algorithm>
#include <vector>

#include "common/lanes.h"

namespace visionops {
namespace VISIONOPS_ISA {

// The sums of `size` rows from any row on: the end of the block that it lies in, and the beginning of the next. Blocks
// start at multiples of `size`, wherever the sums do, so that their bits are the same.
class Columns {
 public:
  Columns(int size, int width) : size_(size), width_(width), stride_((width + LANES - 1) / LANES * LANES),
                                 ends_(static_cast<size_t>(stride_) * size), beginning_(stride_) {}

  // Lets other rows come next.
  void restart() { added_ = -1; }

  // Writes the sums from `first` on, which only grows; row(y) returns a row.
  template <class Row>
  void sum(int first, const Row& row, float* __restrict out) {
    const int block = first >= 0 ? first / size_ : -((size_ - 1 - first) / size_), offset = first - block * size_;
    const int next = (block + 1) * size_;
    if (block != block_ || added_ < 0) {
      block_ = block;
      added_ = 0;
      std::fill(beginning_.data(), beginning_.data() + stride_, 0.0f);
      for (int i = size_ - 1; i >= offset; --i) {
        const float* __restrict const line = row(block * size_ + i);
        float* __restrict const to = end_of(i);
        if (i == size_ - 1) {
          std::copy(line, line + width_, to);
        } else {
          const float* __restrict const rest = end_of(i + 1);
          for (int x = 0; x < width_; ++x) to[x] = rest[x] + line[x];
        }
      }
    }
    const float* __restrict const end = end_of(offset);
    float* __restrict const beginning = beginning_.data();
    if (added_ == offset) {
      for (int x = 0; x < width_; ++x) out[x] = end[x] + beginning[x];
      return;
    }
    for (; added_ < offset; ++added_) {
      const float* __restrict const line = row(next + added_);
      for (int x = 0; x < width_; ++x) {
        beginning[x] += line[x];
        out[x] = end[x] + beginning[x];
      }
    }
  }

 private:
  float* end_of(int i) { return ends_.data() + static_cast<int64_t>(i) * stride_; }

  const int size_, width_, stride_;
  Aligned ends_, beginning_;
  int block_ = 0, added_ = -1;
};

// The sums of `size` pixels along a row: of one, four, sixteen, ..., and as many of each as the size has.
class Along {
 public:
  Along(int size, int width) : width_(width), stride_((width + size + LANES) / LANES * LANES + LANES) {
    int span = 1, at = 0, left = size;
    for (; left; left /= 4, span *= 4) {
      spans_.push_back(span);
      for (int i = 0; i < left % 4; ++i, at += span) terms_.push_back({static_cast<int>(spans_.size()) - 1, at});
    }
    // A sum reads up to three spans ahead of its own start.
    sums_ = std::vector<Aligned>(spans_.size(), Aligned(static_cast<size_t>(stride_) + 4 * span));
  }

  // The row to fill: width + size - 1 pixels.
  float* row() { return sums_[0].data(); }

  // Calls sink(at, how many are left, sums) for registers of the row.
  template <class Sink>
  void sum(const Sink& sink) {
    for (size_t l = 1; l < spans_.size(); ++l) {
      const float* const from = sums_[l - 1].data();
      const int step = spans_[l - 1];
      float* const to = sums_[l].data();
      for (int x = 0; x < stride_; x += LANES)
        store(load(from + x) + load(from + x + step) + (load(from + x + 2 * step) + load(from + x + 3 * step)), to + x);
    }
    for (int at = 0; at < width_; at += LANES) {
      Floats total = load(sums_[terms_[0].level].data() + terms_[0].at + at);
      for (size_t t = 1; t < terms_.size(); ++t) total += load(sums_[terms_[t].level].data() + terms_[t].at + at);
      sink(at, width_ - at, total);
    }
  }

 private:
  struct Term {
    int level, at;
  };

  const int width_, stride_;
  std::vector<int> spans_;
  std::vector<Term> terms_;
  std::vector<Aligned> sums_;
};

}  // namespace VISIONOPS_ISA
}  // namespace visionops
