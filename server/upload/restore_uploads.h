// Uploads that the process before this one did not finish.
#pragma once

#include "server/upload/ingest_resources.h"
#include "server/upload/upload_park.h"
#include "storage/model_store.h"

namespace qstore::server {

// Before the first call, once quotas know what the store holds: keeps what can
// be gone on with in `park`, and drops the rest. All outlive the park.
void RestoreUploads(storage::ModelStore* store,
                    const IngestResources& resources, UploadPark* park);

}  // namespace qstore::server
