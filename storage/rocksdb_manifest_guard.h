// A file system for RocksDB that keeps the files which a failed write of its
// manifest leaves in doubt.
#pragma once

#include <rocksdb/file_system.h>

#include <memory>

namespace qstore::storage {

// RocksDB takes an edit whose write or sync to MANIFEST failed for one that
// never was, and deletes the tables that it would have added. But the bytes may
// be on disk, and then the next start finds a manifest that names tables which
// are gone, and refuses. Here, from the first failure until CURRENT durably
// names a manifest that was written anew, which settles what is true, no table
// and no manifest is deleted: RocksDB is told OK, and they go when it is
// settled. When it never is, the next start deletes those that turn out to be
// unused.
//
// It also calls every failed write one that may be tried again, in a new file.
// That is what RocksDB does on disks that say so by themselves: it writes a new
// manifest, in a thread of its own, until it succeeds. For any other EIO it
// refuses writes until it is opened again; after an ENOSPC, 7.8 takes writes
// again but numbers tables with 0, an assertion that Debian's build has.
std::shared_ptr<rocksdb::FileSystem> NewManifestGuard(
    const std::shared_ptr<rocksdb::FileSystem>& target);

}  // namespace qstore::storage
