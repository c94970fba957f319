#include <algorithm>
#include <memory>

#include "brown_conrady/brown_conrady.h"
#include "common/isa.h"
#include "common/parallel.h"
#include "native.h"

namespace visionops {
namespace {

BrownConrady job_of(int64_t places, int64_t matrices, int64_t distortions, int64_t batch, int64_t points,
                    int64_t matrix_rows, int64_t distortion_rows, int coefficients, bool doubles) {
  require(coefficients >= 4 && coefficients <= LARGEST_LENS, "a lens must have 4 to 14 coefficients");
  require((matrix_rows == 1 || matrix_rows == batch) && (distortion_rows == 1 || distortion_rows == batch),
          "cameras must be one, or one for each sample");
  // Samples of one camera are points of one sample.
  if (matrix_rows == 1 && distortion_rows == 1) {
    points *= batch;
    batch = 1;
  }
  return {reinterpret_cast<const void*>(places), reinterpret_cast<const void*>(matrices),
          reinterpret_cast<const void*>(distortions), batch, points, matrix_rows == 1 ? 0 : 9,
          distortion_rows == 1 ? 0 : coefficients, coefficients, doubles, nullptr};
}

// Runs body(begin, end) over strips; a point costs so many elements of other work.
template <class Body>
void for_strips(const BrownConrady& job, int64_t cost, int threads, const Body& body) {
  const int64_t strips = job.strips(), run = std::max<int64_t>(1, BrownConrady::STRETCH / job.points_of_strip());
  parallel_for((strips + run - 1) / run, threads_for(job.batch * job.points * cost, threads),
               [&](int64_t i) { body(i * run, std::min(strips, (i + 1) * run)); });
}

using Run = void(const BrownConrady& job, int64_t begin, int64_t end);
using RunAdjoint = void(const BrownConrady& job, const BrownConradyGradients& to, int64_t begin, int64_t end);

void forward(Run* kernel, BrownConrady job, int64_t cost, int64_t out, int threads) {
  job.out = reinterpret_cast<void*>(out);
  nb::gil_scoped_release release;
  for_strips(job, cost, threads, [&](int64_t begin, int64_t end) { kernel(job, begin, end); });
}

// The sums of a camera's numbers, which strips write where they belong if each is the only one of its camera.
class Part {
 public:
  Part(const BrownConrady& job, int64_t width, int64_t step, int64_t out)
      : doubles_(job.doubles), width_(width), out_(reinterpret_cast<void*>(out)) {
    const int64_t per = job.across() ? 1 : job.strips_of_camera();
    rows_ = job.batch * per;
    per_ = step ? per : rows_;
    if (out_ && per_ > 1) scratch_.reset(new double[static_cast<size_t>(rows_ * width)]);
  }

  Rows rows() const { return scratch_ ? Rows{scratch_.get(), true} : Rows{out_, doubles_}; }

  // Adds up rows, always in one order.
  void finish() const {
    if (scratch_) doubles_ ? add_up(static_cast<double*>(out_)) : add_up(static_cast<float*>(out_));
  }

 private:
  template <class T>
  void add_up(T* out) const {
    for (int64_t row = 0; row < rows_; row += per_)
      for (int64_t i = 0; i < width_; ++i) {
        double total = 0;
        for (int64_t k = row; k < row + per_; ++k) total += scratch_[k * width_ + i];
        *out++ = static_cast<T>(total);
      }
  }

  bool doubles_;
  int64_t width_, rows_, per_;
  void* out_;
  std::unique_ptr<double[]> scratch_;
};

void adjoint(RunAdjoint* kernel, const BrownConrady& job, int64_t cost, int64_t solution, int64_t grad,
             int64_t by_places, int64_t by_matrices, int64_t by_distortions, int threads) {
  nb::gil_scoped_release release;
  const Part matrices(job, 9, job.matrix_step, by_matrices);
  const Part distortions(job, job.coefficients, job.distortion_step, by_distortions);
  const BrownConradyGradients to{reinterpret_cast<const void*>(grad), reinterpret_cast<const void*>(solution),
                                 reinterpret_cast<void*>(by_places), matrices.rows(), distortions.rows()};
  for_strips(job, cost, threads, [&](int64_t begin, int64_t end) { kernel(job, to, begin, end); });
  matrices.finish();
  distortions.finish();
}

// What all functions take of points and cameras: see `cpu.py`.
#define CAMERAS                                                                                                     \
  int64_t places, int64_t matrices, int64_t distortions, int64_t batch, int64_t points, int64_t matrix_rows,       \
      int64_t distortion_rows, int coefficients, bool doubles
#define JOB job_of(places, matrices, distortions, batch, points, matrix_rows, distortion_rows, coefficients, doubles)

void project(CAMERAS, int64_t out, int threads) { forward(VISIONOPS_PICK(project_strips), JOB, 4, out, threads); }
void see(CAMERAS, int64_t out, int threads) { forward(VISIONOPS_PICK(see_strips), JOB, 16, out, threads); }
void undistort(CAMERAS, int64_t out, int threads) { forward(VISIONOPS_PICK(undistort_strips), JOB, 32, out, threads); }

void project_adjoint(CAMERAS, int64_t grad, int64_t by_points, int64_t by_matrices, int64_t by_distortions,
                     int threads) {
  adjoint(VISIONOPS_PICK(project_adjoint_strips), JOB, 8, 0, grad, by_points, by_matrices, by_distortions, threads);
}

void undistort_adjoint(CAMERAS, int64_t solution, int64_t grad, int64_t by_pixels, int64_t by_matrices,
                       int64_t by_distortions, int threads) {
  adjoint(VISIONOPS_PICK(undistort_adjoint_strips), JOB, 8, solution, grad, by_pixels, by_matrices, by_distortions,
          threads);
}

#undef JOB
#undef CAMERAS

}  // namespace

void bind_brown_conrady(nb::module_& m) {
  m.def("brown_conrady_project", &project);
  m.def("brown_conrady_see", &see);
  m.def("brown_conrady_undistort", &undistort);
  m.def("brown_conrady_project_adjoint", &project_adjoint);
  m.def("brown_conrady_undistort_adjoint", &undistort_adjoint);
}

}  // namespace visionops
