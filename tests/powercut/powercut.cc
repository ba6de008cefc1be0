// A library for LD_PRELOAD that notes what of a directory tree would survive a
// power cut. cut_disk.py starts programs with it, reads what it noted and,
// after the program has been killed, makes of the tree a state that a power cut
// could have left.
//
// Environment:
//   POWERCUT_ROOT        the tree, absolute
//   POWERCUT_JOURNAL     a directory on the same file system, outside of it
//   POWERCUT_LOSE_SYNCS  set: syncs are promised and not kept
//
// Each file that is created in the tree gets a second link
// $POWERCUT_JOURNAL/inodes/NUMBER, so that its bytes can be found when its
// name is gone. $POWERCUT_JOURNAL/journal gets a line for each call that
// succeeded:
//   C DIR FILE NAME      an entry for a file (creation or link)
//   M DIR NEW NAME       a new directory
//   U DIR NAME           an entry removed
//   R DIR NAME DIR NAME  an entry renamed
//   T FILE SIZE          a file cut to SIZE
//   F FILE SIZE          a file synced, that had SIZE bytes when the call began
//   D DIR LINES          a directory synced, when there were LINES lines
// with inode numbers for DIR, FILE and NEW. Writes need no line: what is not
// synced may be there or not. Closing a file and sync_file_range promise
// nothing. Memory maps, stdio and io_uring are not watched.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <string>

namespace {

namespace fs = std::filesystem;

template <typename Function>
Function* Next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

const char* Setting(const char* name) {
  return getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody sets any
}

// Never destroyed: the program may use files until its very end.
struct Journal {
  std::mutex mutex;
  std::string root;
  std::string directory;
  bool loses_syncs = false;
  int descriptor = -1;
  uint64_t lines = 0;

  Journal() {
    const char* root_text = Setting("POWERCUT_ROOT");
    const char* directory_text = Setting("POWERCUT_JOURNAL");
    if (root_text == nullptr || directory_text == nullptr) return;
    directory = directory_text;
    loses_syncs = Setting("POWERCUT_LOSE_SYNCS") != nullptr;
    using Open = int(const char*, int, ...);
    descriptor = Next<Open>("open")((directory + "/journal").c_str(),
                                    O_WRONLY | O_APPEND | O_CLOEXEC);
    if (descriptor < 0) {
      perror("powercut: journal");
      abort();
    }
    root = root_text;
  }

  void Add(const std::string& line) {
    const std::string text = line + "\n";
    // Half a line would make the journal worthless.
    if (write(descriptor, text.data(), text.size()) !=
        static_cast<ssize_t>(text.size())) {
      perror("powercut: writing the journal");
      abort();
    }
    ++lines;
  }
};

Journal& TheJournal() {
  static Journal* journal = new Journal;
  return *journal;
}

std::string DescriptorPath(int descriptor) {
  char path[4096];
  const std::string link = "/proc/self/fd/" + std::to_string(descriptor);
  const ssize_t size = readlink(link.c_str(), path, sizeof(path));
  return size < 0 ? std::string() : std::string(path, size);
}

bool IsWatched(const std::string& path) {
  const std::string& root = TheJournal().root;
  return !root.empty() && path.starts_with(root) &&
         (path.size() == root.size() || path[root.size()] == '/');
}

ino_t InodeOf(const std::string& path) {
  struct stat attributes = {};
  return lstat(path.c_str(), &attributes) == 0 ? attributes.st_ino : 0;
}

// A name in a directory.
struct Entry {
  Entry(int directory, const char* path) {
    fs::path whole = path;
    if (whole.is_relative()) {
      whole = (directory == AT_FDCWD ? fs::current_path()
                                     : fs::path(DescriptorPath(directory))) /
              whole;
    }
    whole = whole.lexically_normal();
    if (!whole.has_filename()) whole = whole.parent_path();
    text = whole.native();
    parent = whole.parent_path().native();
    name = whole.filename().native();
    watched = IsWatched(parent);
  }
  // "DIR", " NAME"
  std::string directory() const { return std::to_string(InodeOf(parent)); }

  std::string text;
  std::string parent;
  std::string name;
  bool watched = false;
};

void KeepInode(const std::string& path, ino_t inode) {
  using Link = int(const char*, const char*);
  const std::string kept =
      TheJournal().directory + "/inodes/" + std::to_string(inode);
  if (Next<Link>("link")(path.c_str(), kept.c_str()) != 0 && errno != EEXIST) {
    perror("powercut: keeping an inode");
    abort();
  }
}

void AddFile(const Entry& entry) {
  const ino_t inode = InodeOf(entry.text);
  KeepInode(entry.text, inode);
  TheJournal().Add("C " + entry.directory() + " " + std::to_string(inode) +
                   " " + entry.name);
}

void AddCut(ino_t inode, off_t size) {
  TheJournal().Add("T " + std::to_string(inode) + " " + std::to_string(size));
}

template <typename Call>
int OpenAt(int directory, const char* path, int flags, const Call& call) {
  if ((flags & (O_CREAT | O_TRUNC)) == 0) return call();
  const Entry entry(directory, path);
  if (!entry.watched) return call();
  const std::lock_guard lock(TheJournal().mutex);
  const bool existed = InodeOf(entry.text) != 0;
  const int descriptor = call();
  if (descriptor < 0) return descriptor;
  if (!existed) AddFile(entry);
  if (existed && (flags & O_TRUNC) != 0) AddCut(InodeOf(entry.text), 0);
  return descriptor;
}

mode_t ModeOf(int flags, va_list arguments) {
  return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
}

template <typename Call>
int Unlink(int directory, const char* path, const Call& call) {
  const Entry entry(directory, path);
  if (!entry.watched) return call();
  const std::lock_guard lock(TheJournal().mutex);
  const std::string parent = entry.directory();
  const int result = call();
  if (result == 0) TheJournal().Add("U " + parent + " " + entry.name);
  return result;
}

template <typename Call>
int Rename(int from_directory, const char* from, int to_directory,
           const char* to, const Call& call) {
  const Entry source(from_directory, from);
  const Entry target(to_directory, to);
  if (!source.watched || !target.watched) return call();
  const std::lock_guard lock(TheJournal().mutex);
  const int result = call();
  if (result == 0) {
    TheJournal().Add("R " + source.directory() + " " + source.name + " " +
                     target.directory() + " " + target.name);
  }
  return result;
}

template <typename Call>
int Link(int to_directory, const char* to, const Call& call) {
  const Entry entry(to_directory, to);
  if (!entry.watched) return call();
  const std::lock_guard lock(TheJournal().mutex);
  const int result = call();
  if (result == 0) AddFile(entry);
  return result;
}

template <typename Call>
int MakeDirectory(int directory, const char* path, const Call& call) {
  const Entry entry(directory, path);
  if (!entry.watched) return call();
  const std::lock_guard lock(TheJournal().mutex);
  const int result = call();
  if (result == 0) {
    TheJournal().Add("M " + entry.directory() + " " +
                     std::to_string(InodeOf(entry.text)) + " " + entry.name);
  }
  return result;
}

template <typename Call>
int Sync(int descriptor, const Call& call) {
  if (!IsWatched(DescriptorPath(descriptor))) return call();
  if (TheJournal().loses_syncs) return 0;
  const std::lock_guard lock(TheJournal().mutex);
  struct stat attributes = {};
  if (fstat(descriptor, &attributes) != 0) return -1;
  const std::string inode = std::to_string(attributes.st_ino);
  // The kernel keeps what a killed process wrote, so the disk can be spared.
  if (S_ISDIR(attributes.st_mode)) {
    TheJournal().Add("D " + inode + " " + std::to_string(TheJournal().lines));
  } else {
    TheJournal().Add("F " + inode + " " + std::to_string(attributes.st_size));
  }
  return 0;
}

template <typename Call>
int Truncate(ino_t inode, bool watched, off_t size, const Call& call) {
  if (!watched) return call();
  const std::lock_guard lock(TheJournal().mutex);
  const int result = call();
  if (result == 0) AddCut(inode, size);
  return result;
}

}  // namespace

extern "C" {

#define POWERCUT_OPEN(NAME)                                      \
  int NAME(const char* path, int flags, ...) {                   \
    va_list arguments;                                           \
    va_start(arguments, flags);                                  \
    const mode_t mode = ModeOf(flags, arguments);                \
    va_end(arguments);                                           \
    static auto* next = Next<int(const char*, int, ...)>(#NAME); \
    return OpenAt(AT_FDCWD, path, flags,                         \
                  [&] { return next(path, flags, mode); });      \
  }
POWERCUT_OPEN(open)
POWERCUT_OPEN(open64)

#define POWERCUT_OPENAT(NAME)                                          \
  int NAME(int directory, const char* path, int flags, ...) {          \
    va_list arguments;                                                 \
    va_start(arguments, flags);                                        \
    const mode_t mode = ModeOf(flags, arguments);                      \
    va_end(arguments);                                                 \
    static auto* next = Next<int(int, const char*, int, ...)>(#NAME);  \
    return OpenAt(directory, path, flags,                              \
                  [&] { return next(directory, path, flags, mode); }); \
  }
POWERCUT_OPENAT(openat)
POWERCUT_OPENAT(openat64)

int unlink(const char* path) noexcept {
  static auto* next = Next<int(const char*)>("unlink");
  return Unlink(AT_FDCWD, path, [&] { return next(path); });
}
int rmdir(const char* path) noexcept {
  static auto* next = Next<int(const char*)>("rmdir");
  return Unlink(AT_FDCWD, path, [&] { return next(path); });
}
int remove(const char* path) noexcept {
  static auto* next = Next<int(const char*)>("remove");
  return Unlink(AT_FDCWD, path, [&] { return next(path); });
}
int unlinkat(int directory, const char* path, int flags) noexcept {
  static auto* next = Next<int(int, const char*, int)>("unlinkat");
  return Unlink(directory, path, [&] { return next(directory, path, flags); });
}

int rename(const char* from, const char* to) noexcept {
  static auto* next = Next<int(const char*, const char*)>("rename");
  return Rename(AT_FDCWD, from, AT_FDCWD, to, [&] { return next(from, to); });
}
int renameat(int from_directory, const char* from, int to_directory,
             const char* to) noexcept {
  static auto* next = Next<int(int, const char*, int, const char*)>("renameat");
  return Rename(from_directory, from, to_directory, to,
                [&] { return next(from_directory, from, to_directory, to); });
}

int link(const char* from, const char* to) noexcept {
  static auto* next = Next<int(const char*, const char*)>("link");
  return Link(AT_FDCWD, to, [&] { return next(from, to); });
}
int linkat(int from_directory, const char* from, int to_directory,
           const char* to, int flags) noexcept {
  static auto* next =
      Next<int(int, const char*, int, const char*, int)>("linkat");
  return Link(to_directory, to, [&] {
    return next(from_directory, from, to_directory, to, flags);
  });
}

int mkdir(const char* path, mode_t mode) noexcept {
  static auto* next = Next<int(const char*, mode_t)>("mkdir");
  return MakeDirectory(AT_FDCWD, path, [&] { return next(path, mode); });
}
int mkdirat(int directory, const char* path, mode_t mode) noexcept {
  static auto* next = Next<int(int, const char*, mode_t)>("mkdirat");
  return MakeDirectory(directory, path,
                       [&] { return next(directory, path, mode); });
}

int fsync(int descriptor) {
  static auto* next = Next<int(int)>("fsync");
  return Sync(descriptor, [&] { return next(descriptor); });
}
int fdatasync(int descriptor) {
  static auto* next = Next<int(int)>("fdatasync");
  return Sync(descriptor, [&] { return next(descriptor); });
}

#define POWERCUT_FTRUNCATE(NAME)                                \
  int NAME(int descriptor, off_t size) noexcept {               \
    static auto* next = Next<int(int, off_t)>(#NAME);           \
    struct stat attributes = {};                                \
    const bool found = fstat(descriptor, &attributes) == 0;     \
    const bool watched = found && size < attributes.st_size &&  \
                         IsWatched(DescriptorPath(descriptor)); \
    return Truncate(attributes.st_ino, watched, size,           \
                    [&] { return next(descriptor, size); });    \
  }
POWERCUT_FTRUNCATE(ftruncate)
POWERCUT_FTRUNCATE(ftruncate64)

int truncate(const char* path, off_t size) noexcept {
  static auto* next = Next<int(const char*, off_t)>("truncate");
  const Entry entry(AT_FDCWD, path);
  return Truncate(InodeOf(entry.text), entry.watched, size,
                  [&] { return next(path, size); });
}

}  // extern "C"
