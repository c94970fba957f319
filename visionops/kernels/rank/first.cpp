// The gradient of a choice in a large box: the first of its pixels that has the value chosen is looked up.
//
// Among the sorted pixels of a tile, those of a value are in reading order: a search finds the first that is not before
// the box, from which those to the left and right of the box are passed over.
#include <algorithm>

#include "rank/places.h"
#include "rank/window.h"

namespace visionops {
namespace VISIONOPS_ISA {
namespace {

class Sorted {
 public:
  Sorted(const Plane<float>& image, int top, int left, int rows, int columns) : columns_(columns) {
    const std::vector<Entry> entries = sorted(around(image, top, left, rows, columns));
    for (const Entry& e : entries) order_.push_back(joined(e.key, e.at));
  }

  // Returns the place of the first pixel with a value in a box, -1 where there is none.
  int find(float value, int y, int x, int height, int width) const {
    const uint32_t key = key_of(value);
    const uint64_t wanted = joined(key, y * columns_ + x);
    const uint64_t* at = order_.data();
    for (size_t left = order_.size(); left > 1; left -= left / 2) at += at[left / 2 - 1] < wanted ? left / 2 : 0;
    for (at += *at < wanted; at < order_.data() + order_.size() && *at >> 32 == key; ++at) {
      const int place = static_cast<int>(*at & 0xffffffff), row = place / columns_, column = place % columns_;
      if (row >= y + height) break;
      if (column >= x && column < x + width) return place;
    }
    return -1;
  }

 private:
  static uint64_t joined(uint32_t key, int at) { return uint64_t{key} << 32 | static_cast<uint32_t>(at); }
  int columns_;
  std::vector<uint64_t> order_;
};

}  // namespace

void choose_box_plane(const Choice& job, int64_t sample, int channel) {
  const Plane<float> image(job.images[sample], channel, job.border, job.fill);
  const Plane<float> grad(job.grads[sample], channel, job.border, 0);
  const Plane<float> result(job.results[sample], channel, job.border, 0);
  const int height = image.height, width = image.width;
  const int box_height = 1 + job.top + job.bottom, box_width = 1 + job.left + job.right;
  // Beyond the box's own reach a tile is large enough that most of what it sorts is its own.
  const int tile_height = std::max(128, 2 * box_height), tile_width = std::max(128, 2 * box_width);
  float* const out = reinterpret_cast<float*>(job.outputs[sample]) +
                     static_cast<int64_t>(channel) * height * static_cast<int64_t>(width);
  std::fill(out, out + static_cast<int64_t>(height) * width, 0.0f);
  std::vector<float> given(tile_width), chosen(tile_width);
  for (int top = 0; top < height; top += tile_height) {
    for (int left = 0; left < width; left += tile_width) {
      const int rows = std::min(tile_height, height - top), columns = std::min(tile_width, width - left);
      const int reach = columns + box_width - 1;
      const Sorted tile(image, top - job.top, left - job.left, rows + box_height - 1, reach);
      for (int y = 0; y < rows; ++y) {
        grad.read(top + y, left, columns, given.data());
        result.read(top + y, left, columns, chosen.data());
        for (int x = 0; x < columns; ++x) {
          if (given[x] == 0 || chosen[x] != chosen[x]) continue;
          const int place = tile.find(chosen[x], y, x, box_height, box_width);
          if (place < 0) continue;
          const int from_y = top - job.top + place / reach, from_x = left - job.left + place % reach;
          const bool outside = from_y < 0 || from_y >= height || from_x < 0 || from_x >= width;
          if (outside && job.border == Border::constant) continue;
          out[static_cast<int64_t>(fold(from_y, height, job.border)) * width + fold(from_x, width, job.border)] += given[x];
        }
      }
    }
  }
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
