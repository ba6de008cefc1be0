#include "storage/rocksdb/checking_file_system.h"

#include <filesystem>
#include <string>

#include "storage/rocksdb/staged_table_file.h"
#include "storage/rocksdb/status.h"
#include "storage/rocksdb/table_check.h"

namespace qstore::storage {
namespace {

// Whether it is going to be ingested.
bool IsStaged(const std::filesystem::path& path) {
  return path.parent_path().filename() == kStagingDirectoryName;
}

class CheckingFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  using FileSystemWrapper::FileSystemWrapper;

  const char* Name() const override { return "CheckingFileSystem"; }

  // RocksDB takes a directory that it cannot look at for something else.
  rocksdb::IOStatus CreateDirIfMissing(
      const std::string& path, const rocksdb::IOOptions& options,
      rocksdb::IODebugContext* debug) override {
    rocksdb::IOStatus made = target()->CreateDirIfMissing(path, options, debug);
    if (made.ok()) return made;
    bool is_directory = false;
    rocksdb::IOStatus looked =
        target()->IsDirectory(path, options, &is_directory, debug);
    return looked.ok() && !is_directory ? made : looked;
  }

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
    const absl::StatusOr<uint64_t> checked =
        CheckTableProperties(read, size_bytes);
    if (!checked.ok()) {
      file->reset();
      return absl::IsDataLoss(checked.status())
                 ? rocksdb::IOStatus::Corruption(path,
                                                 checked.status().ToString())
                 : rocksdb::IOStatus::IOError(path,
                                              checked.status().ToString());
    }
    if (!IsStaged(path) || *checked == 0) return opened;
    return OpenStagedTable(*checked, size_bytes, options.io_options, debug,
                           file);
  }
};

}  // namespace

std::shared_ptr<rocksdb::FileSystem> NewCheckingFileSystem(
    const std::shared_ptr<rocksdb::FileSystem>& target) {
  return std::make_shared<CheckingFileSystem>(target);
}

}  // namespace qstore::storage
