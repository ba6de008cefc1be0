// The two stores under a ModelStore, as they are opened together.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "storage/blobs/blob_store.h"
#include "storage/records/record_store.h"

namespace qstore::storage {

// Decorators are put around either before a ModelStore gets it; what is done to
// a copy of this is done to the same stores.
struct Engine {
  std::shared_ptr<RecordStore> records;
  std::shared_ptr<BlobStore> blobs;

  // Copies both, as they are at one moment, into `directory`, which must not
  // exist while its parent must. Durable when it returns, but for the entry in
  // the parent. Files are shared as hard links where the file system can do so.
  // Opened as an engine, the copy is one of its own. Everything goes on
  // meanwhile, but space that is given back comes back only afterwards. After
  // an error nothing of the copy is left. Null for engines that keep no files.
  std::function<absl::Status(const std::filesystem::path& directory)>
      checkpoint;
};

}  // namespace qstore::storage
