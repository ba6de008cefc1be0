// Deletes ranges of values so that their space comes back.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "storage/blobs/blob_store.h"
#include "storage/rocksdb/column.h"
#include "storage/rocksdb/database.h"

namespace qstore::storage {

// A table file of the database.
struct TableFile {
  int level;
  std::string path;
  KeyRange range;
};
std::vector<TableFile> TableFiles(Database* database, Column column);

// See BlobStore::DeleteRange.
absl::Status DeleteRange(const std::shared_ptr<Database>& database,
                         Column column, std::string_view begin,
                         std::string_view end);

// Finishes what DeleteRange of an earlier process began. What cannot be
// finished is as good as deleted all the same.
void FinishDeletions(Database* database);

}  // namespace qstore::storage
