#include "storage/rocksdb/range_deletion.h"

#include <rocksdb/convenience.h>
#include <rocksdb/db.h>

#include <algorithm>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/failpoints/failpoint.h"
#include "base/status.h"
#include "storage/rocksdb/status.h"
#include "storage/rocksdb/table_writer.h"
#include "storage/rocksdb/versions.h"

namespace qstore::storage {
namespace {

using rocksdb::Slice;
using rocksdb::Status;

bool Overlaps(const KeyRange& range, std::string_view first,
              std::string_view last) {
  return range.first <= last && range.last >= first;
}

// A compaction that meets a damaged block stops all writes until the database
// is opened again; so damage is looked for before one is asked for.
absl::Status Compact(Database* database, Column column, std::string_view first,
                     std::string_view last) {
  const rocksdb::Options native = database->TableOptions(column);
  for (const TableFile& file : TableFiles(database, column)) {
    if (!Overlaps(file.range, first, last)) continue;
    const Status status = rocksdb::VerifySstFileChecksum(
        native, rocksdb::EnvOptions(native), file.path);
    if (!status.ok()) return ToStatus(status, file.path);
  }
  rocksdb::CompactRangeOptions options;
  options.exclusive_manual_compaction = false;
  // Else a file of marks with nothing below it would be moved there as it is,
  // for good.
  options.bottommost_level_compaction =
      rocksdb::BottommostLevelCompaction::kForceOptimized;
  const Slice first_slice = ToSlice(first);
  const Slice last_slice = ToSlice(last);
  return database->Apply(
      [&](Generation* now) {
        return now->db().CompactRange(options, now->Handle(column),
                                      &first_slice, &last_slice);
      },
      "rewriting tables");
}

// Whether a deletion was marked here whose file was not rewritten: only marks
// lie in level 0.
bool HasMarks(Database* database, Column column, std::string_view first,
              std::string_view last) {
  const std::vector<TableFile> files = TableFiles(database, column);
  return std::any_of(files.begin(), files.end(), [&](const TableFile& file) {
    return file.level == 0 && Overlaps(file.range, first, last);
  });
}

// What shares a file with other keys is marked, then the file is rewritten.
absl::Status RewriteWithout(const std::shared_ptr<Database>& database,
                            Column column, std::string_view begin,
                            std::string_view end) {
  QSTORE_FAILPOINT("range.mark");
  TableWriter marks(database);
  QSTORE_RETURN_IF_ERROR(marks.DeleteRange(column, begin, end));
  QSTORE_RETURN_IF_ERROR(marks.Ingest());
  QSTORE_FAILPOINT("range.marked");
  return Compact(database.get(), column, begin, end);
}

}  // namespace

std::vector<TableFile> TableFiles(Database* database, Column column) {
  rocksdb::ColumnFamilyMetaData metadata;
  const std::shared_ptr<Generation> now = database->generation();
  now->db().GetColumnFamilyMetaData(now->Handle(column), &metadata);
  std::vector<TableFile> files;
  for (const rocksdb::LevelMetaData& level : metadata.levels) {
    for (const rocksdb::SstFileMetaData& file : level.files) {
      files.push_back({level.level,
                       absl::StrCat(file.db_path, file.name),
                       {file.smallestkey, file.largestkey}});
    }
  }
  return files;
}

absl::Status DeleteRange(const std::shared_ptr<Database>& database,
                         Column column, std::string_view begin,
                         std::string_view end) {
  if (begin >= end) return absl::OkStatus();
  QSTORE_FAILPOINT("range.begin");
  const Slice begin_slice = ToSlice(begin);
  const Slice end_slice = ToSlice(end);
  // Whole files go without being read.
  const rocksdb::RangePtr range(&begin_slice, &end_slice);
  QSTORE_RETURN_IF_ERROR(database->Apply(
      [&](Generation* now) {
        return rocksdb::DeleteFilesInRanges(&now->db(), now->Handle(column),
                                            &range, 1, /*include_end=*/false);
      },
      "deleting tables"));
  bool any_left = true;
  {
    const auto iterator = database->NewIterator(column, &end_slice);
    iterator->Seek(begin_slice);
    any_left = iterator->Valid() || !iterator->status().ok();
  }
  if (any_left) {
    QSTORE_RETURN_IF_ERROR(RewriteWithout(database, column, begin, end));
  } else if (HasMarks(database.get(), column, begin, end)) {
    // An earlier attempt got no further.
    QSTORE_RETURN_IF_ERROR(Compact(database.get(), column, begin, end));
  }
  // A reader in mid-call keeps the files of the state it began with, and what
  // replaced them does not look again; enabling deletions does.
  const std::shared_ptr<Generation> now = database->generation();
  if (now->db().DisableFileDeletions().ok()) EnableFileDeletions(&now->db());
  return absl::OkStatus();
}

void FinishDeletions(Database* database) {
  for (const Family family : AllFamilies()) {
    const Column column = Column::Of(family);
    // Level 0: see HasMarks.
    for (const TableFile& file : TableFiles(database, column)) {
      if (file.level != 0) continue;
      Compact(database, column, file.range.first, file.range.last)
          .IgnoreError();
    }
  }
}

}  // namespace qstore::storage
