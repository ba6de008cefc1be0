// Messages of the server and manifests as the library's own types.
#pragma once

#include <vector>

#include "client/listing.h"
#include "client/results.h"
#include "model/manifest.h"
#include "qstore/v1/admin.pb.h"
#include "qstore/v1/model_store.pb.h"

namespace qstore::client {

// Adds a page of models to those of the pages before.
void AddPage(const v1::ListModelsResponse& response,
             std::vector<ModelListing>* models);
RevisionListing ListingOf(const model::Manifest& manifest);
DeleteResult FromWire(const v1::DeleteResponse& response);
VerifyResult FromWire(const v1::VerifyResponse& response);
BackupResult FromWire(const v1::CreateBackupResponse& response);
ScrubStatus FromWire(const v1::ScrubStatus& scrub);

}  // namespace qstore::client
