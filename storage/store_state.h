// What the store's classes share.
#pragma once

#include <cstdint>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "storage/engine.h"
#include "storage/objects/object_table.h"
#include "storage/records/record_table.h"

namespace qstore::storage {

struct StoreState {
  StoreState(Engine engine_in, uint64_t next_id)
      : engine(std::move(engine_in)),
        records(engine.records.get()),
        objects(&records, next_id) {}

  BlobStore& blobs() const { return *engine.blobs; }

  const Engine engine;
  // Lookups at any time. What decides whether an object stays is committed
  // under `mutex`.
  RecordTable records;
  absl::Mutex mutex;
  ObjectTable objects ABSL_GUARDED_BY(mutex);
};

}  // namespace qstore::storage
