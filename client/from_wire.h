// Messages of the server as the library's own types.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "client/listing.h"
#include "client/results.h"
#include "model/layer_bytes.h"
#include "qstore/v1/admin.pb.h"
#include "qstore/v1/model_store.pb.h"

namespace qstore::client {

model::LayerBytes FromWire(const v1::BytesByKind& bytes);
std::vector<ModelListing> FromWire(const v1::ListModelsResponse& response);
// INTERNAL names the tensor whose dtype is not known.
absl::StatusOr<RevisionListing> FromWire(
    const v1::GetRevisionResponse& response);
DeleteResult FromWire(const v1::DeleteResponse& response);
VerifyResult FromWire(const v1::VerifyResponse& response);
BackupResult FromWire(const v1::CreateBackupResponse& response);
ScrubStatus FromWire(const v1::ScrubStatus& scrub);

}  // namespace qstore::client
