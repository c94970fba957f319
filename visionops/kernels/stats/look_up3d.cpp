// Tables over three colours, whose entries have their channels together: a corner of a cell is one load.
#include <algorithm>
#include <cstring>

#include "stats/stats.h"
#include "warp/view.h"

namespace visionops {
namespace VISIONOPS_ISA {
namespace {

typedef float Four __attribute__((vector_size(16)));
typedef double FourDoubles __attribute__((vector_size(32)));

inline Four load_four(const float* from) {
  Four x;
  std::memcpy(&x, from, sizeof x);
  return x;
}

inline Four mix(Four a, Four b, float part) { return a + (b - a) * part; }

// Where a colour lies: the entry below it along each axis, and how far it is from there to the next.
struct Place {
  int64_t base;
  float part[3];
  bool inside[3];
};

inline Place place(const float* const* colour, int64_t at, int n) {
  Place p;
  int32_t entry[3];
  for (int c = 0; c < 3; ++c) {
    const float x = colour[c][at];
    p.inside[c] = x >= 0.0f && x <= 1.0f;
    const float scaled = (x < 0.0f ? 0.0f : x > 1.0f ? 1.0f : x) * static_cast<float>(n - 1);
    entry[c] = std::min(static_cast<int32_t>(scaled > 0.0f ? scaled : 0.0f), n - 2);  // of a NaN 0
    p.part[c] = scaled - static_cast<float>(entry[c]);
  }
  p.base = (int64_t{entry[0]} * n + entry[1]) * n + entry[2];
  return p;
}

// The axes from the largest fraction to the smallest; of equal ones the first goes first.
struct Order {
  int large, middle, small;
};

inline const Order& order_of(const float* part) {
  // By a table: which comparisons hold is a matter of chance, and branches on it are mispredicted.
  static constexpr Order orders[8] = {{2, 1, 0}, {2, 0, 1}, {1, 2, 0}, {0, 1, 2},
                                      {1, 0, 2}, {0, 2, 1}, {1, 0, 2}, {0, 1, 2}};
  return orders[(part[0] >= part[1]) | (part[1] >= part[2]) << 1 | (part[0] >= part[2]) << 2];
}

struct Walk {
  Order order;
  int64_t offset[4];  // of the corners passed
  float weight[4];
};

inline Walk walk(const Place& p, const int64_t* step) {
  const Order o = order_of(p.part);
  const float large = p.part[o.large], middle = p.part[o.middle], small = p.part[o.small];
  const int64_t first = step[o.large], second = first + step[o.middle];
  return {o, {0, first, second, step[0] + step[1] + step[2]}, {1.0f - large, large - middle, middle - small, small}};
}

}  // namespace

void look_up3d_rows(const Source& source, const Cube& cube, const float* packed, float* out, int begin, int end) {
  const View<float> view = view_of<float>(source);
  const int n = cube.n;
  const int64_t plane = int64_t{view.height} * view.width, step[3] = {int64_t{n} * n, n, 1};
  for (int y = begin; y < end; ++y) {
    const float* colour[3];
    for (int c = 0; c < 3; ++c) colour[c] = view.data + c * view.channel_stride + y * view.row_stride;
    float* const to = out + int64_t{y} * view.width;
    for (int x = 0; x < view.width; ++x) {
      const Place p = place(colour, x * view.column_stride, n);
      const float* const cell = packed + p.base * 4;
      Four result;
      if (cube.tetrahedral) {
        const Walk w = walk(p, step);
        result = load_four(cell) * w.weight[0];
        for (int k = 1; k < 4; ++k) result += load_four(cell + w.offset[k] * 4) * w.weight[k];
      } else {
        const auto edge = [&](int64_t offset) {
          const float* const at = cell + offset * 4;
          return mix(load_four(at), load_four(at + 4), p.part[2]);
        };
        result = mix(mix(edge(0), edge(n), p.part[1]), mix(edge(step[0]), edge(step[0] + n), p.part[1]), p.part[0]);
      }
      for (int c = 0; c < cube.channels; ++c) to[c * plane + x] = result[c];
    }
  }
}

void look_up3d_adjoint_rows(const Source& grad, const Source& source, const Cube& cube, const float* packed,
                            float* out, double* sums, int begin, int end) {
  const View<float> view = view_of<float>(source), grads = view_of<float>(grad);
  const int n = cube.n;
  const int64_t plane = int64_t{view.height} * view.width, step[3] = {int64_t{n} * n, n, 1};
  const float steep = static_cast<float>(n - 1);
  for (int y = begin; y < end; ++y) {
    const float* colour[3];
    for (int c = 0; c < 3; ++c) colour[c] = view.data + c * view.channel_stride + y * view.row_stride;
    for (int x = 0; x < view.width; ++x) {
      const Place p = place(colour, x * view.column_stride, n);
      Four g = {};
      for (int c = 0; c < cube.channels; ++c)
        g[c] = grads.data[c * grads.channel_stride + y * grads.row_stride + x * grads.column_stride];
      // The result is a sum of corners; `tilt` is how each one's weight changes with a colour.
      int64_t offset[8];
      float weight[8], tilt[3][8] = {};
      const int corners = cube.tetrahedral ? 4 : 8;
      if (cube.tetrahedral) {
        const Walk w = walk(p, step);
        std::copy(w.offset, w.offset + 4, offset);
        std::copy(w.weight, w.weight + 4, weight);
        const int axis[3] = {w.order.large, w.order.middle, w.order.small};
        for (int k = 0; k < 3; ++k) {
          tilt[axis[k]][k] = -1.0f;
          tilt[axis[k]][k + 1] = 1.0f;
        }
      } else {
        for (int k = 0; k < 8; ++k) {
          const bool far[3] = {(k & 4) != 0, (k & 2) != 0, (k & 1) != 0};
          float w[3];
          offset[k] = 0;
          for (int c = 0; c < 3; ++c) {
            w[c] = far[c] ? p.part[c] : 1.0f - p.part[c];
            offset[k] += far[c] ? step[c] : 0;
          }
          weight[k] = w[0] * w[1] * w[2];
          tilt[0][k] = (far[0] ? 1.0f : -1.0f) * w[1] * w[2];
          tilt[1][k] = (far[1] ? 1.0f : -1.0f) * w[0] * w[2];
          tilt[2][k] = (far[2] ? 1.0f : -1.0f) * w[0] * w[1];
        }
      }
      if (out) {
        float by[3] = {};
        for (int k = 0; k < corners; ++k) {
          const Four product = g * load_four(packed + (p.base + offset[k]) * 4);
          const float value = (product[0] + product[1]) + (product[2] + product[3]);
          for (int c = 0; c < 3; ++c) by[c] += value * tilt[c][k];
        }
        for (int c = 0; c < 3; ++c)
          out[c * plane + int64_t{y} * view.width + x] = p.inside[c] ? by[c] * steep : 0.0f;
      }
      if (!sums) continue;
      const FourDoubles wide = __builtin_convertvector(g, FourDoubles);
      for (int k = 0; k < corners; ++k) {
        double* const entry = sums + (p.base + offset[k]) * 4;
        FourDoubles sum;
        std::memcpy(&sum, entry, sizeof sum);
        sum += wide * static_cast<double>(weight[k]);
        std::memcpy(entry, &sum, sizeof sum);
      }
    }
  }
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
