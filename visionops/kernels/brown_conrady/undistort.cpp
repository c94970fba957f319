// Normalised coordinates of pixels, by Newton's method, and the adjoint by the implicit function theorem.
#include "brown_conrady/lens.h"
#include "common/isa.h"

namespace visionops {
namespace VISIONOPS_ISA {
namespace {

// As in `visionops.geometry.cameras.newton`.
constexpr int ITERATIONS = 10;
constexpr double LONGEST = 100, TOLERANCE = 1e-8;

// How a result is, its third number: an answer, the edge of the domain, or no number at all.
constexpr double FOUND = 1, EDGE = 0, UNKNOWN = -1;

// From pixels to the plane: the inverse of a lens's matrix, about where the centre goes.
struct Back {
  Lanes centre_u, centre_v, m[9];
  Mask regular;

  explicit Back(const Lens& lens) {
    const Lanes *const c = lens.plane + 6;
    centre_u = lens.plane[2];
    centre_v = lens.plane[5];
    Lanes a[3], b[3];
    for (int i = 0; i < 3; ++i) {
      a[i] = lens.plane[i] - centre_u * c[i];
      b[i] = lens.plane[3 + i] - centre_v * c[i];
    }
    cross(b, c, m);
    cross(c, a, m + 1);
    cross(a, b, m + 2);
    regular = m[8] != 0;
    const Lanes scale = 1 / (regular ? m[8] : ONE), last = regular ? ONE : m[8];
    for (Lanes& entry : m) entry *= scale;
    m[8] = last;
  }

  // Returns which pixels are on the centre's side of the horizon.
  Mask map(const Lanes& u, const Lanes& v, Lanes& x, Lanes& y) const {
    const Lanes du = u - centre_u, dv = v - centre_v, w = m[6] * du + m[7] * dv + m[8];
    const Mask ahead = w > LEAST;
    const Lanes inverse = 1 / (ahead ? w : NOTHING + LEAST);
    x = (m[0] * du + m[1] * dv + m[2]) * inverse;
    y = (m[3] * du + m[4] * dv + m[5]) * inverse;
    return ahead & regular;
  }

 private:
  // A column of a matrix.
  static void cross(const Lanes* a, const Lanes* b, Lanes* out) {
    out[0] = a[1] * b[2] - a[2] * b[1];
    out[3] = a[2] * b[0] - a[0] * b[2];
    out[6] = a[0] * b[1] - a[1] * b[0];
  }
};

inline Lanes clamped(const Lanes& x) {
  const Lanes low = x < -LONGEST ? NOTHING - LONGEST : x;
  return low > LONGEST ? NOTHING + LONGEST : low;
}

// Moves x, y from a start to what the lens sends to mx, my; returns where it got there inside the domain.
Mask newton(const Lens& lens, const Lanes& end, const Lanes& mx, const Lanes& my, Lanes& x, Lanes& y) {
  Mask small, inside;
  for (int i = 0; i < ITERATIONS; ++i) {
    Bend bend;
    bend.set<true>(lens, x, y);
    bend.differentiate(lens);
    const Lanes du = bend.x - mx, dv = bend.y - my, determinant = bend.xa * bend.yb - bend.xb * bend.ya;
    const Mask regular = determinant > 0;
    const Lanes scale = (regular ? ONE : NOTHING) / (regular ? determinant : ONE);
    const Lanes dx = clamped(scale * (bend.yb * du - bend.xb * dv)), dy = clamped(scale * (bend.xa * dv - bend.ya * du));
    x -= dx;
    y -= dy;
    small = (size_of(dx) <= TOLERANCE) & (size_of(dy) <= TOLERANCE);
    inside = regular & bend.grows() & (bend.s < end);
    if (all(small)) break;
  }
  return small & inside;
}

// Undistorted is close to distorted, mostly; where that is no start, the table's is, which stays where that fails too.
Mask solve(const Lens& lens, const Table& table, const Lanes& mx, const Lanes& my, Lanes& x, Lanes& y) {
  x = mx;
  y = my;
  const Mask first = newton(lens, table.end, mx, my, x, y);
  if (all(first)) return first;
  Lanes ratio = ONE;
  for (int l = 0; l < WIDTH; ++l) {
    const double target = std::hypot(mx[l], my[l]);
    if (!first[l] && target > 0) ratio[l] = table.look_up(l, target) / target;
  }
  const Lanes edge_x = ratio * mx, edge_y = ratio * my;
  Lanes again_x = edge_x, again_y = edge_y;
  const Mask second = newton(lens, table.end, mx, my, again_x, again_y);
  x = first ? x : second ? again_x : edge_x;
  y = first ? y : second ? again_y : edge_y;
  return first | second;
}

template <class T>
void undistort(const BrownConrady& job, int64_t begin, int64_t end) {
  Lens lens;
  Table table;
  for (int64_t i = begin; i < end; ++i) {
    const Strip strip(job, i);
    lens.read<T>(job, strip);
    table.set(lens);
    const Back back(lens);
    for (int64_t group = 0; group < strip.groups; ++group) {
      Lanes pixel[2], mx, my, out[3];
      strip.read<2, T>(job.places, group, pixel);
      const Mask good = patch<2>(pixel) & lens.sound;
      const Mask ahead = back.map(pixel[0], pixel[1], mx, my);
      mx = good ? mx : NOTHING;
      my = good ? my : NOTHING;
      const Mask found = solve(lens, table, mx, my, out[0], out[1]) & ahead;
      out[2] = good ? (found ? NOTHING + FOUND : NOTHING + EDGE) : NOTHING + UNKNOWN;
      strip.write<3, T>(out, group, job.out);
    }
  }
}

// Where pixel(a, b) = given, d(a, b) = J^-1 (d given - d pixel), J the Jacobian of `project` at z = 1.
template <class T>
void adjoint(const BrownConrady& job, const BrownConradyGradients& to, int64_t begin, int64_t end) {
  Lens lens;
  for (int64_t i = begin; i < end; ++i) {
    const Strip strip(job, i);
    lens.read<T>(job, strip);
    const Lanes* const p = lens.plane;
    Sums sums;
    for (int64_t group = 0; group < strip.groups; ++group) {
      Lanes at[3], g[3];
      strip.read<3, T>(to.solution, group, at);
      strip.read<3, T>(to.grad, group, g);
      Mask counts = at[2] == FOUND;
      for (int l = strip.used(group); l < WIDTH; ++l) counts[l] = 0;
      Bend bend;
      Pixel pixel;
      bend.set<true>(lens, at[0], at[1]);
      bend.differentiate(lens);
      pixel.set(lens, bend.x, bend.y);
      // Of u and v by the plane's x and y, times w.
      const Lanes ux = p[0] - pixel.u * p[6], uy = p[1] - pixel.u * p[7];
      const Lanes vx = p[3] - pixel.v * p[6], vy = p[4] - pixel.v * p[7];
      const Lanes ua = ux * bend.xa + uy * bend.ya, ub = ux * bend.xb + uy * bend.yb;
      const Lanes va = vx * bend.xa + vy * bend.ya, vb = vx * bend.xb + vy * bend.yb;
      const Lanes determinant = ua * vb - ub * va, scale = 1 / (counts ? determinant : ONE);
      // What a pixel's motion, divided by w, pulls with.
      const Lanes by_u = counts ? (vb * g[0] - va * g[1]) * scale : NOTHING;
      const Lanes by_v = counts ? (ua * g[1] - ub * g[0]) * scale : NOTHING;
      if (to.sums()) {
        const Lanes by_w = by_u * pixel.u + by_v * pixel.v;
        sums.add(lens, bend, -by_u, -by_v, by_w, by_w * p[6] - by_u * p[0] - by_v * p[3],
                 by_w * p[7] - by_u * p[1] - by_v * p[4]);
      }
      if (to.by_places) {
        const Lanes w = 1 / pixel.inverse, out[2] = {by_u * w, by_v * w};
        strip.write<2, T>(out, group, to.by_places);
      }
    }
    if (to.sums()) sums.write(job, lens, strip, i, to);
  }
}

}  // namespace

void undistort_strips(const BrownConrady& job, int64_t begin, int64_t end) {
  (job.doubles ? undistort<double> : undistort<float>)(job, begin, end);
}

void undistort_adjoint_strips(const BrownConrady& job, const BrownConradyGradients& to, int64_t begin, int64_t end) {
  (job.doubles ? adjoint<double> : adjoint<float>)(job, to, begin, end);
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
