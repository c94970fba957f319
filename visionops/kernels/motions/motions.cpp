#include "motions/motions.h"

#include <cmath>
#include <limits>

#include "common/isa.h"

namespace visionops {
namespace VISIONOPS_ISA {
namespace {

constexpr double NOT_A_NUMBER = std::numeric_limits<double>::quiet_NaN();

struct Vector {
  double x, y, z;
};

inline Vector operator+(const Vector& a, const Vector& b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
inline Vector operator*(double s, const Vector& a) { return {s * a.x, s * a.y, s * a.z}; }
inline double dot(const Vector& a, const Vector& b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
inline Vector cross(const Vector& a, const Vector& b) {
  return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}

// A rotation and a shift, or their gradients.
struct Motion {
  double r[3][3];
  Vector t;
};

// c_n of s = theta^2: cos, sin / theta, (1 - cos) / theta^2, ... up to n = 5.
struct Stumpff {
  double c[6];

  explicit Stumpff(double s) {
    if (s < 1) {
      // Twelve terms each, the last under 1e-25.
      double term4 = 1.0 / 24, term5 = 1.0 / 120;
      c[4] = c[5] = 0;
      for (int k = 0; k < 12; ++k) {
        c[4] += term4;
        c[5] += term5;
        term4 *= -s / ((2 * k + 5) * (2 * k + 6));
        term5 *= -s / ((2 * k + 6) * (2 * k + 7));
      }
      c[3] = 1.0 / 6 - s * c[5];
      c[2] = 0.5 - s * c[4];
      c[1] = 1 - s * c[3];
      c[0] = 1 - s * c[2];
    } else {
      const double theta = std::sqrt(s);
      c[0] = std::cos(theta);
      c[1] = std::sin(theta) / theta;
      c[2] = (1 - c[0]) / s;
      c[3] = (1 - c[1]) / s;
      c[4] = (0.5 - c[2]) / s;
      c[5] = (1.0 / 6 - c[3]) / s;
    }
  }
};

Motion exponential(const Vector& rho, const Vector& phi) {
  const Stumpff f(dot(phi, phi));
  const Vector a = f.c[1] * phi, b = f.c[2] * phi;
  return {{{f.c[0] + b.x * phi.x, b.x * phi.y - a.z, b.x * phi.z + a.y},
           {b.y * phi.x + a.z, f.c[0] + b.y * phi.y, b.y * phi.z - a.x},
           {b.z * phi.x - a.y, b.z * phi.y + a.x, f.c[0] + b.z * phi.z}},
          f.c[1] * rho + cross(b, rho) + (f.c[3] * dot(phi, rho)) * phi};
}

void exponential_adjoint(Vector& rho, Vector& phi, const Motion& g) {
  const Stumpff f(dot(phi, phi));
  const double* const c = f.c;
  const Vector skew = {g.r[2][1] - g.r[1][2], g.r[0][2] - g.r[2][0], g.r[1][0] - g.r[0][1]};
  const Vector left = {g.r[0][0] * phi.x + g.r[0][1] * phi.y + g.r[0][2] * phi.z,
                       g.r[1][0] * phi.x + g.r[1][1] * phi.y + g.r[1][2] * phi.z,
                       g.r[2][0] * phi.x + g.r[2][1] * phi.y + g.r[2][2] * phi.z};
  const Vector right = {g.r[0][0] * phi.x + g.r[1][0] * phi.y + g.r[2][0] * phi.z,
                        g.r[0][1] * phi.x + g.r[1][1] * phi.y + g.r[2][1] * phi.z,
                        g.r[0][2] * phi.x + g.r[1][2] * phi.y + g.r[2][2] * phi.z};
  const double along = dot(phi, rho), pull = dot(g.t, phi);
  // c_n' = (n c_(n+2) - c_(n+1)) / 2, and s = phi . phi
  const double by_c0 = g.r[0][0] + g.r[1][1] + g.r[2][2], by_c1 = dot(skew, phi) + dot(g.t, rho);
  const double by_c2 = dot(phi, left) + dot(g.t, cross(phi, rho)), by_c3 = along * pull;
  const double twice_by_s =
      -by_c0 * c[1] + by_c1 * (c[3] - c[2]) + by_c2 * (2 * c[4] - c[3]) + by_c3 * (3 * c[5] - c[4]);
  const Vector by_phi = c[1] * skew + c[2] * (left + right + cross(rho, g.t)) +
                        c[3] * (pull * rho + along * g.t) + twice_by_s * phi;
  rho = c[1] * g.t + c[2] * cross(g.t, phi) + (c[3] * pull) * phi;
  phi = by_phi;
}

// g = atan(t) / t = 1 - z h of z = t^2 up to 1, and the derivatives of g and h by z.
struct Arctangent {
  double g, h, slope_g, slope_h;

  explicit Arctangent(double z) {
    if (z < 0.04) {
      // Sixteen terms, the last under 1e-23.
      double power = 1;
      h = slope_h = 0;
      for (int k = 0; k < 16; ++k) {
        h += power / (2 * k + 3);
        slope_h -= (k + 1) * power / (2 * k + 5);
        power *= -z;
      }
      g = 1 - z * h;
    } else {
      const double t = std::sqrt(z);
      g = std::atan(t) / t;
      h = (1 - g) / z;
    }
    slope_g = (h - 1 / (1 + z)) / 2;
    if (z >= 0.04) slope_h = -(h + slope_g) / z;
  }
};

// The column of 4 q q^T, which is linear in R, of the largest diagonal, with w >= 0.
struct Column {
  int at;
  double sign, w;
  Vector v;

  explicit Column(const double (&r)[3][3]) {
    const double diagonal[4] = {1 + r[0][0] + r[1][1] + r[2][2], 1 + r[0][0] - r[1][1] - r[2][2],
                                1 - r[0][0] + r[1][1] - r[2][2], 1 - r[0][0] - r[1][1] + r[2][2]};
    const int low = diagonal[1] > diagonal[0] ? 1 : 0, high = diagonal[3] > diagonal[2] ? 3 : 2;
    at = diagonal[high] > diagonal[low] ? high : low;
    const double x = r[2][1] - r[1][2], y = r[0][2] - r[2][0], z = r[1][0] - r[0][1];
    const double xy = r[0][1] + r[1][0], xz = r[0][2] + r[2][0], yz = r[1][2] + r[2][1];
    if (at == 0) { w = diagonal[0]; v = {x, y, z}; }
    if (at == 1) { w = x; v = {diagonal[1], xy, xz}; }
    if (at == 2) { w = y; v = {xy, diagonal[2], yz}; }
    if (at == 3) { w = z; v = {xz, yz, diagonal[3]}; }
    sign = w < 0 ? -1 : 1;
    w *= sign;
    v = sign * v;
  }

  // Adds the gradient by R of that by w and v.
  void pull(double by_w, Vector by_v, double (&r)[3][3]) const {
    by_w *= sign;
    by_v = sign * by_v;
    double by_diagonal = by_w;
    Vector skew = {0, 0, 0};
    double xy = 0, xz = 0, yz = 0;
    if (at == 0) skew = by_v;
    if (at == 1) { skew.x = by_w; by_diagonal = by_v.x; xy = by_v.y; xz = by_v.z; }
    if (at == 2) { skew.y = by_w; xy = by_v.x; by_diagonal = by_v.y; yz = by_v.z; }
    if (at == 3) { skew.z = by_w; xz = by_v.x; yz = by_v.y; by_diagonal = by_v.z; }
    for (int i = 0; i < 3; ++i) r[i][i] += at == 0 || at == i + 1 ? by_diagonal : -by_diagonal;
    r[2][1] += skew.x + yz;
    r[1][2] += yz - skew.x;
    r[0][2] += skew.y + xz;
    r[2][0] += xz - skew.y;
    r[1][0] += skew.z + xy;
    r[0][1] += xy - skew.z;
  }
};

// phi = 4 g u with u = v / (|q| + w), and k of I - [phi] / 2 + k [phi]^2.
struct Logarithm {
  Column q;
  double length, depth;
  Vector u;
  Arctangent f;
  Vector phi;
  double k;

  explicit Logarithm(const double (&r)[3][3])
      : q(r), length(std::sqrt(q.w * q.w + dot(q.v, q.v))), depth(length + q.w), u((1 / depth) * q.v), f(dot(u, u)),
        phi((4 * f.g) * u), k((f.g + f.h) / (16 * f.g * f.g)) {}

  Vector shift(const Vector& t) const {
    const Vector turn = cross(phi, t);
    return t + -0.5 * turn + k * cross(phi, turn);
  }

  // The gradient of that by phi and by the shift.
  Motion adjoint(const Vector& t, const Vector& by_rho, Vector by_phi) const {
    const Vector turn = cross(phi, t);
    const Vector by_turn = -0.5 * by_rho + k * cross(by_rho, phi);
    const double by_k = dot(by_rho, cross(phi, turn));
    by_phi = by_phi + k * cross(turn, by_rho) + cross(t, by_turn);
    const double scale = 1 / (16 * f.g * f.g);
    const double by_g = 4 * dot(u, by_phi) + by_k * (scale - 2 * k / f.g), by_h = by_k * scale;
    const double by_z = by_g * f.slope_g + by_h * f.slope_h;
    const Vector by_u = (4 * f.g) * by_phi + (2 * by_z) * u;
    const double by_depth = -dot(by_u, u) / depth;
    Motion out = {{{0, 0, 0}, {0, 0, 0}, {0, 0, 0}}, by_rho + cross(by_turn, phi)};
    q.pull(by_depth * (1 + q.w / length), (1 / depth) * by_u + (by_depth / length) * q.v, out.r);
    return out;
  }
};

template <class T>
struct Rows {
  const Motions& job;

  int size() const { return job.rigid ? 4 : 3; }
  int tangents() const { return job.rigid ? 6 : 3; }

  const T* matrix(const void* from, int64_t i) const { return static_cast<const T*>(from) + i * size() * size(); }

  Motion read(const void* from, int64_t i, bool& finite) const {
    const T* const m = matrix(from, i);
    Motion out = {};
    double sum = 0;
    for (int k = 0; k < size() * size(); ++k) sum += 0.0 * m[k];
    finite = sum == 0;
    for (int r = 0; r < 3; ++r)
      for (int c = 0; c < 3; ++c) out.r[r][c] = m[r * size() + c];
    if (job.rigid) out.t = {m[3], m[7], m[11]};
    return out;
  }

  void write(const Motion& value, double last, int64_t i) const {
    T* const m = static_cast<T*>(job.out) + i * size() * size();
    for (int r = 0; r < 3; ++r)
      for (int c = 0; c < 3; ++c) m[r * size() + c] = static_cast<T>(value.r[r][c]);
    if (!job.rigid) return;
    m[3] = static_cast<T>(value.t.x);
    m[7] = static_cast<T>(value.t.y);
    m[11] = static_cast<T>(value.t.z);
    m[12] = m[13] = m[14] = static_cast<T>(last - last);
    m[15] = static_cast<T>(last);
  }

  void read_tangent(const void* from, int64_t i, Vector& rho, Vector& phi) const {
    const T* const v = static_cast<const T*>(from) + i * tangents();
    rho = job.rigid ? Vector{v[0], v[1], v[2]} : Vector{0, 0, 0};
    const T* const turn = v + tangents() - 3;
    phi = {turn[0], turn[1], turn[2]};
  }

  void write_tangent(const Vector& rho, const Vector& phi, int64_t i) const {
    T* v = static_cast<T*>(job.out) + i * tangents();
    if (job.rigid) {
      v[0] = static_cast<T>(rho.x);
      v[1] = static_cast<T>(rho.y);
      v[2] = static_cast<T>(rho.z);
      v += 3;
    }
    v[0] = static_cast<T>(phi.x);
    v[1] = static_cast<T>(phi.y);
    v[2] = static_cast<T>(phi.z);
  }
};

constexpr Vector ZERO = {0, 0, 0};
constexpr Vector UNKNOWN = {NOT_A_NUMBER, NOT_A_NUMBER, NOT_A_NUMBER};
constexpr Motion STILL = {};
constexpr Motion LOST = {{{NOT_A_NUMBER, NOT_A_NUMBER, NOT_A_NUMBER},
                          {NOT_A_NUMBER, NOT_A_NUMBER, NOT_A_NUMBER},
                          {NOT_A_NUMBER, NOT_A_NUMBER, NOT_A_NUMBER}},
                         UNKNOWN};

inline bool finite(const Vector& a, const Vector& b) { return 0 * (a.x + a.y + a.z) + 0 * (b.x + b.y + b.z) == 0; }

template <class T>
void run_exp(const Motions& job, int64_t begin, int64_t end) {
  const Rows<T> rows{job};
  for (int64_t i = begin; i < end; ++i) {
    Vector rho, phi;
    rows.read_tangent(job.in, i, rho, phi);
    const bool good = finite(rho, phi);
    rows.write(good ? exponential(rho, phi) : LOST, good ? 1 : NOT_A_NUMBER, i);
  }
}

template <class T>
void run_exp_adjoint(const Motions& job, int64_t begin, int64_t end) {
  const Rows<T> rows{job};
  for (int64_t i = begin; i < end; ++i) {
    Vector rho, phi;
    bool unused;
    rows.read_tangent(job.in, i, rho, phi);
    if (finite(rho, phi))
      exponential_adjoint(rho, phi, rows.read(job.grad, i, unused));
    else
      rho = phi = ZERO;
    rows.write_tangent(rho, phi, i);
  }
}

template <class T>
void run_log(const Motions& job, int64_t begin, int64_t end) {
  const Rows<T> rows{job};
  for (int64_t i = begin; i < end; ++i) {
    bool good;
    const Motion m = rows.read(job.in, i, good);
    if (!good) {
      rows.write_tangent(UNKNOWN, UNKNOWN, i);
      continue;
    }
    const Logarithm l(m.r);
    rows.write_tangent(l.shift(m.t), l.phi, i);
  }
}

template <class T>
void run_log_adjoint(const Motions& job, int64_t begin, int64_t end) {
  const Rows<T> rows{job};
  for (int64_t i = begin; i < end; ++i) {
    bool good;
    const Motion m = rows.read(job.in, i, good);
    Vector by_rho, by_phi;
    rows.read_tangent(job.grad, i, by_rho, by_phi);
    rows.write(good ? Logarithm(m.r).adjoint(m.t, by_rho, by_phi) : STILL, 0, i);
  }
}

}  // namespace

void exp_motions(const Motions& job, int64_t begin, int64_t end) {
  (job.doubles ? run_exp<double> : run_exp<float>)(job, begin, end);
}

void exp_motions_adjoint(const Motions& job, int64_t begin, int64_t end) {
  (job.doubles ? run_exp_adjoint<double> : run_exp_adjoint<float>)(job, begin, end);
}

void log_motions(const Motions& job, int64_t begin, int64_t end) {
  (job.doubles ? run_log<double> : run_log<float>)(job, begin, end);
}

void log_motions_adjoint(const Motions& job, int64_t begin, int64_t end) {
  (job.doubles ? run_log_adjoint<double> : run_log_adjoint<float>)(job, begin, end);
}

}  // namespace VISIONOPS_ISA
}  // namespace visionops
