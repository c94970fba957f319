#include "pixel/bind.h"

namespace visionops {
namespace {

// The parameters that each operation reads; -1: unknown operation.
int64_t parameters_of(Op op, int64_t channels) {
  switch (op) {
    case Op::none: return 0;
    case Op::scale: return 2 * channels + 2;
    case Op::matrix: return 14;
    case Op::contrast: return 1;
    case Op::hue: return 1;
    case Op::gamma: return 2;
    case Op::lut: return 256;
    case Op::solarize: return 1;
    case Op::noise: return 5;
    case Op::erase: return 4 + channels;
  }
  return -1;
}

}  // namespace

void take_program(Sweep& job, const Array<int32_t, 2>& codes, const Array<int32_t, 1>& starts,
                  const Array<float, 2>& params, size_t batch, int64_t channels) {
  require(codes.shape(0) == batch && params.shape(0) == batch, "codes and params must have one row for each sample");
  require(starts.shape(0) == codes.shape(1), "starts must have one entry for each step");
  for (size_t i = 0; i < batch * starts.shape(0); ++i) {
    const Op op = static_cast<Op>(codes.data()[i]);
    const int64_t needs = parameters_of(op, channels), start = starts.data()[i % starts.shape(0)];
    require(needs >= 0, "unknown operation");
    require(start >= 0 && start + needs <= static_cast<int64_t>(params.shape(1)), "params must hold every step's");
    require(channels == 3 || (op != Op::matrix && op != Op::hue), "MATRIX and HUE need three channels");
  }
  job.steps = static_cast<int>(codes.shape(1));
  job.codes = codes.data();
  job.starts = starts.data();
  job.params = params.data();
  job.params_step = static_cast<int64_t>(params.shape(1));
}

}  // namespace visionops
