#include "base/standard_descriptors.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>

namespace qstore {

// By bare system calls: sanitizers put their own functions before libc's, which
// cannot be called yet.
void OpenStandardDescriptors(int /*argc*/, char** /*argv*/,
                             char** /*environment*/) {
  for (long wanted = STDIN_FILENO; wanted <= STDERR_FILENO; ++wanted) {
    if (syscall(SYS_fcntl, wanted, F_GETFD) != -1) continue;
    // The lowest that is free: those below `wanted` are open by now.
    if (syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR) != wanted) {
      _exit(EXIT_FAILURE);  // there is no place to say why
    }
  }
}

}  // namespace qstore
