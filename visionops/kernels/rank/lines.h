// Rows of a channel with what lies outside of it, and vectors of either type of pixel.
#pragma once

#include <cstring>
#include <vector>

#include "common/border.h"
#include "common/lanes.h"

namespace visionops {
namespace VISIONOPS_ISA {

typedef uint8_t Bytes __attribute__((vector_size(4 * LANES)));

inline Bytes least(Bytes a, Bytes b) { return a < b ? a : b; }
inline Bytes most(Bytes a, Bytes b) { return a > b ? a : b; }
inline Floats least(Floats a, Floats b) { return at_most(a, b); }
inline Floats most(Floats a, Floats b) { return at_least(a, b); }

template <class T>
struct VectorOf;
template <>
struct VectorOf<float> {
  typedef Floats type;
};
template <>
struct VectorOf<uint8_t> {
  typedef Bytes type;
};
template <class T>
using Vector = typename VectorOf<T>::type;

// Pixels of a vector.
template <class T>
constexpr int PIXELS = 4 * LANES / sizeof(T);

template <class T>
Vector<T> fetch(const T* from) {
  Vector<T> x;
  std::memcpy(&x, from, sizeof x);
  return x;
}

// Writes the first n pixels.
template <class T>
void put(Vector<T> x, int n, T* to) {
  if (n >= PIXELS<T>) {
    std::memcpy(to, &x, sizeof x);  // one instruction, as its size is known
  } else {
    std::memcpy(to, &x, n * sizeof(T));
  }
}

template <class T>
struct Plane {
  const T* data;
  int height, width;
  int64_t row_stride, column_stride;
  Border border;
  T fill;

  Plane(const Source& source, int channel, Border border, float fill)
      : data(reinterpret_cast<const T*>(source.address) + channel * source.channel_stride),
        height(static_cast<int>(source.height)), width(static_cast<int>(source.width)),
        row_stride(source.row_stride), column_stride(source.column_stride), border(border),
        fill(static_cast<T>(fill)) {}

  // Writes n pixels of a row from a column on, either of which may be outside.
  void read(int row, int column, int n, T* __restrict out) const {
    if (border == Border::constant && (row < 0 || row >= height)) {
      for (int i = 0; i < n; ++i) out[i] = fill;
      return;
    }
    const T* const line = data + fold(row, height, border) * row_stride;
    const int begin = column < 0 ? (-column < n ? -column : n) : 0;
    int end = width - column;
    end = end < begin ? begin : end > n ? n : end;
    const auto outside = [&](int i) {
      out[i] = border == Border::constant ? fill : line[fold(column + i, width, border) * column_stride];
    };
    for (int i = 0; i < begin; ++i) outside(i);
    if (column_stride == 1) {
      std::memcpy(out + begin, line + column + begin, sizeof(T) * (end - begin));
    } else {
      for (int i = begin; i < end; ++i) out[i] = line[(column + i) * column_stride];
    }
    for (int i = end; i < n; ++i) outside(i);
  }
};

// Rows of room for n pixels, and for a vector that begins at the last of them, each from a cache line on.
template <class T>
class Rows {
 public:
  Rows(int count, int n) : step_((n + PIXELS<T> + 63) / 64 * 64), all_(static_cast<size_t>(count) * step_ + 64) {}
  T* operator[](int i) { return start() + static_cast<int64_t>(i) * step_; }

 private:
  T* start() { return reinterpret_cast<T*>((reinterpret_cast<uintptr_t>(all_.data()) + 63) / 64 * 64); }
  int64_t step_;
  std::vector<T> all_;
};

}  // namespace VISIONOPS_ISA
}  // namespace visionops
