// A library for LD_PRELOAD that lets calls on some files of a program fail.
//
// Environment:
//   FAILING_DISK_PREFIX  files whose absolute path begins so
//   FAILING_DISK_CALL    "write" (also pwrite) or "sync" (fsync and fdatasync)
//   FAILING_DISK_ERRNO   what they fail with, a number
//   FAILING_DISK_SKIP    how many calls succeed first
//   FAILING_DISK_COUNT   how many fail then; those after them succeed
//   FAILING_DISK_SWITCH  nothing is counted before this file exists; it gets a
//                        byte for each call that failed
//
// A call that fails does nothing.
#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

template <typename Function>
Function* Next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}
using Write = ssize_t(int, const void*, size_t);
using PositionedWrite = ssize_t(int, const void*, size_t, off_t);
using Sync = int(int);

std::string Setting(const char* name) {
  const char* text =
      getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody sets
  return text == nullptr ? std::string() : text;
}

struct Plan {
  std::string prefix = Setting("FAILING_DISK_PREFIX");
  std::string call = Setting("FAILING_DISK_CALL");
  std::string switch_path = Setting("FAILING_DISK_SWITCH");
  int error = atoi(Setting("FAILING_DISK_ERRNO").c_str());
  long skip = atol(Setting("FAILING_DISK_SKIP").c_str());
  long count = atol(Setting("FAILING_DISK_COUNT").c_str());
  std::atomic<long> calls = 0;
};

// Never destroyed: the program may use files until its very end.
Plan& ThePlan() {
  static Plan* plan = new Plan;
  return *plan;
}

std::string DescriptorPath(int descriptor) {
  char path[4096];
  const std::string link = "/proc/self/fd/" + std::to_string(descriptor);
  const ssize_t size = readlink(link.c_str(), path, sizeof(path));
  return size < 0 ? std::string() : std::string(path, size);
}

void NoteFailure() {
  const int file =
      open(ThePlan().switch_path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (file < 0 || Next<Write>("write")(file, "x", 1) != 1) {
    perror("failing_disk: noting a failure");
    abort();
  }
  close(file);
}

// With errno set when it is true.
bool Fails(std::string_view call, int descriptor) {
  Plan& plan = ThePlan();
  if (plan.prefix.empty() || plan.call != call) return false;
  const int saved_errno = errno;
  const bool counts = DescriptorPath(descriptor).starts_with(plan.prefix) &&
                      access(plan.switch_path.c_str(), F_OK) == 0;
  const long number = counts ? plan.calls++ : -1;
  const bool fails = number >= plan.skip && number - plan.skip < plan.count;
  if (fails) NoteFailure();
  errno = fails ? plan.error : saved_errno;
  return fails;
}

}  // namespace

extern "C" {

ssize_t write(int descriptor, const void* bytes, size_t count) {
  static auto* next = Next<Write>("write");
  return Fails("write", descriptor) ? -1 : next(descriptor, bytes, count);
}

#define FAILING_PWRITE(NAME)                                    \
  ssize_t NAME(int descriptor, const void* bytes, size_t count, \
               off_t offset) {                                  \
    static auto* next = Next<PositionedWrite>(#NAME);           \
    return Fails("write", descriptor)                           \
               ? -1                                             \
               : next(descriptor, bytes, count, offset);        \
  }
FAILING_PWRITE(pwrite)
FAILING_PWRITE(pwrite64)

#define FAILING_SYNC(NAME)                                    \
  int NAME(int descriptor) {                                  \
    static auto* next = Next<Sync>(#NAME);                    \
    return Fails("sync", descriptor) ? -1 : next(descriptor); \
  }
FAILING_SYNC(fsync)
FAILING_SYNC(fdatasync)

}  // extern "C"
