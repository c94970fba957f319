#include "common/isa.h"

#include <cstdlib>
#include <cstring>
#include <initializer_list>

namespace visionops {

static Isa detect() {
#ifdef VISIONOPS_X86
  Isa best = Isa::baseline;
  if (__builtin_cpu_supports("x86-64-v3")) best = Isa::avx2;
  if (__builtin_cpu_supports("x86-64-v4")) best = Isa::avx512;
  if (best == Isa::avx512 && __builtin_cpu_supports("avx512vbmi")) best = Isa::avx512vbmi;
  const char* wanted = std::getenv("VISIONOPS_ISA");
  for (Isa lower : {Isa::baseline, Isa::avx2, Isa::avx512})
    if (wanted && lower < best && !std::strcmp(wanted, name_of(lower))) return lower;
  return best;
#else
  return Isa::baseline;
#endif
}

Isa active_isa() {
  static const Isa isa = detect();
  return isa;
}

const char* name_of(Isa isa) {
  switch (isa) {
    case Isa::avx512vbmi: return "avx512vbmi";
    case Isa::avx512: return "avx512";
    case Isa::avx2: return "avx2";
    default: return "baseline";
  }
}

}  // namespace visionops
