// The results of the commands as JSON; docs/client.md lists the keys. Sizes are
// bytes, revisions have all their digits.
#pragma once

#include "absl/status/status.h"
#include "client/download/download.h"
#include "client/upload/upload.h"
#include "nlohmann/json.hpp"
#include "qstore/v1/model_store.pb.h"

namespace qstore::client {

nlohmann::ordered_json ToJson(const UploadResult& result);
nlohmann::ordered_json ToJson(const UploadPlan& plan);
nlohmann::ordered_json ToJson(const DownloadResult& result);
nlohmann::ordered_json ToJson(const v1::ListModelsResponse& response);
nlohmann::ordered_json ToJson(const v1::GetRevisionResponse& response);
nlohmann::ordered_json ToJson(const v1::DeleteResponse& response);
nlohmann::ordered_json ToJson(const v1::VerifyResponse& response);
// {"code": "NOT_FOUND", "message": "..."}
nlohmann::ordered_json ToJson(const absl::Status& error);

}  // namespace qstore::client
