#include "storage/rocksdb/manifest_restore.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "base/file.h"
#include "base/status.h"

namespace qstore::storage {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxCurrentBytes = 4096;

absl::Status WriteCurrent(const fs::path& directory,
                          const std::string& content) {
  // RocksDB deletes what is left under such a name.
  const fs::path temporary = directory / "000001.dbtmp";
  QSTORE_ASSIGN_OR_RETURN(File file, File::Create(temporary));
  QSTORE_RETURN_IF_ERROR(file.WriteAt(0, AsBytes(content)));
  QSTORE_RETURN_IF_ERROR(file.Sync());
  QSTORE_RETURN_IF_ERROR(file.Close());
  return RenameDurably(temporary, directory / "CURRENT");
}

}  // namespace

absl::Status RestoreManifest(const fs::path& directory,
                             const DurableManifest& durable) {
  const fs::path path = directory / durable.name;
  {
    // Which must not make one.
    QSTORE_RETURN_IF_ERROR(File::OpenForRead(path).status());
    QSTORE_ASSIGN_OR_RETURN(File manifest, File::OpenForUpdate(path));
    QSTORE_ASSIGN_OR_RETURN(const uint64_t size_bytes, manifest.SizeBytes());
    if (size_bytes < durable.size_bytes) {
      return absl::DataLossError(
          absl::StrCat(path.string(), " has ", size_bytes, " bytes, of which ",
                       durable.size_bytes, " were written"));
    }
    if (size_bytes > durable.size_bytes) {
      QSTORE_RETURN_IF_ERROR(manifest.Truncate(durable.size_bytes));
    }
    QSTORE_RETURN_IF_ERROR(manifest.Sync());
    QSTORE_RETURN_IF_ERROR(manifest.Close());
  }
  const std::string content = durable.name + "\n";
  const auto current = ReadWholeFile(directory / "CURRENT", kMaxCurrentBytes);
  if (current.ok() && *current == content) return SyncDirectory(directory);
  return WriteCurrent(directory, content);
}

}  // namespace qstore::storage
