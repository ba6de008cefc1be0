#include "storage/rocksdb/table_writer.h"

#include <rocksdb/options.h>

#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "base/failpoints/failpoint.h"
#include "base/status.h"
#include "storage/rocksdb/status.h"

namespace qstore::storage {

TableWriter::TableWriter(std::shared_ptr<Database> database)
    : database_(std::move(database)) {}

TableWriter::~TableWriter() {
  for (auto& table : tables_) table.reset();
  for (const std::string& path : paths_) {
    std::error_code ignored;
    if (!path.empty()) std::filesystem::remove(path, ignored);
  }
}

absl::Status TableWriter::Put(Column column, std::string_view key,
                              ByteView value) {
  QSTORE_RETURN_IF_ERROR(Write(column, key, [&](Table* table) {
    return table->Put(ToSlice(key), ToSlice(AsStringView(value)));
  }));
  size_bytes_ += key.size() + value.size();
  return absl::OkStatus();
}

absl::Status TableWriter::Delete(Column column, std::string_view key) {
  return Write(column, key,
               [&](Table* table) { return table->Delete(ToSlice(key)); });
}

absl::Status TableWriter::DeleteRange(Column column, std::string_view begin,
                                      std::string_view end) {
  return Write(column, begin, [&](Table* table) {
    return table->DeleteRange(ToSlice(begin), ToSlice(end));
  });
}

absl::Status TableWriter::Ingest() {
  if (std::exchange(spent_, true)) {
    return absl::FailedPreconditionError("writer is spent");
  }
  // Whatever comes of it, this writer holds the database open no longer.
  const std::shared_ptr<Database> database = std::move(database_);
  const auto tables = std::move(tables_);
  std::vector<std::pair<Column, std::string>> finished;
  for (const Column column : Column::All()) {
    const size_t i = column.index();
    if (tables[i] == nullptr) continue;
    const rocksdb::Status status = tables[i]->Finish();
    if (!status.ok()) return ToStatus(status, "finishing " + paths_[i]);
    finished.emplace_back(column, paths_[i]);
  }
  if (finished.empty()) return absl::OkStatus();
  QSTORE_FAILPOINT("table.finished");
  // RocksDB syncs the files and their directory before they become part of the
  // database, all columns in one edit of its manifest.
  QSTORE_RETURN_IF_ERROR(database->Ingest(finished));
  QSTORE_FAILPOINT("table.ingested");
  return absl::OkStatus();
}

template <typename WriteTo>
absl::Status TableWriter::Write(Column column, std::string_view key,
                                const WriteTo& write_to) {
  if (spent_) return absl::FailedPreconditionError("writer is spent");
  QSTORE_FAILPOINT("table.put");
  auto& table = tables_[column.index()];
  if (table == nullptr) QSTORE_RETURN_IF_ERROR(OpenTable(column));
  const rocksdb::Status status = write_to(table.get());
  // A caller's mistake leaves the table as it was; a failed write does not.
  spent_ = !status.ok() && !status.IsInvalidArgument();
  return ToStatus(status, column.Describe(key));
}

absl::Status TableWriter::OpenTable(Column column) {
  QSTORE_FAILPOINT("table.begin");
  const auto options = database_->TableOptions(column);
  // Of the family only its name and number are taken, before this returns.
  const std::shared_ptr<Generation> now = database_->generation();
  auto table = std::make_unique<Table>(rocksdb::EnvOptions(options), options,
                                       now->Handle(column),
                                       /*invalidate_page_cache=*/false);
  std::string& path = paths_[column.index()];
  path = database_->NewStagingPath(column);
  const rocksdb::Status status = table->Open(path);
  if (!status.ok()) return ToStatus(status, "opening " + path);
  tables_[column.index()] = std::move(table);
  return absl::OkStatus();
}

}  // namespace qstore::storage
