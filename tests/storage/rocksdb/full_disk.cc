#include "tests/storage/rocksdb/full_disk.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <cstring>
#include <string>

namespace qstore::storage {
namespace {

std::atomic<bool> g_full = false;
char g_prefix[PATH_MAX] = {};  // set before g_full

bool IsFull(int descriptor) {
  if (!g_full.load(std::memory_order_acquire)) return false;
  const int saved_errno = errno;
  const std::string link = "/proc/self/fd/" + std::to_string(descriptor);
  char path[PATH_MAX] = {};
  const ssize_t length = ::readlink(link.c_str(), path, sizeof(path) - 1);
  errno = saved_errno;
  return length > 0 && std::strncmp(path, g_prefix, std::strlen(g_prefix)) == 0;
}

}  // namespace

FullDisk::FullDisk(const std::filesystem::path& path) {
  std::strncpy(g_prefix, path.c_str(), sizeof(g_prefix) - 1);
  g_full.store(true, std::memory_order_release);
}

FullDisk::~FullDisk() { g_full.store(false, std::memory_order_release); }

}  // namespace qstore::storage

// Definitions in the program come before those of libc for every library that
// the program loads.
extern "C" {

ssize_t write(int descriptor, const void* bytes, size_t count) {
  if (qstore::storage::IsFull(descriptor)) {
    errno = ENOSPC;
    return -1;
  }
  return ::syscall(SYS_write, descriptor, bytes, count);
}

ssize_t pwrite(int descriptor, const void* bytes, size_t count, off_t offset) {
  if (qstore::storage::IsFull(descriptor)) {
    errno = ENOSPC;
    return -1;
  }
  return ::syscall(SYS_pwrite64, descriptor, bytes, count, offset);
}

ssize_t pwrite64(int descriptor, const void* bytes, size_t count,
                 off64_t offset) {
  return pwrite(descriptor, bytes, count, offset);
}

}  // extern "C"
