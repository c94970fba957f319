// Points whose centre is 0 and whose mean squared distance from it is 2: x -> scale (x - centre).
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "common/isa.h"

namespace visionops {
namespace VISIONOPS_ISA {
namespace {

struct Normalization {
  double scale = 1, cx = 0, cy = 0;
  double square = 0;  // the mean squared distance; 0 where the scale is a constant

  // Of points (n, 2) and the share of each.
  void find(const double* points, const double* shares, int n) {
    for (int i = 0; i < n; ++i) {
      cx += shares[i] * points[2 * i];
      cy += shares[i] * points[2 * i + 1];
    }
    for (int i = 0; i < n; ++i) {
      const double x = points[2 * i] - cx, y = points[2 * i + 1] - cy;
      square += shares[i] * (x * x + y * y);
    }
    // Below this the spread is rounding of the coordinates themselves.
    const double floor = 8 * std::numeric_limits<double>::epsilon() * std::max(std::fabs(cx), std::fabs(cy));
    square = square > floor * floor ? square : 0;
    scale = square > 0 ? std::sqrt(2 / square) : 1;
  }

  void apply(const double* p, double* out) const {
    out[0] = scale * (p[0] - cx);
    out[1] = scale * (p[1] - cy);
    out[2] = 1;
  }

  // T v of the map T, T^T v, T^-1 v, T^-T v
  void map(const double* v, double* out) const {
    out[0] = scale * (v[0] - cx * v[2]);
    out[1] = scale * (v[1] - cy * v[2]);
    out[2] = v[2];
  }
  void map_transposed(const double* v, double* out) const {
    out[0] = scale * v[0];
    out[1] = scale * v[1];
    out[2] = v[2] - scale * (cx * v[0] + cy * v[1]);
  }
  void map_inverse(const double* v, double* out) const {
    out[0] = v[0] / scale + cx * v[2];
    out[1] = v[1] / scale + cy * v[2];
    out[2] = v[2];
  }
  void map_inverse_transposed(const double* v, double* out) const {
    out[0] = v[0] / scale;
    out[1] = v[1] / scale;
    out[2] = v[2] + cx * v[0] + cy * v[1];
  }
};

// The gradient of what a normalization was used for, on the way to its points and shares.
struct NormalizationGradient {
  double scale = 0, cx = 0, cy = 0;

  // Of the map T, and of its inverse.
  void by_map(const Normalization& t, const double* g) {
    scale += g[0] + g[4] - t.cx * g[2] - t.cy * g[5];
    cx -= t.scale * g[2];
    cy -= t.scale * g[5];
  }
  void by_inverse(const Normalization& t, const double* g) {
    scale -= (g[0] + g[4]) / (t.scale * t.scale);
    cx += g[2];
    cy += g[5];
  }

  // Turns gradients of normalized points (n, 2) into those of points, and adds those of the shares.
  void pull(const Normalization& t, const double* points, const double* shares, int n, double* grads, double* by_shares) {
    for (int i = 0; i < n; ++i) {
      const double gx = grads[2 * i], gy = grads[2 * i + 1];
      scale += gx * (points[2 * i] - t.cx) + gy * (points[2 * i + 1] - t.cy);
      cx -= t.scale * gx;
      cy -= t.scale * gy;
    }
    const double by_square = t.square > 0 ? -scale * t.scale / (2 * t.square) : 0;
    for (int i = 0; i < n; ++i) {
      const double x = points[2 * i] - t.cx, y = points[2 * i + 1] - t.cy;
      grads[2 * i] = t.scale * grads[2 * i] + shares[i] * (2 * by_square * x + cx);
      grads[2 * i + 1] = t.scale * grads[2 * i + 1] + shares[i] * (2 * by_square * y + cy);
      by_shares[i] += by_square * (x * x + y * y) + cx * points[2 * i] + cy * points[2 * i + 1];
    }
  }
};

using Map = void (Normalization::*)(const double*, double*) const;

// out = left(f) right(f)^T: one map on the columns, another on the rows.
template <Map left, Map right>
void map_both(const Normalization& two, const Normalization& one, const double* f, double* out) {
  double half[9];
  for (int i = 0; i < 3; ++i) (one.*right)(f + 3 * i, half + 3 * i);
  for (int j = 0; j < 3; ++j) {
    const double column[3] = {half[j], half[3 + j], half[6 + j]};
    double mapped[3];
    (two.*left)(column, mapped);
    for (int i = 0; i < 3; ++i) out[3 * i + j] = mapped[i];
  }
}

}  // namespace
}  // namespace VISIONOPS_ISA
}  // namespace visionops
