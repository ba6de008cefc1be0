// Table files on their way into the database.
#pragma once

#include <rocksdb/sst_file_writer.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "base/bytes.h"
#include "storage/rocksdb/column.h"
#include "storage/rocksdb/database.h"

namespace qstore::storage {

// One table file per column, in the staging directory until Ingest; destroyed
// without, it deletes them. Keys of one column must ascend. One thread at a
// time. After a failed write the writer is spent.
class TableWriter {
 public:
  explicit TableWriter(std::shared_ptr<Database> database);
  ~TableWriter();
  TableWriter(const TableWriter&) = delete;
  TableWriter& operator=(const TableWriter&) = delete;

  absl::Status Put(Column column, std::string_view key, ByteView value);
  absl::Status Delete(Column column, std::string_view key);
  absl::Status DeleteRange(Column column, std::string_view begin,
                           std::string_view end);

  // Makes the files part of the database, all at once and durably. Call at most
  // once.
  absl::Status Ingest();

  // Bytes put so far, keys included.
  uint64_t size_bytes() const { return size_bytes_; }

 private:
  using Table = rocksdb::SstFileWriter;

  template <typename WriteTo>
  absl::Status Write(Column column, std::string_view key,
                     const WriteTo& write_to);
  absl::Status OpenTable(Column column);

  std::shared_ptr<Database> database_;  // null once it is spent by Ingest
  std::array<std::string, Column::kBound> paths_;
  std::array<std::unique_ptr<Table>, Column::kBound> tables_;
  uint64_t size_bytes_ = 0;
  bool spent_ = false;
};

}  // namespace qstore::storage
