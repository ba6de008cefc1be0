#include "server/engines.h"

#include <spdlog/spdlog.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/quote.h"
#include "storage/memory/engine.h"
#include "storage/rocksdb/engine.h"
#include "storage/rocksdb/foreign_files.h"

namespace qstore::server {
namespace {

using EngineOrError = absl::StatusOr<storage::Engine>;

void LogWriting(const absl::Status& status) {
  if (status.ok()) {
    spdlog::warn("the store takes writes again");
  } else {
    spdlog::error(
        "the store takes no writes, and tries again several times a second; "
        "reads go on, and what was acknowledged is there; see to the disk: {}",
        status.ToString());
  }
}

EngineOrError OpenRocksDb(const ServerOptions& options) {
  const absl::Status empty = storage::CheckNoForeignFiles(options.data_dir);
  if (!empty.ok()) return empty;
  storage::RocksDbOptions engine_options;
  engine_options.block_cache_bytes = options.block_cache_bytes;
  engine_options.report_writing = LogWriting;
  return storage::OpenRocksDbEngine(options.data_dir, engine_options);
}

EngineOrError OpenMemory(const ServerOptions& /*options*/) {
  return storage::NewMemoryEngine();
}

struct EngineEntry {
  const char* name;
  EngineOrError (*open)(const ServerOptions& options);
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

EngineOrError OpenEngine(const ServerOptions& options) {
  for (const EngineEntry& entry : kEngines) {
    if (options.engine == entry.name) return entry.open(options);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("unknown engine ", Quoted(options.engine), "; use one of ",
                   EngineNames()));
}

}  // namespace qstore::server
