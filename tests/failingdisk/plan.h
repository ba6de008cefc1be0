// Which calls of a program fail: what the hooks of this directory ask.
//
// Environment of the program:
//   FAILING_DISK_PREFIX   calls on files whose absolute path begins so; several
//                         prefixes are separated by colons
//   FAILING_DISK_CONTROL  a file with a Control, which failing_disk.py makes
//   and
//                         changes while the program runs
// Without either nothing is counted and nothing fails, unless a program that
// the hooks are linked into calls Watch.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

namespace failing_disk {

// DO NOT CHANGE: failing_disk.py has the same list.
enum class CallClass : uint32_t {
  kWrite,      // write, pwrite, writev, pwritev
  kSync,       // fsync, fdatasync
  kSyncRange,  // sync_file_range
  kRename,
  kLink,      // symlink too
  kUnlink,    // rmdir and remove too
  kTruncate,  // ftruncate, truncate
  kAllocate,  // fallocate, posix_fallocate
  kCreate,    // open for writing
  kOpen,      // open for reading
  kMkdir,
  kRead,  // read, pread, fread_unlocked
  kClose,
  kStat,  // stat of all kinds, access, statvfs
  kList,  // opendir, readdir
  kLock,  // flock, locks by fcntl
};
inline constexpr uint32_t kClassCount = 16;

// What a call that fails does.
enum class Effect : uint64_t {
  kNothing = 0,
  // What it was asked to; then it says that it failed.
  kDone = 1,
  // Writes or reads half and says so, which is no failure.
  kShort = 2,
  // A sync, after which what was written since the last one that succeeded is
  // lost for good: a line for failing_disk.py. Other calls do nothing.
  kLost = 3,
};

// Shared with failing_disk.py: numbers of 8 bytes. The program writes those
// that are atomic.
struct Control {
  uint64_t armed;       // 0: nothing is counted
  uint64_t class_mask;  // bit i: calls of CallClass i are counted
  uint64_t skip;        // how many of those succeed first
  uint64_t count;       // how many fail then; those after them succeed
  uint64_t error_number;
  Effect effect;
  std::atomic<uint64_t> matched;  // calls of the classes in the mask
  std::atomic<uint64_t> failed;
  std::atomic<uint64_t> calls[kClassCount];
  // The first call that failed: its class and path. Ends with a 0.
  char first_failure[512];
};
static_assert(sizeof(Control) == 8 * (8 + kClassCount) + 512);

// Instead of the environment. `control` must live as long as the program; what
// is lost goes to a file.
void Watch(const std::vector<std::string>& prefixes, Control* control,
           const std::string& lost_path);

struct Verdict {
  bool fails = false;
  Effect effect = Effect::kNothing;
  int error_number = 0;
};

// Of a call on an open file. Keeps errno.
Verdict Judge(CallClass call, int descriptor);
// Of a call on a path, relative to an open directory or AT_FDCWD.
Verdict Judge(CallClass call, int directory, const char* path);
// Of a call on two paths: counted when one of them is watched.
Verdict Judge(CallClass call, int directory, const char* path,
              int other_directory, const char* other_path);

// A file was opened for writing: what it holds counts as synced, unless the
// program has written it.
void NoteOpened(int descriptor);
// A sync that succeeded: what `descriptor` has now is on the disk.
void NoteSynced(int descriptor);
// A sync that failed with Effect::kLost: appends "INODE FROM TO PATH" to the
// file FAILING_DISK_CONTROL + ".lost", the bytes that are gone.
void NoteLost(int descriptor);

}  // namespace failing_disk
