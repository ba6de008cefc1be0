// Assertions of invariants: what no input and no caller's mistake may make
// false, so that nobody can do anything about it but mend the program.
//
//   QSTORE_DCHECK(held_bytes <= limit_bytes);
//
// Compiled in unless NDEBUG is defined: in the presets dev, tidy, fuzz and
// those of the sanitizers, which are all debug builds, and so wherever tests
// look for mistakes; not in what is shipped. A failed one names its expression,
// file and line on stderr and aborts. The expression must change nothing.
#pragma once

namespace qstore {

[[noreturn]] void AbortOnFailedCheck(const char* expression, const char* file,
                                     int line);

}  // namespace qstore

#ifdef NDEBUG
// Still compiled, so that it cannot rot, but never evaluated.
#define QSTORE_DCHECK(condition) \
  static_cast<void>(true || static_cast<bool>(condition))
#else
#define QSTORE_DCHECK(condition) \
  (static_cast<bool>(condition)  \
       ? static_cast<void>(0)    \
       : ::qstore::AbortOnFailedCheck(#condition, __FILE__, __LINE__))
#endif
