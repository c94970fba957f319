#include "motions/motions.h"

#include <algorithm>

#include "common/isa.h"
#include "common/parallel.h"
#include "native.h"

namespace visionops {
namespace {

constexpr int64_t STRETCH = 256;

using Run = void(const Motions& job, int64_t begin, int64_t end);

void run(Run* kernel, int64_t in, int64_t grad, int64_t out, int64_t count, bool doubles, bool rigid, int threads) {
  const Motions job{reinterpret_cast<const void*>(in), reinterpret_cast<const void*>(grad),
                    reinterpret_cast<void*>(out), count, doubles, rigid};
  nb::gil_scoped_release release;
  // A sample costs about as much as 32 elements of other work.
  parallel_for((count + STRETCH - 1) / STRETCH, threads_for(count * 32, threads), [&](int64_t i) {
    kernel(job, i * STRETCH, std::min(count, (i + 1) * STRETCH));
  });
}

void motions_exp(int64_t in, int64_t out, int64_t count, bool doubles, bool rigid, int threads) {
  run(VISIONOPS_PICK(exp_motions), in, 0, out, count, doubles, rigid, threads);
}

void motions_exp_adjoint(int64_t in, int64_t grad, int64_t out, int64_t count, bool doubles, bool rigid, int threads) {
  run(VISIONOPS_PICK(exp_motions_adjoint), in, grad, out, count, doubles, rigid, threads);
}

void motions_log(int64_t in, int64_t out, int64_t count, bool doubles, bool rigid, int threads) {
  run(VISIONOPS_PICK(log_motions), in, 0, out, count, doubles, rigid, threads);
}

void motions_log_adjoint(int64_t in, int64_t grad, int64_t out, int64_t count, bool doubles, bool rigid, int threads) {
  run(VISIONOPS_PICK(log_motions_adjoint), in, grad, out, count, doubles, rigid, threads);
}

}  // namespace

void bind_motions(nb::module_& m) {
  for (const auto& [name, function] : {std::pair{"motions_exp", &motions_exp}, std::pair{"motions_log", &motions_log}})
    m.def(name, function, nb::arg("values"), nb::arg("out"), nb::arg("count"), nb::arg("doubles"), nb::arg("rigid"),
          nb::arg("threads"));
  for (const auto& [name, function] : {std::pair{"motions_exp_adjoint", &motions_exp_adjoint},
                                       std::pair{"motions_log_adjoint", &motions_log_adjoint}})
    m.def(name, function, nb::arg("values"), nb::arg("grad"), nb::arg("out"), nb::arg("count"), nb::arg("doubles"),
          nb::arg("rigid"), nb::arg("threads"));
}

}  // namespace visionops
