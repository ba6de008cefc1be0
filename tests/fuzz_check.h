// What a fuzz target uses to say that a promise is broken: unlike assert, it is
// there in every build.
#pragma once

#include <cstdio>
#include <cstdlib>

#define QSTORE_FUZZ_CHECK(condition)                                  \
  do {                                                                \
    if (!(condition)) {                                               \
      std::fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, \
                   #condition);                                       \
      std::abort();                                                   \
    }                                                                 \
  } while (false)
