// Instruction sets: vectorised sources are compiled once for each, into the namespace visionops::VISIONOPS_ISA.
#pragma once

namespace visionops {

// Pixels of a row that are computed together: enough to vectorise well, few enough to stay in the first cache.
constexpr int RUN = 64;

enum class Isa { baseline, avx2, avx512, avx512vbmi };

// The widest set that this machine has, or less if the environment variable VISIONOPS_ISA says so (for tests).
Isa active_isa();
const char* name_of(Isa isa);

template <class Function>
Function* pick(Function* baseline, Function* avx2, Function* avx512, Function* avx512vbmi) {
  switch (active_isa()) {
    case Isa::avx512vbmi: return avx512vbmi;
    case Isa::avx512: return avx512;
    case Isa::avx2: return avx2;
    default: return baseline;
  }
}

}  // namespace visionops

#ifdef VISIONOPS_X86
#define VISIONOPS_PICK(function) \
  ::visionops::pick(baseline::function, avx2::function, avx512::function, avx512vbmi::function)
#else
#define VISIONOPS_PICK(function) baseline::function
#endif
