// A library for LD_PRELOAD that lets calls on some files of a program fail
// (plan.h says which). io_uring and memory maps are not watched, nor what
// stdio writes: RocksDB and this project do not use them.
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <type_traits>

#include "tests/failingdisk/plan.h"

namespace {

using failing_disk::CallClass;
using failing_disk::Effect;
using failing_disk::Judge;
using failing_disk::Verdict;

template <typename Function>
Function* Next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

// What a call answers that fails: -1 or null.
template <typename Result>
Result Failed(const Verdict& verdict) {
  errno = verdict.error_number;
  if constexpr (std::is_pointer_v<Result>) {
    return nullptr;
  } else {
    return static_cast<Result>(-1);
  }
}

// Lets `call` happen or not.
template <typename Call>
auto Try(const Verdict& verdict, const Call& call) {
  using Result = decltype(call());
  if (!verdict.fails) return call();
  if (verdict.effect == Effect::kDone) call();
  return Failed<Result>(verdict);
}

// The same for a call that moves `count` bytes. One byte has no half.
template <typename Call>
ssize_t TryBytes(const Verdict& verdict, size_t count, const Call& call) {
  if (verdict.fails && verdict.effect == Effect::kShort) {
    return call(count < 2 ? count : count / 2);
  }
  return Try(verdict, [&] { return call(count); });
}

int TrySync(int descriptor, int (*next)(int)) {
  const Verdict verdict = Judge(CallClass::kSync, descriptor);
  if (verdict.fails && verdict.effect == Effect::kLost) {
    failing_disk::NoteLost(descriptor);
  }
  const int result = Try(verdict, [&] { return next(descriptor); });
  if (!verdict.fails && result == 0) failing_disk::NoteSynced(descriptor);
  return result;
}

bool Writes(int flags) { return (flags & O_ACCMODE) != O_RDONLY; }
bool HasMode(int flags) {
  return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
}

template <typename Call>
int TryOpen(int directory, const char* path, int flags, const Call& call) {
  const bool creates = Writes(flags) || (flags & O_CREAT) != 0;
  const Verdict verdict =
      Judge(creates ? CallClass::kCreate : CallClass::kOpen, directory, path);
  const int descriptor = !verdict.fails || verdict.effect == Effect::kDone
                             ? call()
                             : Failed<int>(verdict);
  if (verdict.fails && descriptor >= 0) {
    Next<int(int)>("close")(descriptor);
    return Failed<int>(verdict);
  }
  if (creates && descriptor >= 0) failing_disk::NoteOpened(descriptor);
  return descriptor;
}

template <typename Call>
FILE* TryFopen(const char* path, const char* mode, const Call& call) {
  const CallClass kind =
      mode[0] == 'r' && mode[1] != '+' ? CallClass::kOpen : CallClass::kCreate;
  const Verdict verdict = Judge(kind, AT_FDCWD, path);
  return verdict.fails ? Failed<FILE*>(verdict) : call();
}

}  // namespace

#pragma GCC visibility push(default)
extern "C" {

// Reading and writing.

ssize_t write(int file, const void* bytes, size_t count) {
  static auto* next = Next<ssize_t(int, const void*, size_t)>("write");
  return TryBytes(Judge(CallClass::kWrite, file), count,
                  [&](size_t some) { return next(file, bytes, some); });
}

ssize_t read(int file, void* bytes, size_t count) {
  static auto* next = Next<ssize_t(int, void*, size_t)>("read");
  return TryBytes(Judge(CallClass::kRead, file), count,
                  [&](size_t some) { return next(file, bytes, some); });
}

size_t fread_unlocked(void* bytes, size_t size, size_t count, FILE* file) {
  static auto* next =
      Next<size_t(void*, size_t, size_t, FILE*)>("fread_unlocked");
  const Verdict verdict = Judge(CallClass::kRead, fileno(file));
  if (verdict.fails && verdict.effect != Effect::kShort) {
    errno = verdict.error_number;
    return 0;
  }
  return next(bytes, size, count, file);
}

#define HOOK_AT_OFFSET(NAME, CLASS, BYTES)                                   \
  ssize_t NAME(int file, BYTES bytes, size_t count, off_t offset) {          \
    static auto* next = Next<ssize_t(int, BYTES, size_t, off_t)>(#NAME);     \
    return TryBytes(Judge(CallClass::CLASS, file), count, [&](size_t some) { \
      return next(file, bytes, some, offset);                                \
    });                                                                      \
  }
HOOK_AT_OFFSET(pwrite, kWrite, const void*)
HOOK_AT_OFFSET(pwrite64, kWrite, const void*)
HOOK_AT_OFFSET(pread, kRead, void*)
HOOK_AT_OFFSET(pread64, kRead, void*)

// Half of several pieces is the first of them.
ssize_t writev(int file, const struct iovec* pieces, int count) {
  static auto* next = Next<ssize_t(int, const struct iovec*, int)>("writev");
  return TryBytes(
      Judge(CallClass::kWrite, file), static_cast<size_t>(count),
      [&](size_t some) { return next(file, pieces, static_cast<int>(some)); });
}

#define HOOK_PWRITEV(NAME)                                              \
  ssize_t NAME(int file, const struct iovec* pieces, int count,         \
               off_t offset) {                                          \
    static auto* next =                                                 \
        Next<ssize_t(int, const struct iovec*, int, off_t)>(#NAME);     \
    return TryBytes(Judge(CallClass::kWrite, file),                     \
                    static_cast<size_t>(count), [&](size_t some) {      \
                      return next(file, pieces, static_cast<int>(some), \
                                  offset);                              \
                    });                                                 \
  }
HOOK_PWRITEV(pwritev)
HOOK_PWRITEV(pwritev64)

// Calls on an open file.

int fsync(int file) {
  static auto* next = Next<int(int)>("fsync");
  return TrySync(file, next);
}
int fdatasync(int file) {
  static auto* next = Next<int(int)>("fdatasync");
  return TrySync(file, next);
}
// Without flags it does nothing and does not fail on Linux; so RocksDB asks,
// with an assertion, whether there is such a call.
int sync_file_range(int file, off64_t offset, off64_t count, unsigned flags) {
  static auto* next =
      Next<int(int, off64_t, off64_t, unsigned)>("sync_file_range");
  return Try(flags == 0 ? Verdict() : Judge(CallClass::kSyncRange, file),
             [&] { return next(file, offset, count, flags); });
}
int fallocate(int file, int mode, off_t offset, off_t count) {
  static auto* next = Next<int(int, int, off_t, off_t)>("fallocate");
  return Try(Judge(CallClass::kAllocate, file),
             [&] { return next(file, mode, offset, count); });
}
// Alone in answering with the error itself.
int posix_fallocate(int file, off_t offset, off_t count) {
  static auto* next = Next<int(int, off_t, off_t)>("posix_fallocate");
  const Verdict verdict = Judge(CallClass::kAllocate, file);
  const int result = verdict.fails && verdict.effect != Effect::kDone
                         ? 0
                         : next(file, offset, count);
  return verdict.fails ? verdict.error_number : result;
}
#define HOOK_FTRUNCATE(NAME)                          \
  int NAME(int file, off_t size) {                    \
    static auto* next = Next<int(int, off_t)>(#NAME); \
    return Try(Judge(CallClass::kTruncate, file),     \
               [&] { return next(file, size); });     \
  }
HOOK_FTRUNCATE(ftruncate)
HOOK_FTRUNCATE(ftruncate64)

// Linux has closed the file also when close fails.
int close(int file) {
  static auto* next = Next<int(int)>("close");
  const Verdict verdict = Judge(CallClass::kClose, file);
  const int result = next(file);
  return verdict.fails ? Failed<int>(verdict) : result;
}
int flock(int file, int operation) {
  static auto* next = Next<int(int, int)>("flock");
  return Try(Judge(CallClass::kLock, file),
             [&] { return next(file, operation); });
}
#define HOOK_FCNTL(NAME)                                          \
  int NAME(int file, int command, ...) {                          \
    static auto* next = Next<int(int, int, void*)>(#NAME);        \
    va_list arguments;                                            \
    va_start(arguments, command);                                 \
    void* argument = va_arg(arguments, void*);                    \
    va_end(arguments);                                            \
    const bool locks = command == F_SETLK || command == F_SETLKW; \
    return Try(locks ? Judge(CallClass::kLock, file) : Verdict(), \
               [&] { return next(file, command, argument); });    \
  }
HOOK_FCNTL(fcntl)
HOOK_FCNTL(fcntl64)

// Opening.

#define HOOK_OPEN(NAME)                                                 \
  int NAME(const char* path, int flags, ...) {                          \
    static auto* next = Next<int(const char*, int, ...)>(#NAME);        \
    va_list arguments;                                                  \
    va_start(arguments, flags);                                         \
    const mode_t mode = HasMode(flags) ? va_arg(arguments, mode_t) : 0; \
    va_end(arguments);                                                  \
    return TryOpen(AT_FDCWD, path, flags,                               \
                   [&] { return next(path, flags, mode); });            \
  }
HOOK_OPEN(open)
HOOK_OPEN(open64)
#define HOOK_OPENAT(NAME)                                               \
  int NAME(int directory, const char* path, int flags, ...) {           \
    static auto* next = Next<int(int, const char*, int, ...)>(#NAME);   \
    va_list arguments;                                                  \
    va_start(arguments, flags);                                         \
    const mode_t mode = HasMode(flags) ? va_arg(arguments, mode_t) : 0; \
    va_end(arguments);                                                  \
    return TryOpen(directory, path, flags,                              \
                   [&] { return next(directory, path, flags, mode); }); \
  }
HOOK_OPENAT(openat)
HOOK_OPENAT(openat64)
// What open becomes where the compiler checks arguments.
#define HOOK_OPEN_2(NAME)                                                     \
  int NAME(const char* path, int flags) {                                     \
    static auto* next = Next<int(const char*, int)>(#NAME);                   \
    return TryOpen(AT_FDCWD, path, flags, [&] { return next(path, flags); }); \
  }
HOOK_OPEN_2(__open_2)
HOOK_OPEN_2(__open64_2)
#define HOOK_FOPEN(NAME)                                              \
  FILE* NAME(const char* path, const char* mode) {                    \
    static auto* next = Next<FILE*(const char*, const char*)>(#NAME); \
    return TryFopen(path, mode, [&] { return next(path, mode); });    \
  }
HOOK_FOPEN(fopen)
HOOK_FOPEN(fopen64)

// Calls on a path.

#define HOOK_PATH(NAME, CLASS, RESULT)                    \
  RESULT NAME(const char* path) {                         \
    static auto* next = Next<RESULT(const char*)>(#NAME); \
    return Try(Judge(CallClass::CLASS, AT_FDCWD, path),   \
               [&] { return next(path); });               \
  }
HOOK_PATH(unlink, kUnlink, int)
HOOK_PATH(rmdir, kUnlink, int)
HOOK_PATH(remove, kUnlink, int)
HOOK_PATH(opendir, kList, DIR*)

#define HOOK_PATH_AND(NAME, CLASS, TYPE)                     \
  int NAME(const char* path, TYPE argument) {                \
    static auto* next = Next<int(const char*, TYPE)>(#NAME); \
    return Try(Judge(CallClass::CLASS, AT_FDCWD, path),      \
               [&] { return next(path, argument); });        \
  }
HOOK_PATH_AND(mkdir, kMkdir, mode_t)
HOOK_PATH_AND(truncate, kTruncate, off_t)
HOOK_PATH_AND(access, kStat, int)
HOOK_PATH_AND(stat, kStat, struct stat*)
HOOK_PATH_AND(lstat, kStat, struct stat*)
HOOK_PATH_AND(stat64, kStat, struct stat64*)
HOOK_PATH_AND(lstat64, kStat, struct stat64*)
HOOK_PATH_AND(statvfs, kStat, struct statvfs*)
HOOK_PATH_AND(statvfs64, kStat, struct statvfs64*)

#define HOOK_FSTAT(NAME, TYPE)                          \
  int NAME(int file, TYPE attributes) {                 \
    static auto* next = Next<int(int, TYPE)>(#NAME);    \
    return Try(Judge(CallClass::kStat, file),           \
               [&] { return next(file, attributes); }); \
  }
HOOK_FSTAT(fstat, struct stat*)
HOOK_FSTAT(fstat64, struct stat64*)
int fstatat(int directory, const char* path, struct stat* attributes,
            int flags) {
  static auto* next = Next<int(int, const char*, struct stat*, int)>("fstatat");
  return Try(Judge(CallClass::kStat, directory, path),
             [&] { return next(directory, path, attributes, flags); });
}
int unlinkat(int directory, const char* path, int flags) {
  static auto* next = Next<int(int, const char*, int)>("unlinkat");
  return Try(Judge(CallClass::kUnlink, directory, path),
             [&] { return next(directory, path, flags); });
}
int mkdirat(int directory, const char* path, mode_t mode) {
  static auto* next = Next<int(int, const char*, mode_t)>("mkdirat");
  return Try(Judge(CallClass::kMkdir, directory, path),
             [&] { return next(directory, path, mode); });
}
struct dirent* readdir(DIR* directory) {
  static auto* next = Next<struct dirent*(DIR*)>("readdir");
  return Try(Judge(CallClass::kList, dirfd(directory)),
             [&] { return next(directory); });
}

// Calls on two paths.

int rename(const char* from, const char* to) {
  static auto* next = Next<int(const char*, const char*)>("rename");
  return Try(Judge(CallClass::kRename, AT_FDCWD, from, AT_FDCWD, to),
             [&] { return next(from, to); });
}
int renameat(int from_directory, const char* from, int to_directory,
             const char* to) {
  static auto* next = Next<int(int, const char*, int, const char*)>("renameat");
  return Try(Judge(CallClass::kRename, from_directory, from, to_directory, to),
             [&] { return next(from_directory, from, to_directory, to); });
}
int renameat2(int from_directory, const char* from, int to_directory,
              const char* to, unsigned flags) {
  static auto* next =
      Next<int(int, const char*, int, const char*, unsigned)>("renameat2");
  return Try(
      Judge(CallClass::kRename, from_directory, from, to_directory, to),
      [&] { return next(from_directory, from, to_directory, to, flags); });
}
int link(const char* from, const char* to) {
  static auto* next = Next<int(const char*, const char*)>("link");
  return Try(Judge(CallClass::kLink, AT_FDCWD, from, AT_FDCWD, to),
             [&] { return next(from, to); });
}
int linkat(int from_directory, const char* from, int to_directory,
           const char* to, int flags) {
  static auto* next =
      Next<int(int, const char*, int, const char*, int)>("linkat");
  return Try(
      Judge(CallClass::kLink, from_directory, from, to_directory, to),
      [&] { return next(from_directory, from, to_directory, to, flags); });
}
int symlink(const char* target, const char* path) {
  static auto* next = Next<int(const char*, const char*)>("symlink");
  return Try(Judge(CallClass::kLink, AT_FDCWD, path),
             [&] { return next(target, path); });
}

}  // extern "C"
#pragma GCC visibility pop
