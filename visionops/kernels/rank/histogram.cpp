// Ranks in windows of any size over bytes, in constant time for each pixel.
//
// Each column keeps a histogram of its part of the window, in 16 bins and in 256. The window's 16 are the sum of its
// columns'; of its 256 only the 16 that the rank falls among are brought up to date (Perreault and Hebert 2007).
#include <algorithm>

#include "rank/lines.h"
#include "rank/window.h"

namespace visionops {
namespace VISIONOPS_ISA {
namespace {

template <class Count>
struct Bins {
  Count at[16] = {};

  template <class Other>
  void add(const Other* from) {
    for (int i = 0; i < 16; ++i) at[i] = static_cast<Count>(at[i] + from[i]);
  }
  template <class Other>
  void subtract(const Other* from) {
    for (int i = 0; i < 16; ++i) at[i] = static_cast<Count>(at[i] - from[i]);
  }
  // Moves `rank` to within the bin that it falls into, which is returned. No branch: none could be foreseen.
  int find(int& rank) const {
    int sum = 0, before = 0, bin = 0;
    for (int i = 0; i < 15; ++i) {
      sum += at[i];
      const bool beyond = sum <= rank;
      bin += beyond;
      before = beyond ? sum : before;
    }
    rank -= before;
    return bin;
  }
};

// Count holds the pixels of a window; those of a column are less than 2^16, which the schedule sees to.
template <class Count>
class Histogram {
 public:
  Histogram(const Ranks& job, const Plane<uint8_t>& plane)
      : job_(job), plane_(plane), reach_(std::min(STRIP, plane.width) + job.width - 1), line_(reach_),
        coarse_(16 * static_cast<size_t>(reach_)), fine_(256 * static_cast<size_t>(reach_)) {}

  // Results of rows begin to end, of at most STRIP columns from `left` on.
  void strip(int left, int right, int begin, int end, uint8_t* out) {
    const int above = job_.height / 2, columns = right - left + job_.width - 1;
    std::fill(coarse_.begin(), coarse_.end(), uint16_t{0});
    std::fill(fine_.begin(), fine_.end(), uint16_t{0});
    for (int y = begin - above; y < begin - above + job_.height - 1; ++y) count(y, left, columns, 1);
    for (int y = begin; y < end; ++y) {
      count(y - above + job_.height - 1, left, columns, 1);
      row(right - left, out + static_cast<int64_t>(y) * plane_.width + left);
      count(y - above, left, columns, -1);
    }
  }

  static constexpr int STRIP = 256;

 private:
  void count(int y, int left, int columns, int sign) {
    plane_.read(y, left - job_.width / 2, columns, line_.data());
    for (int x = 0; x < columns; ++x) {
      const int value = line_[x];
      coarse_[16 * x + value / 16] = static_cast<uint16_t>(coarse_[16 * x + value / 16] + sign);
      uint16_t& fine = fine_[(static_cast<size_t>(value / 16) * reach_ + x) * 16 + value % 16];
      fine = static_cast<uint16_t>(fine + sign);
    }
  }

  void row(int n, uint8_t* out) {
    const int size = job_.width;
    Bins<Count> window, part[16];
    int upto[16];  // the column before which the window is that each part is of
    std::fill(upto, upto + 16, -size);
    for (int x = 0; x < size - 1; ++x) window.add(&coarse_[16 * x]);
    for (int x = 0; x < n; ++x) {
      window.add(&coarse_[16 * (x + size - 1)]);
      int rank = job_.rank;
      const int bin = window.find(rank);
      const uint16_t* const fine = &fine_[static_cast<size_t>(bin) * reach_ * 16];
      Bins<Count>& mine = part[bin];
      if (x - upto[bin] >= (size + 1) / 2) {
        mine = {};
        for (int i = x; i < x + size; ++i) mine.add(fine + 16 * i);
      } else {
        for (int i = upto[bin]; i < x; ++i) {
          mine.subtract(fine + 16 * i);
          mine.add(fine + 16 * (i + size));
        }
      }
      upto[bin] = x;
      out[x] = static_cast<uint8_t>(16 * bin + mine.find(rank));
      window.subtract(&coarse_[16 * x]);
    }
  }

  const Ranks& job_;
  const Plane<uint8_t>& plane_;
  int reach_;
  std::vector<uint8_t> line_;
  std::vector<uint16_t> coarse_, fine_;  // of column x: bins [x][16], and [16][x][16]
};

template <class Count>
void rows(const Ranks& job, const Plane<uint8_t>& plane, int begin, int end, uint8_t* out) {
  Histogram<Count> histogram(job, plane);
  for (int left = 0; left < plane.width; left += Histogram<Count>::STRIP)
    histogram.strip(left, std::min(left + Histogram<Count>::STRIP, plane.width), begin, end, out);
}

}  // namespace

void histogram_rows(const Ranks& job, int64_t sample, int channel, int begin, int end) {
  const Plane<uint8_t> plane(job.sources[sample], channel, job.border, job.fill);
  uint8_t* const out = reinterpret_cast<uint8_t*>(job.outputs[sample]) +
                       static_cast<int64_t>(channel) * plane.height * static_cast<int64_t>(plane.width);
  if (static_cast<int64_t>(job.height) * job.width < 1 << 16) return rows<uint16_t>(job, plane, begin, end, out);
  rows<uint32_t>(job, plane, begin, end, out);
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
