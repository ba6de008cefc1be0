#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error_reason.h"
#include "base/status.h"
#include "base/text/quote.h"

namespace qstore {
namespace {

constexpr mode_t kNewFileMode = 0666;  // less the process's umask

// Calls a system call until it is not interrupted.
template <typename Call>
auto Uninterrupted(const Call& call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

std::string On(const char* action, const std::filesystem::path& path) {
  return absl::StrCat(action, " ", path.native());
}

}  // namespace

absl::Status ErrnoStatus(int error_number, const std::string& what) {
  absl::Status status = absl::ErrnoToStatus(error_number, what);
  const bool full = error_number == ENOSPC || error_number == EDQUOT;
  return full ? WithReason(std::move(status), kReasonDiskFull) : status;
}

absl::StatusOr<File> File::OpenForRead(const std::filesystem::path& path) {
  const int descriptor =
      Uninterrupted([&] { return open(path.c_str(), O_RDONLY | O_CLOEXEC); });
  if (descriptor < 0) return ErrnoStatus(errno, On("opening", path));
  return File(descriptor, path);
}

absl::StatusOr<File> File::OpenForUpdate(const std::filesystem::path& path) {
  const int descriptor = Uninterrupted([&] {
    return open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
                kNewFileMode);
  });
  if (descriptor < 0) return ErrnoStatus(errno, On("opening", path));
  return File(descriptor, path);
}

absl::StatusOr<File> File::Create(const std::filesystem::path& path) {
  const int descriptor = Uninterrupted([&] {
    return open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC,
                kNewFileMode);
  });
  if (descriptor < 0) return ErrnoStatus(errno, On("creating", path));
  return File(descriptor, path);
}

File::File(File&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      path_(std::move(other.path_)) {}

File& File::operator=(File&& other) noexcept {
  if (this != &other) {
    if (descriptor_ >= 0) close(descriptor_);
    descriptor_ = std::exchange(other.descriptor_, -1);
    path_ = std::move(other.path_);
  }
  return *this;
}

File::~File() {
  if (descriptor_ >= 0) close(descriptor_);
}

absl::StatusOr<uint64_t> File::SizeBytes() const {
  struct stat attributes = {};
  if (fstat(descriptor_, &attributes) != 0) {
    return ErrnoStatus(errno, On("reading the size of", path_));
  }
  return static_cast<uint64_t>(attributes.st_size);
}

absl::Status File::ReadAt(uint64_t offset_bytes, MutableByteView out) const {
  size_t done_bytes = 0;
  while (done_bytes < out.size()) {
    const ssize_t read_bytes = Uninterrupted([&] {
      return pread(descriptor_, out.data() + done_bytes,
                   out.size() - done_bytes,
                   static_cast<off_t>(offset_bytes + done_bytes));
    });
    if (read_bytes < 0) return ErrnoStatus(errno, On("reading", path_));
    if (read_bytes == 0) {
      return WithReason(
          absl::OutOfRangeError(absl::StrCat(
              "reading ", path_.native(), ": the file ends at byte ",
              offset_bytes + done_bytes, ", but ", out.size(),
              " bytes were wanted from byte ", offset_bytes)),
          kReasonOutOfRange);
    }
    done_bytes += static_cast<size_t>(read_bytes);
  }
  return absl::OkStatus();
}

absl::Status File::WriteAt(uint64_t offset_bytes, ByteView bytes) {
  size_t done_bytes = 0;
  while (done_bytes < bytes.size()) {
    const ssize_t written_bytes = Uninterrupted([&] {
      return pwrite(descriptor_, bytes.data() + done_bytes,
                    bytes.size() - done_bytes,
                    static_cast<off_t>(offset_bytes + done_bytes));
    });
    if (written_bytes < 0) return ErrnoStatus(errno, On("writing", path_));
    done_bytes += static_cast<size_t>(written_bytes);
  }
  return absl::OkStatus();
}

absl::Status File::Truncate(uint64_t size_bytes) {
  if (Uninterrupted([&] {
        return ftruncate(descriptor_, static_cast<off_t>(size_bytes));
      }) != 0) {
    return ErrnoStatus(errno, On("resizing", path_));
  }
  return absl::OkStatus();
}

absl::Status File::Sync() {
  if (Uninterrupted([&] { return fsync(descriptor_); }) != 0) {
    return ErrnoStatus(errno, On("syncing", path_));
  }
  return absl::OkStatus();
}

absl::Status File::Close() {
  // Not repeated when interrupted: Linux has released the descriptor by then.
  if (close(std::exchange(descriptor_, -1)) != 0 && errno != EINTR) {
    return ErrnoStatus(errno, On("closing", path_));
  }
  return absl::OkStatus();
}

absl::Status SyncDirectory(const std::filesystem::path& directory) {
  QSTORE_ASSIGN_OR_RETURN(File opened, File::OpenForRead(directory));
  return opened.Sync();
}

absl::Status RenameDurably(const std::filesystem::path& from,
                           const std::filesystem::path& to) {
  if (std::rename(from.c_str(), to.c_str()) != 0) {
    return ErrnoStatus(
        errno, absl::StrCat("renaming ", from.native(), " to ", to.native()));
  }
  const std::filesystem::path directory = to.parent_path();
  return SyncDirectory(directory.empty() ? "." : directory);
}

absl::StatusOr<std::string> ReadWholeFile(const std::filesystem::path& path,
                                          uint64_t max_bytes) {
  QSTORE_ASSIGN_OR_RETURN(const File file, File::OpenForRead(path));
  QSTORE_ASSIGN_OR_RETURN(const uint64_t size_bytes, file.SizeBytes());
  if (size_bytes > max_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("reading ", path.native(), ": it has ", size_bytes,
                     " bytes, more than the ", max_bytes, " allowed"));
  }
  std::string contents(size_bytes, '\0');
  QSTORE_RETURN_IF_ERROR(file.ReadAt(
      0, {reinterpret_cast<uint8_t*>(contents.data()), contents.size()}));
  return contents;
}

}  // namespace qstore
