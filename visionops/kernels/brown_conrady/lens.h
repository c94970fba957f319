// Eight points, each with the lens of its camera.
#pragma once

#include <array>
#include <cmath>
#include <limits>

#include "brown_conrady/brown_conrady.h"

// All of it is inlined, so that how vectors would be passed does not matter.
#pragma GCC diagnostic ignored "-Wpsabi"

namespace visionops {
namespace VISIONOPS_ISA {
namespace {

typedef double Lanes __attribute__((vector_size(WIDTH * sizeof(double))));
typedef int64_t Mask __attribute__((vector_size(WIDTH * sizeof(int64_t))));

// As in `visionops.geometry.cameras`: the least homogeneous w, and the least depth of |x| + |y| + |z|.
constexpr double LEAST = 1e-6, REACH = 100;
constexpr double INFINITE = std::numeric_limits<double>::infinity();
constexpr double NOT_A_NUMBER = std::numeric_limits<double>::quiet_NaN();
constexpr Lanes NOTHING = {};
constexpr Lanes ONE = {1, 1, 1, 1, 1, 1, 1, 1};

inline Lanes size_of(const Lanes& x) { return x < 0 ? -x : x; }
inline Lanes larger(const Lanes& x, const Lanes& y) { return x > y ? x : y; }
inline bool all(const Mask& mask) {
  int64_t both = -1;
  for (int l = 0; l < WIDTH; ++l) both &= mask[l];
  return both != 0;
}

// Numbers a step apart; beyond `used` the last of them again.
template <class T>
[[gnu::always_inline]] inline Lanes gathered(const T* from, int64_t step, int used = WIDTH) {
  if (used == WIDTH)
    return Lanes{static_cast<double>(from[0]),        static_cast<double>(from[step]),
                 static_cast<double>(from[2 * step]), static_cast<double>(from[3 * step]),
                 static_cast<double>(from[4 * step]), static_cast<double>(from[5 * step]),
                 static_cast<double>(from[6 * step]), static_cast<double>(from[7 * step])};
  Lanes values;
  for (int l = 0; l < WIDTH; ++l) values[l] = static_cast<double>(from[std::min(l, used - 1) * step]);
  return values;
}

template <class T>
inline void scatter(const Lanes& values, T* to, int64_t step, int used) {
  if (used == WIDTH)
    for (int l = 0; l < WIDTH; ++l) to[l * step] = static_cast<T>(values[l]);
  else
    for (int l = 0; l < used; ++l) to[l * step] = static_cast<T>(values[l]);
}

// The groups of eight points of a strip.
struct Strip {
  int64_t camera, first, lane_step, group_step, groups, points;
  bool across;
  int cameras;

  Strip(const BrownConrady& job, int64_t strip) : across(job.across()) {
    if (across) {
      camera = strip * WIDTH;
      cameras = static_cast<int>(std::min<int64_t>(WIDTH, job.batch - camera));
      first = camera * job.points;
      lane_step = points = groups = job.points;
      group_step = 1;
    } else {
      const int64_t parts = job.strips_of_camera(), begin = strip % parts * BrownConrady::STRETCH;
      camera = strip / parts;
      cameras = 1;
      first = camera * job.points + begin;
      points = std::min(BrownConrady::STRETCH, job.points - begin);
      groups = (points + WIDTH - 1) / WIDTH;
      lane_step = 1;
      group_step = WIDTH;
    }
  }

  int used(int64_t group) const {
    return across ? cameras : static_cast<int>(std::min<int64_t>(WIDTH, points - group * WIDTH));
  }

  // Reads and writes D numbers of each point of a group.
  template <int D, class T>
  void read(const void* from, int64_t group, Lanes* values) const {
    const T* const at = static_cast<const T*>(from) + (first + group * group_step) * D;
    for (int d = 0; d < D; ++d) values[d] = gathered(at + d, lane_step * D, used(group));
  }
  template <int D, class T>
  void write(const Lanes* values, int64_t group, void* to) const {
    T* const at = static_cast<T*>(to) + (first + group * group_step) * D;
    for (int d = 0; d < D; ++d) scatter(values[d], at + d, lane_step * D, used(group));
  }
};

// The places of k1 k2 p1 p2 k3 k4 k5 k6 s1 s2 s3 s4 tx ty.
enum { K1, K2, P1, P2, K3, K4, K5, K6, S1, S2, S3, S4, TX, TY };

struct Lens {
  Lanes matrix[9], k[LARGEST_LENS];
  Lanes plane[9];  // K times the tilt, over its last entry where that is not 0
  Lanes scale;     // one over that entry, or 1
  Lanes sx, cx, sy, cy;
  Mask regular, sound;
  bool rational, prism, tilted;
  bool affine;  // w is 1 everywhere

  template <class T>
  void read(const BrownConrady& job, const Strip& strip) {
    rational = job.coefficients >= 8;
    prism = job.coefficients >= 12;
    tilted = job.coefficients >= 14;
    Lanes taint = NOTHING;
    const T* const of_matrix = static_cast<const T*>(job.matrices) + strip.camera * job.matrix_step;
    const T* const of_lens = static_cast<const T*>(job.distortions) + strip.camera * job.distortion_step;
    const int used = strip.across ? strip.cameras : WIDTH;
    for (int i = 0; i < 9; ++i) {
      matrix[i] = gathered(of_matrix + i, strip.across ? job.matrix_step : 0, used);
      taint += 0 * matrix[i];
    }
    for (int i = 0; i < LARGEST_LENS; ++i) {
      k[i] = i < job.coefficients ? gathered(of_lens + i, strip.across ? job.distortion_step : 0, used) : NOTHING;
      taint += 0 * k[i];
    }
    sound = taint == 0;
    if (!all(sound)) {
      for (Lanes& value : matrix) value = 0 * value == 0 ? value : NOTHING;
      for (Lanes& value : k) value = 0 * value == 0 ? value : NOTHING;
    }
    to_plane();
  }

  void to_plane() {
    std::copy(matrix, matrix + 9, plane);
    if (tilted) {
      for (int l = 0; l < WIDTH; ++l) {
        sx[l] = std::sin(k[TX][l]);
        cx[l] = std::cos(k[TX][l]);
        sy[l] = std::sin(k[TY][l]);
        cy[l] = std::cos(k[TY][l]);
      }
      // The tilt is [cx 0 0; -sx sy, cy 0; sy, -cy sx, cy cx].
      for (int i = 0; i < 9; i += 3) {
        const Lanes* const row = matrix + i;
        plane[i] = row[0] * cx - row[1] * sx * sy + row[2] * sy;
        plane[i + 1] = row[1] * cy - row[2] * cy * sx;
        plane[i + 2] = row[2] * cy * cx;
      }
    }
    regular = plane[8] != 0;
    scale = 1 / (regular ? plane[8] : ONE);
    const Lanes last = regular ? ONE : plane[8];
    for (Lanes& entry : plane) entry *= scale;
    plane[8] = last;
    affine = all(regular & (plane[6] == 0) & (plane[7] == 0));
  }
};

// What the lens makes of a, b.
struct Bend {
  Lanes a, b, s, bottom, inverse, c, factor, along_x, along_y, x, y;
  Lanes slope, xa, xb, ya, yb;  // after `differentiate`: of c by s, and of x, y by a, b

  // Guarded, a denominator that is not positive counts as 1.
  template <bool GUARDED = false>
  void set(const Lens& lens, const Lanes& at_a, const Lanes& at_b) {
    const Lanes* const k = lens.k;
    a = at_a;
    b = at_b;
    s = a * a + b * b;
    c = 1 + s * (k[K1] + s * (k[K2] + s * k[K3]));
    bottom = inverse = ONE;
    if (lens.rational) {
      bottom = 1 + s * (k[K4] + s * (k[K5] + s * k[K6]));
      inverse = 1 / (GUARDED ? (bottom > 0 ? bottom : ONE) : bottom);
      c *= inverse;
    }
    factor = c + 2 * (k[P1] * b + k[P2] * a);
    along_x = k[P2];
    along_y = k[P1];
    if (lens.prism) {
      along_x += k[S1] + k[S2] * s;
      along_y += k[S3] + k[S4] * s;
    }
    x = a * factor + along_x * s;
    y = b * factor + along_y * s;
  }

  void differentiate(const Lens& lens) {
    const Lanes* const k = lens.k;
    slope = k[K1] + s * (2 * k[K2] + s * (3 * k[K3]));
    if (lens.rational) slope = (slope - c * (k[K4] + s * (2 * k[K5] + s * (3 * k[K6])))) * inverse;
    const Lanes by_a = 2 * (slope * a + k[P2]), by_b = 2 * (slope * b + k[P1]);
    Lanes turn_x = along_x, turn_y = along_y;
    if (lens.prism) {
      turn_x += k[S2] * s;
      turn_y += k[S4] * s;
    }
    turn_x *= 2;
    turn_y *= 2;
    xa = factor + a * by_a + turn_x * a;
    xb = a * by_b + turn_x * b;
    ya = b * by_a + turn_y * a;
    yb = factor + b * by_b + turn_y * b;
  }

  // Whether the radial part grows here.
  Mask grows() const { return (bottom > 0) & (c + 2 * s * slope > 0); }
};

// The pixel of a place in the plane.
struct Pixel {
  Lanes u, v, inverse;  // one over w
  Mask held, ahead;     // w is at its least; on the origin's side of the horizon

  void set(const Lens& lens, const Lanes& x, const Lanes& y) {
    const Lanes* const p = lens.plane;
    u = p[0] * x + p[1] * y + p[2];
    v = p[3] * x + p[4] * y + p[5];
    held = Mask{};
    inverse = ONE;
    if (!lens.affine) {
      const Lanes w = p[6] * x + p[7] * y + p[8];
      held = ~(w > LEAST);
      inverse = 1 / (held ? NOTHING + LEAST : w);
      u *= inverse;
      v *= inverse;
    }
    ahead = ~held & lens.regular;
  }
};

// Gradients by a lens, summed over points.
struct Sums {
  Lanes plane[9] = {}, k[LARGEST_LENS] = {};

  // Adds those of a pixel's gradient, which is 0 where it does not count.
  void add(const Lens& lens, const Bend& bend, const Lanes& by_u, const Lanes& by_v, const Lanes& by_w,
           const Lanes& by_x, const Lanes& by_y) {
    const Lanes by_row[3] = {by_u, by_v, by_w};
    for (int i = 0; i < 3; ++i) {
      plane[3 * i] += by_row[i] * bend.x;
      plane[3 * i + 1] += by_row[i] * bend.y;
      plane[3 * i + 2] += by_row[i];
    }
    const Lanes s = bend.s, ab = 2 * bend.a * bend.b;
    Lanes power = (by_x * bend.a + by_y * bend.b) * bend.inverse;
    for (const int i : {K1, K2, K3}) {
      power *= s;
      k[i] += power;
      if (lens.rational) k[i == K3 ? K6 : K4 + i] -= bend.c * power;
    }
    k[P1] += by_x * ab + by_y * (s + 2 * bend.b * bend.b);
    k[P2] += by_x * (s + 2 * bend.a * bend.a) + by_y * ab;
    if (lens.prism) {
      k[S1] += by_x * s;
      k[S2] += by_x * s * s;
      k[S3] += by_y * s;
      k[S4] += by_y * s * s;
    }
  }

  // Writes those by K and the coefficients.
  void write(const BrownConrady& job, const Lens& lens, const Strip& strip, int64_t index,
             const BrownConradyGradients& to) {
    Lanes by_plane[9], by_matrix[9], along = NOTHING;
    for (int i = 0; i < 9; ++i) {
      by_plane[i] = plane[i] * lens.scale;
      along += plane[i] * lens.plane[i];
    }
    by_plane[8] -= lens.regular ? along * lens.scale : NOTHING;
    std::copy(by_plane, by_plane + 9, by_matrix);
    if (lens.tilted) {
      const Lanes &sx = lens.sx, &cx = lens.cx, &sy = lens.sy, &cy = lens.cy;
      k[TX] = k[TY] = NOTHING;
      for (int i = 0; i < 9; i += 3) {
        const Lanes *const g = by_plane + i, *const m = lens.matrix + i;
        by_matrix[i] = g[0] * cx;
        by_matrix[i + 1] = g[1] * cy - g[0] * sx * sy;
        by_matrix[i + 2] = g[0] * sy - g[1] * cy * sx + g[2] * cy * cx;
        k[TX] -= g[0] * (m[0] * sx + m[1] * cx * sy) + m[2] * (g[1] * cy * cx + g[2] * cy * sx);
        k[TY] += g[0] * (m[2] * cy - m[1] * sx * cy) + g[1] * (m[2] * sy * sx - m[1] * sy) - g[2] * m[2] * sy * cx;
      }
    }
    write_rows(by_matrix, 9, strip, index, to.by_matrix);
    write_rows(k, job.coefficients, strip, index, to.by_distortion);
  }

 private:
  static void write_rows(const Lanes* values, int width, const Strip& strip, int64_t index, const Rows& to) {
    if (to.doubles)
      write_rows_as<double>(values, width, strip, index, to.to);
    else
      write_rows_as<float>(values, width, strip, index, to.to);
  }

  template <class T>
  static void write_rows_as(const Lanes* values, int width, const Strip& strip, int64_t index, void* to) {
    if (to == nullptr) return;
    T* const row = static_cast<T*>(to) + (strip.across ? strip.camera : index) * width;
    for (int i = 0; i < width; ++i) {
      if (strip.across) {
        scatter(values[i], row + i, width, strip.cameras);
      } else {
        double total = 0;
        for (int l = 0; l < WIDTH; ++l) total += values[i][l];
        row[i] = static_cast<T>(total);
      }
    }
  }
};

// Nodes from the axis to the reach of a lens, and its radial function there while it grows.
constexpr int NODES = 64;

struct Table {
  Lanes values[NODES];  // infinite after the fold
  Lanes end;            // the squared radius of the first node there

  static const std::array<double, NODES>& nodes() {
    static const std::array<double, NODES> radii = [] {
      std::array<double, NODES> r;
      for (int i = 0; i < NODES; ++i) r[i] = std::tan(std::atan(REACH) * i / (NODES - 1));
      return r;
    }();
    return radii;
  }

  void set(const Lens& lens) {
    const std::array<double, NODES>& radii = nodes();
    const Lanes* const k = lens.k;
    const Lanes never = NOTHING + INFINITE;
    Mask on = ONE > 0;
    end = never;
    for (int i = 0; i < NODES; ++i) {
      const double r = radii[i], s = r * r;
      Lanes c = 1 + s * (k[K1] + s * (k[K2] + s * k[K3])), slope = k[K1] + s * (2 * k[K2] + s * (3 * k[K3]));
      Mask grows = ONE > 0;
      if (lens.rational) {
        const Lanes bottom = 1 + s * (k[K4] + s * (k[K5] + s * k[K6]));
        grows = bottom > 0;
        const Lanes inverse = 1 / (grows ? bottom : ONE);
        c *= inverse;
        slope = (slope - c * (k[K4] + s * (2 * k[K5] + s * (3 * k[K6])))) * inverse;
      }
      grows &= c + 2 * s * slope > 0;
      end = on & ~grows ? NOTHING + s : end;
      on &= grows;
      values[i] = on ? r * c : never;
    }
  }

  // The radius where the function of a lane reaches a target, within a cell; the last node beyond that.
  double look_up(int lane, double target) const {
    int low = 0, high = NODES;  // values[low] <= target < values[high]: the first is 0
    while (high - low > 1) {
      const int middle = (low + high) / 2;
      (values[middle][lane] <= target ? low : high) = middle;
    }
    while (low > 0 && values[low][lane] == INFINITE) --low;
    const double r = nodes()[low];
    if (low + 1 == NODES || values[low + 1][lane] == INFINITE) return r;
    const double rise = values[low + 1][lane] - values[low][lane];
    return r + (target - values[low][lane]) * ((nodes()[low + 1] - r) / rise);
  }
};

// Where points are finite; others become 0.
template <int D>
inline Mask patch(Lanes* values) {
  Lanes taint = NOTHING;
  for (int d = 0; d < D; ++d) taint += 0 * values[d];
  const Mask good = taint == 0;
  for (int d = 0; d < D; ++d) values[d] = good ? values[d] : NOTHING;
  return good;
}

}  // namespace
}  // namespace VISIONOPS_ISA
}  // namespace visionops
