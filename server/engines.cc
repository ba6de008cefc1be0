#include "server/engines.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/text/quote.h"
#include "storage/memory/engine.h"
#include "storage/rocksdb/engine.h"
#include "storage/rocksdb/foreign_files.h"

namespace qstore::server {
namespace {

using EngineOrError = absl::StatusOr<storage::Engine>;

EngineOrError OpenRocksDb(const ServerOptions& options,
                          const storage::FailedWrite& report_failed_write) {
  const absl::Status empty = storage::CheckNoForeignFiles(options.data_dir);
  if (!empty.ok()) return empty;
  storage::RocksDbOptions engine_options;
  engine_options.block_cache_bytes = options.block_cache_bytes;
  engine_options.max_open_files = options.max_open_tables;
  engine_options.report_writing =
      [report_failed_write](const absl::Status& status) {
        if (!status.ok()) report_failed_write(status);
      };
  return storage::OpenRocksDbEngine(options.data_dir, engine_options);
}

EngineOrError OpenMemory(const ServerOptions& /*options*/,
                         const storage::FailedWrite& /*report_failed_write*/) {
  return storage::NewMemoryEngine();
}

struct EngineEntry {
  const char* name;
  EngineOrError (*open)(const ServerOptions& options,
                        const storage::FailedWrite& report_failed_write);
};

constexpr EngineEntry kEngines[] = {
    {"rocksdb", OpenRocksDb},
    {"memory", OpenMemory},
};

}  // namespace

std::string EngineNames() {
  return absl::StrJoin(kEngines, ", ",
                       [](std::string* out, const EngineEntry& entry) {
                         out->append(entry.name);
                       });
}

EngineOrError OpenEngine(const ServerOptions& options,
                         const storage::FailedWrite& report_failed_write) {
  for (const EngineEntry& entry : kEngines) {
    if (options.engine == entry.name) {
      return entry.open(options, report_failed_write);
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat("unknown engine ", Quoted(options.engine), "; use one of ",
                   EngineNames()));
}

}  // namespace qstore::server
