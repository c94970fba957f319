// Least and largest values over the runs of an element.
//
// The extreme of a run is that of two of a power of two in length, which overlap; those of 2 p pixels are made of two of
// p. Each row is brought to the extremes of every different run once, and each result is that of its element's runs. The
// rows of a tall box are doubled in the same way down the columns.
#include <algorithm>
#include <limits>

#include "morphology/element.h"
#include "rank/lines.h"

namespace visionops {
namespace VISIONOPS_ISA {
namespace {

constexpr int STRIP = 1024;  // columns at a time
constexpr int SHORT = 5;     // columns of a run up to which they are taken one by one
constexpr int TALL = 16;     // rows of a box beyond which columns are doubled
constexpr int FEW = 12;      // pixels of an element up to which they are taken one by one

template <bool LARGEST, class V>
inline V extreme(V a, V b) {
  return LARGEST ? most(a, b) : least(a, b);
}

// out = extreme(a, b), of n pixels; out may be a.
template <bool LARGEST, class T>
inline void combine(const T* a, const T* b, int n, T* out) {
  for (int x = 0; x < n; x += PIXELS<T>) put(extreme<LARGEST>(fetch(a + x), fetch(b + x)), PIXELS<T>, out + x);
}

template <bool LARGEST, class T>
class Element {
 public:
  Element(const Runs& runs, const Plane<T>& plane)
      : plane_(plane), first_(runs.at[0].dy), last_(runs.at[runs.count - 1].dy), low_(0), high_(0), pixels_(0) {
    for (int64_t i = 0; i < runs.count; ++i) {
      const Run& run = runs.at[i];
      low_ = std::min(low_, run.x0);
      high_ = std::max(high_, run.x1);
      int shape = 0;
      while (shape < static_cast<int>(shapes_.size()) &&
             (shapes_[shape].x0 != run.x0 || shapes_[shape].x1 != run.x1))
        ++shape;
      if (shape == static_cast<int>(shapes_.size())) shapes_.push_back(run);
      parts_.push_back({run.dy, shape});
      pixels_ += run.x1 - run.x0 + 1;
    }
    is_box_ = shapes_.size() == 1 && runs.count == last_ - first_ + 1;
  }

  int first() const { return first_; }
  int last() const { return last_; }

  // Writes some rows, the first of them to out.
  void rows(int begin, int end, T* out) const {
    for (int left = 0; left < plane_.width; left += STRIP) {
      const int n = std::min(STRIP, plane_.width - left);
      if (is_box_ && last_ - first_ >= TALL) tall_box(left, n, begin, end, out);
      else if (is_box_ && plane_.column_stride == 1) low_box(left, n, begin, end, out);
      else if (pixels_ <= FEW && last_ - first_ < TALL) few(left, n, begin, end, out);
      else any(left, n, begin, end, out);
    }
  }

 private:
  struct Part {
    int dy, shape;
  };

  // Writes a row's extremes over each shape of run to out[slot + shape].
  void across(int y, int left, int n, Rows<T>& steps, Rows<T>& out, int slot) const {
    const int reach = n + high_ - low_;
    plane_.read(y, left + low_, reach, steps[0]);
    int at = 0;  // steps[at] has the extremes of 2^at pixels
    for (size_t i = 0; i < shapes_.size(); ++i) {
      const int length = shapes_[i].x1 - shapes_[i].x0 + 1, from = shapes_[i].x0 - low_;
      T* const to = out[slot + static_cast<int>(i)];
      if (length <= SHORT) {
        const T* each[SHORT] = {};
        for (int k = 0; k < length; ++k) each[k] = steps[0] + from + k;
        gather(each, length, n, to);
        continue;
      }
      int level = 0;
      while (2 << level <= length) ++level;
      // What is read beyond the row is never of a pixel that is written.
      for (; at < level; ++at) combine<LARGEST>(steps[at], steps[at] + (1 << at), reach - (1 << at), steps[at + 1]);
      const T* const half[2] = {steps[level] + from, steps[level] + from + length - (1 << level)};
      gather(half, 2, n, to);
    }
  }

  int levels() const {
    int longest = 1, level = 0;
    for (const Run& shape : shapes_) longest = std::max(longest, shape.x1 - shape.x0 + 1);
    while (2 << level <= longest) ++level;
    return level + 1;
  }

  void any(int left, int n, int begin, int end, T* out) const {
    const int depth = last_ - first_ + 1, each = static_cast<int>(shapes_.size());
    Rows<T> steps(levels(), n + 2 * (high_ - low_) + PIXELS<T>), lines(depth * each, n);
    const auto slot = [&](int y) { return (y - begin - first_) % depth * each; };
    for (int y = begin; y < begin + depth - 1; ++y) across(y + first_, left, n, steps, lines, slot(y + first_));
    std::vector<const T*> from(parts_.size());
    for (int y = begin; y < end; ++y) {
      across(y + last_, left, n, steps, lines, slot(y + last_));
      for (size_t i = 0; i < parts_.size(); ++i) from[i] = lines[slot(y + parts_[i].dy) + parts_[i].shape];
      gather(from.data(), static_cast<int>(from.size()), n, row(out, y - begin) + left);
    }
  }

  T* row(T* out, int i) const { return out + static_cast<int64_t>(i) * plane_.width; }

  // Every pixel of the element, of rows that are copied once with what is outside.
  void few(int left, int n, int begin, int end, T* out) const {
    const int depth = last_ - first_ + 1;
    // So that the vectors of a row begin where memory's do.
    const int margin = (-low_ + PIXELS<T> - 1) / PIXELS<T> * PIXELS<T>;
    Rows<T> memory(depth, margin + n + high_);
    T *lines[TALL] = {}, *const *const bottom = lines + depth - 1;
    for (int i = 0; i < depth; ++i) lines[i] = memory[i] + margin;
    const auto copy = [&](int y, T* line) { plane_.read(y, left + low_, n + high_ - low_, line + low_); };
    for (int i = 0; i + 1 < depth; ++i) copy(begin + first_ + i, lines[i]);
    for (int y = begin; y < end; ++y) {
      copy(y + last_, *bottom);
      const T* from[FEW] = {};
      int count = 0;
      for (const Part& part : parts_)
        for (int x = shapes_[part.shape].x0; x <= shapes_[part.shape].x1; ++x)
          from[count++] = lines[part.dy - first_] + x;
      gather(from, count, n, row(out, y - begin) + left);
      std::rotate(lines, lines + 1, lines + depth);
    }
  }

  static void gather(const T* const* from, int count, int n, T* to) {
    switch (count) {
      case 1: std::memcpy(to, from[0], sizeof(T) * n); return;
      case 2: return gather_some<2>(from, count, n, to);
      case 3: return gather_some<3>(from, count, n, to);
      case 5: return gather_some<5>(from, count, n, to);
      case 9: return gather_some<9>(from, count, n, to);
      default: return gather_some<0>(from, count, n, to);
    }
  }

  template <int COUNT>
  static void gather_some(const T* const* from, int any_count, int n, T* to) {
    const int count = COUNT ? COUNT : any_count;
    for (int x = 0; x < n; x += PIXELS<T>) {
      Vector<T> a = fetch(from[0] + x);
      for (int i = 1; i < count; ++i) a = extreme<LARGEST>(a, fetch(from[i] + x));
      put(a, n - x, to + x);
    }
  }

  // Down the columns first, of rows as they lie in memory, then along the result.
  void low_box(int left, int n, int begin, int end, T* out) const {
    const int x0 = shapes_[0].x0, length = shapes_[0].x1 - x0 + 1, reach = n + length - 1;
    const int from = std::clamp(left + x0, 0, plane_.width), to = std::clamp(left + x0 + reach, 0, plane_.width);
    int level = 0;
    while (2 << level <= length) ++level;
    Rows<T> line(2, reach);
    std::fill(line[0], line[0] + reach, plane_.fill);
    const bool is_short = length <= SHORT;
    const T *rows[TALL] = {}, *shifted[SHORT] = {line[1], line[1] + length - (1 << level)};
    for (int k = 0; k < length && is_short; ++k) shifted[k] = line[0] + k;
    for (int y = begin; y < end; ++y) {
      const int top = std::max(y + first_, 0), bottom = std::min(y + last_, plane_.height - 1);
      for (int v = top; v <= bottom; ++v) rows[v - top] = plane_.data + v * plane_.row_stride + from;
      T* const mine = line[0] + from - left - x0;
      // A row may be the last of its memory, so that no vector may begin in it and end beyond.
      const int whole = (to - from) / PIXELS<T> * PIXELS<T>;
      if (top > bottom) {
        std::fill(mine, mine + (to - from), plane_.fill);
      } else {
        gather(rows, bottom - top + 1, whole, mine);
        for (int x = whole; x < to - from; ++x) {
          T value = rows[0][x];
          for (int i = 1; i <= bottom - top; ++i) value = LARGEST ? std::max(value, rows[i][x]) : std::min(value, rows[i][x]);
          mine[x] = value;
        }
      }
      for (int p = 1; p < 1 << level && !is_short; p *= 2) {
        const T* const half = line[p > 1];
        combine<LARGEST>(half, half + p, reach - p, line[1]);
      }
      gather(shifted, is_short ? length : 2, n, row(out, y - begin) + left);
    }
  }

  void tall_box(int left, int n, int begin, int end, T* out) const {
    const int depth = last_ - first_ + 1, block = std::max(depth, 32);
    int level = 0;
    while (2 << level <= depth) ++level;
    Rows<T> steps(levels(), n + 2 * (high_ - low_) + PIXELS<T>), lines(block + depth - 1, n);
    for (int top = begin; top < end; top += block) {
      const int high = std::min(block, end - top), all = high + depth - 1;
      for (int i = 0; i < all; ++i) across(top + first_ + i, left, n, steps, lines, i);
      for (int p = 1; p < 1 << level; p *= 2)
        for (int i = 0; i + 2 * p <= all; ++i) combine<LARGEST>(lines[i], lines[i + p], n, lines[i]);
      for (int i = 0; i < high; ++i) {
        const T* const from[2] = {lines[i], lines[i + depth - (1 << level)]};
        gather(from, 2, n, row(out, top - begin + i) + left);
      }
    }
  }

  const Plane<T>& plane_;
  int first_, last_;           // rows, from a pixel's
  int32_t low_, high_;         // columns
  int64_t pixels_;
  bool is_box_;
  std::vector<Run> shapes_;    // of which only the columns count
  std::vector<Part> parts_;
};

template <bool LARGEST, class T>
T nothing() {
  using Limits = std::numeric_limits<T>;
  const T top = Limits::has_infinity ? Limits::infinity() : Limits::max();
  const T bottom = Limits::has_infinity ? static_cast<T>(-Limits::infinity()) : Limits::min();
  return LARGEST ? bottom : top;
}

template <class T>
T* row_of(const Extremum& job, int64_t sample, int channel, int row) {
  const Source& source = job.sources[sample];
  return reinterpret_cast<T*>(job.outputs[sample]) + (channel * source.height + row) * source.width;
}

template <bool LARGEST, class T>
void rows(const Extremum& job, int64_t sample, int channel, int begin, int end) {
  Plane<T> plane(job.sources[sample], channel, Border::constant, 0);
  plane.fill = nothing<LARGEST, T>();
  Element<LARGEST, T>(job.runs, plane).rows(begin, end, row_of<T>(job, sample, channel, begin));
}

inline float less(float a, float b) { return a - b; }
inline uint8_t less(uint8_t a, uint8_t b) { return a > b ? static_cast<uint8_t>(a - b) : 0; }

// Some rows at a time, so that the first extreme is still near when the second is taken.
template <bool LARGEST, class T>
void compound(const Compound& job, int64_t sample, int channel, int begin, int end) {
  const Plane<T> image(job.first.sources[sample], channel, Border::constant, 0);
  Plane<T> plane = image, middle = image;
  const bool in_turn = job.result != Result::second_less_first;
  plane.fill = nothing<LARGEST, T>();
  middle.fill = nothing<!LARGEST, T>();
  const Element<LARGEST, T> first(job.first.runs, plane);
  const Element<!LARGEST, T> second(job.second, middle);
  const int before = in_turn ? second.first() : 0, after = in_turn ? second.last() : 0;
  const int block = std::max(64, 4 * (after - before)), width = image.width;
  std::vector<T> memory(static_cast<size_t>(std::min(block + after - before, image.height)) * width), line(width);
  for (int top = begin; top < end; top += block) {
    const int bottom = std::min(top + block, end);
    const int from = std::clamp(top + before, 0, image.height), to = std::clamp(bottom + after, from, image.height);
    T* const out = row_of<T>(job.first, sample, channel, top);
    first.rows(from, to, memory.data());
    if (in_turn) {
      middle.data = memory.data();
      middle.height = to - from;
      middle.row_stride = width;
      middle.column_stride = 1;
      second.rows(top - from, bottom - from, out);
    } else {
      second.rows(top, bottom, out);
    }
    if (job.result == Result::second) continue;
    for (int y = top; y < bottom; ++y) {
      T* const mine = out + static_cast<int64_t>(y - top) * width;
      const T* other = memory.data() + static_cast<int64_t>(y - from) * width;
      if (in_turn) {
        other = image.data + y * image.row_stride;
        if (image.column_stride != 1) {
          image.read(y, 0, width, line.data());
          other = line.data();
        }
      }
      if (job.result == Result::image_less_second) for (int x = 0; x < width; ++x) mine[x] = less(other[x], mine[x]);
      else for (int x = 0; x < width; ++x) mine[x] = less(mine[x], other[x]);
    }
  }
}

}  // namespace

void extremum_rows(const Extremum& job, int64_t sample, int channel, int begin, int end) {
  if (job.dtype == Dtype::float32)
    return (job.largest ? rows<true, float> : rows<false, float>)(job, sample, channel, begin, end);
  (job.largest ? rows<true, uint8_t> : rows<false, uint8_t>)(job, sample, channel, begin, end);
}

void compound_rows(const Compound& job, int64_t sample, int channel, int begin, int end) {
  if (job.first.dtype == Dtype::float32)
    return (job.first.largest ? compound<true, float> : compound<false, float>)(job, sample, channel, begin, end);
  (job.first.largest ? compound<true, uint8_t> : compound<false, uint8_t>)(job, sample, channel, begin, end);
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
