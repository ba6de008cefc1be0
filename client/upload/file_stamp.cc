#include "client/upload/file_stamp.h"

#include <sys/stat.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/text/quote.h"

namespace qstore::client {

absl::StatusOr<FileStamp> StampOf(const std::filesystem::path& file) {
  constexpr int64_t kNanosecondsPerSecond = 1'000'000'000;
  struct stat status = {};
  if (stat(file.c_str(), &status) != 0) {
    return ErrnoStatus(errno, absl::StrCat("reading ", Quoted(file.native())));
  }
  return FileStamp{
      .size_bytes = static_cast<uint64_t>(status.st_size),
      .modified_nanoseconds = status.st_mtim.tv_sec * kNanosecondsPerSecond +
                              status.st_mtim.tv_nsec};
}

}  // namespace qstore::client
