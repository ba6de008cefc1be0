// What the store's classes share.
#pragma once

#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "storage/engine.h"
#include "storage/object_table.h"
#include "storage/records/record_table.h"

namespace qstore::storage {

struct StoreState {
  StoreState(std::unique_ptr<Engine> engine_in, uint64_t next_id)
      : engine(std::move(engine_in)),
        records(engine.get()),
        objects(&records, next_id) {}

  const std::unique_ptr<Engine> engine;
  // Lookups at any time. What decides whether an object stays is committed
  // under `mutex`.
  RecordTable records;
  absl::Mutex mutex;
  ObjectTable objects ABSL_GUARDED_BY(mutex);
};

}  // namespace qstore::storage
