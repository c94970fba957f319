// Pixels of points, which of them count, and the adjoint.
#include "brown_conrady/lens.h"
#include "common/isa.h"

namespace visionops {
namespace VISIONOPS_ISA {
namespace {

// A point, before the lens: a = x / depth and b = y / depth.
struct Point {
  Lanes a, b, inverse;
  Mask good, ahead, free;  // finite; in front; z is the depth

  template <class T>
  void read(const BrownConrady& job, const Strip& strip, int64_t group) {
    Lanes p[3];
    strip.read<3, T>(job.places, group, p);
    good = patch<3>(p);
    const Lanes size = size_of(p[0]) + size_of(p[1]) + size_of(p[2]);
    const Lanes least = size > 0 ? size * (1 / REACH) : ONE;
    const Lanes depth = larger(p[2], least);
    ahead = p[2] > least;
    free = depth == p[2];
    inverse = 1 / depth;
    a = p[0] * inverse;
    b = p[1] * inverse;
  }
};

template <class T>
void project(const BrownConrady& job, int64_t begin, int64_t end) {
  Lens lens;
  for (int64_t i = begin; i < end; ++i) {
    const Strip strip(job, i);
    lens.read<T>(job, strip);
    for (int64_t group = 0; group < strip.groups; ++group) {
      Point point;
      Bend bend;
      Pixel pixel;
      point.read<T>(job, strip, group);
      bend.set(lens, point.a, point.b);
      pixel.set(lens, bend.x, bend.y);
      const Mask good = point.good & lens.sound;
      const Lanes out[2] = {good ? pixel.u : NOTHING + NOT_A_NUMBER, good ? pixel.v : NOTHING + NOT_A_NUMBER};
      strip.write<2, T>(out, group, job.out);
    }
  }
}

template <class T>
void see(const BrownConrady& job, int64_t begin, int64_t end) {
  Lens lens;
  Table table;
  for (int64_t i = begin; i < end; ++i) {
    const Strip strip(job, i);
    lens.read<T>(job, strip);
    table.set(lens);
    for (int64_t group = 0; group < strip.groups; ++group) {
      Point point;
      Bend bend;
      Pixel pixel;
      point.read<T>(job, strip, group);
      bend.set(lens, point.a, point.b);
      pixel.set(lens, bend.x, bend.y);
      bend.differentiate(lens);
      const Mask seen = point.good & lens.sound & point.ahead & pixel.ahead & bend.grows() & (bend.s < table.end);
      const Lanes out = seen ? ONE : NOTHING;
      strip.write<1, uint8_t>(&out, group, job.out);
    }
  }
}

template <class T>
void adjoint(const BrownConrady& job, const BrownConradyGradients& to, int64_t begin, int64_t end) {
  Lens lens;
  for (int64_t i = begin; i < end; ++i) {
    const Strip strip(job, i);
    lens.read<T>(job, strip);
    const Lanes* const p = lens.plane;
    Sums sums;
    for (int64_t group = 0; group < strip.groups; ++group) {
      Point point;
      Bend bend;
      Pixel pixel;
      Lanes g[2];
      point.read<T>(job, strip, group);
      bend.set(lens, point.a, point.b);
      pixel.set(lens, bend.x, bend.y);
      bend.differentiate(lens);
      strip.read<2, T>(to.grad, group, g);
      Mask counts = point.good & lens.sound;
      for (int l = strip.used(group); l < WIDTH; ++l) counts[l] = 0;
      const Lanes by_u = counts ? g[0] * pixel.inverse : NOTHING, by_v = counts ? g[1] * pixel.inverse : NOTHING;
      const Lanes by_w = pixel.held ? NOTHING : -(by_u * pixel.u + by_v * pixel.v);
      const Lanes by_x = by_u * p[0] + by_v * p[3] + by_w * p[6], by_y = by_u * p[1] + by_v * p[4] + by_w * p[7];
      if (to.sums()) sums.add(lens, bend, by_u, by_v, by_w, by_x, by_y);
      if (to.by_places) {
        const Lanes by_a = by_x * bend.xa + by_y * bend.ya, by_b = by_x * bend.xb + by_y * bend.yb;
        const Lanes by_depth = -(by_a * point.a + by_b * point.b) * point.inverse;
        const Lanes out[3] = {by_a * point.inverse, by_b * point.inverse, point.free ? by_depth : NOTHING};
        strip.write<3, T>(out, group, to.by_places);
      }
    }
    if (to.sums()) sums.write(job, lens, strip, i, to);
  }
}

}  // namespace

void project_strips(const BrownConrady& job, int64_t begin, int64_t end) {
  (job.doubles ? project<double> : project<float>)(job, begin, end);
}

void see_strips(const BrownConrady& job, int64_t begin, int64_t end) {
  (job.doubles ? see<double> : see<float>)(job, begin, end);
}

void project_adjoint_strips(const BrownConrady& job, const BrownConradyGradients& to, int64_t begin, int64_t end) {
  (job.doubles ? adjoint<double> : adjoint<float>)(job, to, begin, end);
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
