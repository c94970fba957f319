// Connected components: runs of rows, joined to those above by union-find, then numbered and written.
#include <algorithm>
#include <cstring>
#include <vector>

#include "morphology/element.h"

namespace visionops {
namespace {

class Components {
 public:
  Components(const uint8_t* inside, int height, int width, int connectivity)
      : inside_(inside), height_(height), width_(width), reach_(connectivity == 8) {}

  void run(int64_t* out) {
    for (int y = 0; y < height_; ++y) add_row(inside_ + static_cast<int64_t>(y) * width_);
    // A root is the first of its runs, so that those that lead to it find it numbered.
    int64_t count = 0;
    for (size_t i = 0; i < label_.size(); ++i)
      label_[i] = label_[i] == static_cast<int64_t>(i) ? ++count : label_[label_[i]];
    for (int y = 0; y < height_; ++y) {
      int64_t* const line = out + static_cast<int64_t>(y) * width_;
      int x = 0;
      for (size_t i = starts_[y]; i < starts_[y + 1]; x = runs_[i++].end) {
        std::fill(line + x, line + runs_[i].begin, 0);
        std::fill(line + runs_[i].begin, line + runs_[i].end, label_[i]);
      }
      std::fill(line + x, line + width_, 0);
    }
  }

 private:
  struct Stretch {
    int begin, end;
  };

  void add_row(const uint8_t* row) {
    size_t above = starts_.size() < 2 ? 0 : starts_[starts_.size() - 2];
    const size_t last = starts_.back();
    for (int x = next(row, 0, 0); x < width_;) {
      const int end = next(row, x, 1);
      const int64_t mine = static_cast<int64_t>(runs_.size());
      runs_.push_back({x, end});
      label_.push_back(mine);
      while (above < last && runs_[above].end + reach_ <= x) ++above;
      for (size_t i = above; i < last && runs_[i].begin < end + reach_; ++i) join(static_cast<int64_t>(i), mine);
      x = next(row, end, 0);
    }
    starts_.push_back(runs_.size());
  }

  // Returns where a row, of zeros and ones, ceases to have a value.
  int next(const uint8_t* row, int x, uint8_t value) const {
    const uint64_t same = value * UINT64_C(0x0101010101010101);
    uint64_t word;
    for (; x + 8 <= width_; x += 8) {
      std::memcpy(&word, row + x, 8);
      // The lowest byte is the first, on all machines that this is built for.
      if (word != same) return x + __builtin_ctzll(word ^ same) / 8;
    }
    while (x < width_ && row[x] == value) ++x;
    return x;
  }

  int64_t root_of(int64_t i) {
    while (label_[i] != i) i = label_[i] = label_[label_[i]];
    return i;
  }

  void join(int64_t a, int64_t b) {
    a = root_of(a);
    b = root_of(b);
    label_[std::max(a, b)] = std::min(a, b);
  }

  const uint8_t* inside_;
  int height_, width_, reach_;
  std::vector<Stretch> runs_;
  std::vector<int64_t> label_;     // of each run, one that it is joined to, and in the end its number
  std::vector<size_t> starts_{0};  // of the runs of each row
};

}  // namespace

void label_components(const uint8_t* inside, int height, int width, int connectivity, int64_t* out) {
  Components(inside, height, width, connectivity).run(out);
}

}  // namespace visionops
