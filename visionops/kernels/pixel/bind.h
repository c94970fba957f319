// The check of a pixel program, which more than one kernel runs.
#pragma once

#include "native.h"
#include "warp/sweep.h"

namespace visionops {

// Points the job at a program (batch, steps) that is checked against its parameters.
void take_program(Sweep& job, const Array<int32_t, 2>& codes, const Array<int32_t, 1>& starts,
                  const Array<float, 2>& params, size_t batch, int64_t channels);

}  // namespace visionops
