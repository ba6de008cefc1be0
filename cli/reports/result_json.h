// The results of the commands as JSON; docs/client.md lists the keys. Sizes are
// bytes, revisions have all their digits.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "cli/reports/report.h"
#include "client/listing.h"
#include "client/results.h"
#include "nlohmann/json.hpp"

namespace qstore::cli {

nlohmann::ordered_json ToJson(const client::UploadResult& result);
nlohmann::ordered_json ToJson(const client::DownloadResult& result);
nlohmann::ordered_json ToJson(const std::vector<client::ModelListing>& models);
nlohmann::ordered_json ToJson(const std::vector<client::ModelListing>& models,
                              const RevisionSummaries& summaries);
nlohmann::ordered_json ToJson(const client::RevisionListing& revision);
nlohmann::ordered_json ToJson(const client::DeleteResult& result);
nlohmann::ordered_json ToJson(const client::VerifyResult& result);
nlohmann::ordered_json ToJson(const client::BackupResult& result);
nlohmann::ordered_json ToJson(const client::ScrubStatus& scrub);

// {"code": "NOT_FOUND", "message": "...", "reason": "..."}; the reason where
// there is one. `message`: as people read it.
nlohmann::ordered_json ErrorJson(const absl::Status& error,
                                 const std::string& message);

}  // namespace qstore::cli
