#include "storage/rocksdb/checking_file_system.h"

#include <string>

#include "storage/rocksdb/status.h"
#include "storage/rocksdb/table_check.h"

namespace qstore::storage {
namespace {

class CheckingFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  using FileSystemWrapper::FileSystemWrapper;

  const char* Name() const override { return "CheckingFileSystem"; }

  rocksdb::IOStatus NewRandomAccessFile(
      const std::string& path, const rocksdb::FileOptions& options,
      std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
      rocksdb::IODebugContext* debug) override {
    rocksdb::IOStatus opened =
        target()->NewRandomAccessFile(path, options, file, debug);
    if (!opened.ok() || !path.ends_with(".sst")) return opened;
    uint64_t size_bytes = 0;
    opened =
        target()->GetFileSize(path, options.io_options, &size_bytes, debug);
    if (!opened.ok()) return opened;
    const auto read = [&](uint64_t offset_bytes,
                          uint64_t count) -> absl::StatusOr<std::string> {
      std::string scratch(count, '\0');
      rocksdb::Slice found;
      const rocksdb::IOStatus status =
          (*file)->Read(offset_bytes, count, options.io_options, &found,
                        scratch.data(), debug);
      if (!status.ok()) return ToStatus(status, path);
      return std::string(ToView(found));
    };
    const absl::Status checked = CheckTableProperties(read, size_bytes);
    if (checked.ok()) return opened;
    file->reset();
    return absl::IsDataLoss(checked)
               ? rocksdb::IOStatus::Corruption(path, checked.ToString())
               : rocksdb::IOStatus::IOError(path, checked.ToString());
  }
};

}  // namespace

std::shared_ptr<rocksdb::FileSystem> NewCheckingFileSystem(
    const std::shared_ptr<rocksdb::FileSystem>& target) {
  return std::make_shared<CheckingFileSystem>(target);
}

}  // namespace qstore::storage
