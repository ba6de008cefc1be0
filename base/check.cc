#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace qstore {

void AbortOnFailedCheck(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: the invariant %s does not hold\n", file, line,
               expression);
  std::abort();
}

}  // namespace qstore
