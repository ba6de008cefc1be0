// set_format_version DIR NUMBER: writes the format version of the store in DIR,
// as builds of another format would. For tests/e2e/test_formats.py.
#include <cstdio>
#include <string>

#include "storage/records/record_table.h"
#include "storage/rocksdb/engine.h"

int main(int argc, char** argv) {
  using namespace qstore::storage;  // NOLINT(google-build-using-namespace)
  if (argc != 3) return 2;
  auto engine = OpenRocksDbEngine(argv[1], {});
  absl::Status status = engine.status();
  if (status.ok()) {
    RecordBatch batch;
    batch.PutFormatVersion(static_cast<uint32_t>(std::stoul(argv[2])));
    status = engine->records->Commit(batch.writes());
  }
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
