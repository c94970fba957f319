// Ranks in windows higher or wider than 127 over floats: the place of each pixel among the sorted ones of a tile stands
// for it.
//
// A window is a set of places, a bit for each, that loses and gains a column at each step. The bit of the rank is looked
// for from where the last one was, by the numbers of bits in groups. A pixel costs 2 k updates and a short walk.
#include "rank/places.h"
#include "rank/window.h"

namespace visionops {
namespace VISIONOPS_ISA {
namespace {

constexpr int GROUP = 8;  // words of 64 places

class Places {
 public:
  // Writes to each pixel its place among them, and keeps the values in order.
  void sort(const std::vector<float>& pixels, int32_t* places) {
    const std::vector<Entry> entries = sorted(pixels);
    const int n = static_cast<int>(entries.size());
    values_.resize(n);
    for (int i = 0; i < n; ++i) {
      places[entries[i].at] = i;
      values_[i] = pixels[entries[i].at];
    }
    words_.assign((n + 64 * GROUP) / (64 * GROUP) * GROUP, 0);
    counts_.assign(words_.size() / GROUP, 0);
    group_ = below_ = 0;
  }

  void insert(int32_t place) {
    words_[place >> 6] |= uint64_t{1} << (place & 63);
    ++counts_[place / (64 * GROUP)];
    below_ += place / (64 * GROUP) < group_;
  }

  void remove(int32_t place) {
    words_[place >> 6] &= ~(uint64_t{1} << (place & 63));
    --counts_[place / (64 * GROUP)];
    below_ -= place / (64 * GROUP) < group_;
  }

  // Returns the value of a rank among those that are in the set, which are more.
  float find(int rank) {
    while (below_ > rank) below_ -= counts_[--group_];
    while (below_ + counts_[group_] <= rank) below_ += counts_[group_++];
    int left = rank - below_, word = group_ * GROUP;
    for (int here; left >= (here = __builtin_popcountll(words_[word])); ++word) left -= here;
    uint64_t bits = words_[word];
    for (; left; --left) bits &= bits - 1;
    return values_[word * 64 + __builtin_ctzll(bits)];
  }

 private:
  std::vector<float> values_;
  std::vector<uint64_t> words_;
  std::vector<int32_t> counts_;
  int group_ = 0, below_ = 0;  // how many of the set are before the group
};

}  // namespace

void ordinal_tile(const Ranks& job, int64_t sample, int channel, int top, int left, int bottom, int right) {
  const Plane<float> plane(job.sources[sample], channel, job.border, job.fill);
  const int high = bottom - top, wide = right - left;
  const int rows = high + job.height - 1, columns = wide + job.width - 1;
  const std::vector<float> pixels = around(plane, top - job.height / 2, left - job.width / 2, rows, columns);
  std::vector<int32_t> places(pixels.size());
  Places set;
  set.sort(pixels, places.data());

  float* const out = reinterpret_cast<float*>(job.outputs[sample]) +
                     (static_cast<int64_t>(channel) * plane.height + top) * plane.width + left;
  const auto at = [&](int y, int x) { return places[static_cast<size_t>(y) * columns + x]; };
  for (int j = 0; j < job.height; ++j)
    for (int i = 0; i < job.width; ++i) set.insert(at(j, i));
  // Along the rows to and fro, so that each window differs from the last by a row or a column.
  int x = 0;
  for (int y = 0; y < high; ++y) {
    const int step = y % 2 ? -1 : 1, stop = y % 2 ? 0 : wide - 1;
    for (;;) {
      out[static_cast<int64_t>(y) * plane.width + x] = set.find(job.rank);
      if (x == stop) break;
      const int gone = step > 0 ? x : x + job.width - 1, come = step > 0 ? x + job.width : x - 1;
      for (int j = 0; j < job.height; ++j) {
        set.remove(at(y + j, gone));
        set.insert(at(y + j, come));
      }
      x += step;
    }
    if (y + 1 == high) break;
    for (int i = 0; i < job.width; ++i) {
      set.remove(at(y, x + i));
      set.insert(at(y + job.height, x + i));
    }
  }
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
