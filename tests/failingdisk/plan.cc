#include "tests/failingdisk/plan.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <mutex>
#include <vector>

namespace failing_disk {
namespace {

namespace fs = std::filesystem;

constexpr const char* kClassNames[kClassCount] = {
    "write",    "sync",     "sync_range", "rename", "link",  "unlink",
    "truncate", "allocate", "create",     "open",   "mkdir", "read",
    "close",    "stat",     "list",       "lock"};

// What this file calls must not come back to the hooks.
template <typename Function>
Function* Next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}
using Open = int(const char*, int, ...);
using Write = ssize_t(int, const void*, size_t);
using Close = int(int);
using Fstat = int(int, struct stat*);

std::string Setting(const char* name) {
  const char* text =
      getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody sets
  return text == nullptr ? std::string() : text;
}

struct Plan {
  std::vector<std::string> prefixes;
  std::string lost_path;
  Control* control = nullptr;  // null: nothing fails
  std::mutex mutex;
  // By inode: how much of a file has been synced.
  std::map<ino_t, off_t> synced_bytes;

  Plan() {
    const std::string text = Setting("FAILING_DISK_PREFIX");
    const std::string control_path = Setting("FAILING_DISK_CONTROL");
    lost_path = control_path + ".lost";
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = std::min(text.find(':', begin), text.size());
      prefixes.push_back(text.substr(begin, end - begin));
      begin = end + 1;
    }
    if (prefixes.empty() || control_path.empty()) return;
    const int file =
        Next<Open>("open")(control_path.c_str(), O_RDWR | O_CLOEXEC);
    void* mapped = file < 0 ? MAP_FAILED
                            : mmap(nullptr, sizeof(Control),
                                   PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (mapped == MAP_FAILED) {
      perror("failing_disk: mapping FAILING_DISK_CONTROL");
      abort();
    }
    Next<Close>("close")(file);
    control = static_cast<Control*>(mapped);
  }
};

// Never destroyed: the program may use files until its very end.
Plan& ThePlan() {
  static Plan* plan = new Plan;
  return *plan;
}

std::string PathOf(int descriptor) {
  char path[4096];
  const std::string link = "/proc/self/fd/" + std::to_string(descriptor);
  const ssize_t size = readlink(link.c_str(), path, sizeof(path));
  return size < 0 ? std::string() : std::string(path, size);
}

std::string PathOf(int directory, const char* path) {
  fs::path whole = path == nullptr ? "" : path;
  if (whole.is_relative()) {
    char here[4096];
    std::string base;
    if (directory != AT_FDCWD) {
      base = PathOf(directory);
    } else if (getcwd(here, sizeof(here)) != nullptr) {
      base = here;
    }
    whole = fs::path(base) / whole;
  }
  return whole.lexically_normal().string();
}

bool IsWatched(const std::string& path) {
  for (const std::string& prefix : ThePlan().prefixes) {
    if (path.starts_with(prefix)) return true;
  }
  return false;
}

Verdict JudgeWatched(CallClass call, const std::string& path) {
  Control& control = *ThePlan().control;
  const auto index = static_cast<uint32_t>(call);
  ++control.calls[index];
  if ((control.class_mask >> index & 1) == 0) return {};
  const uint64_t number = control.matched++;
  if (number < control.skip || number - control.skip >= control.count) {
    return {};
  }
  if (control.failed++ == 0) {
    snprintf(control.first_failure, sizeof(control.first_failure), "%s %s",
             kClassNames[index], path.c_str());
  }
  return {true, control.effect, static_cast<int>(control.error_number)};
}

bool IsArmed() {
  const Control* control = ThePlan().control;
  return control != nullptr && control->armed != 0;
}

// Restores errno, which every call above may change.
class KeptErrno {
 public:
  KeptErrno() = default;
  ~KeptErrno() { errno = kept_; }
  KeptErrno(const KeptErrno&) = delete;
  KeptErrno& operator=(const KeptErrno&) = delete;

 private:
  const int kept_ = errno;
};

}  // namespace

void Watch(const std::vector<std::string>& prefixes, Control* control,
           const std::string& lost_path) {
  Plan& plan = ThePlan();
  plan.prefixes = prefixes;
  plan.lost_path = lost_path;
  plan.synced_bytes.clear();
  plan.control = control;
}

Verdict Judge(CallClass call, int descriptor) {
  const KeptErrno kept;
  if (!IsArmed()) return {};
  const std::string path = PathOf(descriptor);
  return IsWatched(path) ? JudgeWatched(call, path) : Verdict();
}

Verdict Judge(CallClass call, int directory, const char* path) {
  const KeptErrno kept;
  if (!IsArmed()) return {};
  const std::string whole = PathOf(directory, path);
  return IsWatched(whole) ? JudgeWatched(call, whole) : Verdict();
}

Verdict Judge(CallClass call, int directory, const char* path,
              int other_directory, const char* other_path) {
  const KeptErrno kept;
  if (!IsArmed()) return {};
  const std::string whole = PathOf(directory, path);
  const std::string other = PathOf(other_directory, other_path);
  return IsWatched(whole) || IsWatched(other)
             ? JudgeWatched(call, whole + " " + other)
             : Verdict();
}

void NoteOpened(int descriptor) {
  const KeptErrno kept;
  struct stat attributes = {};
  if (ThePlan().control == nullptr || !IsWatched(PathOf(descriptor)) ||
      Next<Fstat>("fstat")(descriptor, &attributes) != 0) {
    return;
  }
  const std::lock_guard lock(ThePlan().mutex);
  // An empty one may have the inode number of one that is gone.
  if (attributes.st_size == 0) {
    ThePlan().synced_bytes[attributes.st_ino] = 0;
  } else {
    ThePlan().synced_bytes.emplace(attributes.st_ino, attributes.st_size);
  }
}

void NoteSynced(int descriptor) {
  const KeptErrno kept;
  if (ThePlan().control == nullptr || !IsWatched(PathOf(descriptor))) return;
  struct stat attributes = {};
  if (Next<Fstat>("fstat")(descriptor, &attributes) != 0) return;
  const std::lock_guard lock(ThePlan().mutex);
  ThePlan().synced_bytes[attributes.st_ino] = attributes.st_size;
}

void NoteLost(int descriptor) {
  const KeptErrno kept;
  struct stat attributes = {};
  if (Next<Fstat>("fstat")(descriptor, &attributes) != 0 ||
      !S_ISREG(attributes.st_mode)) {
    return;
  }
  const std::lock_guard lock(ThePlan().mutex);
  // While it is open, no other file can get its number.
  dup(descriptor);
  const off_t from = ThePlan().synced_bytes[attributes.st_ino];
  const std::string line =
      std::to_string(attributes.st_ino) + " " + std::to_string(from) + " " +
      std::to_string(attributes.st_size) + " " + PathOf(descriptor) + "\n";
  const int file =
      Next<Open>("open")(ThePlan().lost_path.c_str(),
                         O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (file < 0 || Next<Write>("write")(file, line.data(), line.size()) !=
                      static_cast<ssize_t>(line.size())) {
    perror("failing_disk: noting what is lost");
    abort();
  }
  Next<Close>("close")(file);
}

}  // namespace failing_disk
