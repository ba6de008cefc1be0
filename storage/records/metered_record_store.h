// Counts what is read from a record store.
#pragma once

#include <memory>

#include "storage/read_meter.h"
#include "storage/records/record_store.h"

namespace qstore::storage {

// Counts records that Get finds.
std::shared_ptr<RecordStore> NewMeteredRecordStore(
    std::shared_ptr<RecordStore> target, std::shared_ptr<ReadMeter> meter);

}  // namespace qstore::storage
