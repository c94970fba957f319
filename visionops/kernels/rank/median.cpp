// Medians of 3 x 3 and 5 x 5 windows by sorting networks, as many pixels at once as a register holds.
//
// Columns are sorted once for all windows that they are in, then each rank across the columns. Of the 25 of such a
// table 13 may be the median, on its anti-diagonals of 4, 5 and 4: it is the median of the largest of the first, the
// median of the second and the least of the third, for each anti-diagonal's i-th smallest is at most the next one's
// i-th, and at least its (i - 1)-th.
#include "rank/lines.h"
#include "rank/window.h"

namespace visionops {
namespace VISIONOPS_ISA {
namespace {

template <class V>
inline void order(V& a, V& b) {
  const V low = least(a, b);
  b = most(a, b);
  a = low;
}

template <class V>
inline void sort3(V* v) {
  order(v[0], v[1]);
  order(v[1], v[2]);
  order(v[0], v[1]);
}

template <class V>
inline void sort5(V* v) {
  order(v[0], v[3]);
  order(v[1], v[4]);
  order(v[0], v[2]);
  order(v[1], v[3]);
  order(v[0], v[1]);
  order(v[2], v[4]);
  order(v[1], v[2]);
  order(v[3], v[4]);
  order(v[2], v[3]);
}

template <class V>
inline V median(V a, V b, V c) {
  return most(least(a, b), least(most(a, b), c));
}

template <class V>
inline V median(V a, V b, V c, V d, V e) {
  // Neither the least nor the largest of four is the median of five.
  const V low = most(least(a, b), least(c, d)), high = least(most(a, b), most(c, d));
  return median(e, low, high);
}

template <class V>
inline V median_of_columns(V (&at)[3][3]) {
  const V low = most(most(at[0][0], at[0][1]), at[0][2]);
  const V high = least(least(at[2][0], at[2][1]), at[2][2]);
  return median(low, median(at[1][0], at[1][1], at[1][2]), high);
}

template <class V>
inline V median_of_columns(V (&at)[5][5]) {
  for (int i = 0; i < 5; ++i) sort5(at[i]);
  const V low = most(most(at[0][3], at[1][2]), most(at[2][1], at[3][0]));
  const V high = least(least(at[1][4], at[2][3]), least(at[3][2], at[4][1]));
  return median(low, median(at[0][4], at[1][3], at[2][2], at[3][1], at[4][0]), high);
}

template <int SIZE, class T>
void rows(const Ranks& job, int64_t sample, int channel, int begin, int end) {
  constexpr int radius = SIZE / 2;
  const Plane<T> plane(job.sources[sample], channel, job.border, job.fill);
  const int width = plane.width, reach = width + 2 * radius;
  T* out = reinterpret_cast<T*>(job.outputs[sample]) +
           (static_cast<int64_t>(channel) * plane.height + begin) * static_cast<int64_t>(width);
  // The rows of a window, of which one is replaced at each step, then the ranks of their columns.
  Rows<T> lines(2 * SIZE, reach);
  for (int i = 0; i < SIZE - 1; ++i) plane.read(begin - radius + i, -radius, reach, lines[i]);
  T* sorted[SIZE];
  for (int i = 0; i < SIZE; ++i) sorted[i] = lines[SIZE + i];
  for (int y = begin; y < end; ++y, out += width) {
    plane.read(y + radius, -radius, reach, lines[(y - begin + SIZE - 1) % SIZE]);
    const T* line[SIZE];
    for (int i = 0; i < SIZE; ++i) line[i] = lines[i];
    for (int x = 0; x < reach; x += PIXELS<T>) {
      Vector<T> column[SIZE];
      for (int i = 0; i < SIZE; ++i) column[i] = fetch(line[i] + x);
      if constexpr (SIZE == 3) sort3(column);
      if constexpr (SIZE == 5) sort5(column);
      for (int i = 0; i < SIZE; ++i) put(column[i], PIXELS<T>, sorted[i] + x);
    }
    for (int x = 0; x < width; x += PIXELS<T>) {
      Vector<T> at[SIZE][SIZE];
      for (int i = 0; i < SIZE; ++i)
        for (int j = 0; j < SIZE; ++j) at[i][j] = fetch(sorted[i] + x + j);
      put(median_of_columns(at), width - x, out + x);
    }
  }
}

}  // namespace

void median_rows(const Ranks& job, int64_t sample, int channel, int begin, int end) {
  const bool small = job.height == 3;
  if (job.dtype == Dtype::float32) return (small ? rows<3, float> : rows<5, float>)(job, sample, channel, begin, end);
  (small ? rows<3, uint8_t> : rows<5, uint8_t>)(job, sample, channel, begin, end);
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
