// Where the RocksDB of Debian 12 (7.8) and that of Debian 13 (9.10) are called
// differently. Only here is the version asked for.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/version.h>

namespace qstore::storage {

// Undoes one DisableFileDeletions; the last one also deletes what nobody needs.
inline void EnableFileDeletions(rocksdb::DB* db) {
#if ROCKSDB_MAJOR >= 9
  db->EnableFileDeletions().PermitUncheckedError();
#else
  db->EnableFileDeletions(/*force=*/false).PermitUncheckedError();
#endif
}

}  // namespace qstore::storage
