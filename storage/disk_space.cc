#include "storage/disk_space.h"

#include <sys/statvfs.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"

namespace qstore::storage {
namespace {

class StatvfsDiskSpace final : public DiskSpace {
 public:
  explicit StatvfsDiskSpace(std::filesystem::path directory)
      : directory_(std::move(directory)) {}

  absl::StatusOr<Reading> Read() const override {
    struct statvfs buffer = {};
    while (statvfs(directory_.c_str(), &buffer) != 0) {
      if (errno == EINTR) continue;
      return absl::ErrnoToStatus(
          errno,
          absl::StrCat("asking for the free space of ", directory_.string()));
    }
    const uint64_t unit = buffer.f_frsize;
    return Reading{.total_bytes = buffer.f_blocks * unit,
                   .free_bytes = buffer.f_bavail * unit};
  }

 private:
  const std::filesystem::path directory_;
};

}  // namespace

std::unique_ptr<DiskSpace> NewDiskSpace(std::filesystem::path directory) {
  return std::make_unique<StatvfsDiskSpace>(std::move(directory));
}

}  // namespace qstore::storage
