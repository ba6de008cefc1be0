// Calls of the Admin service and what they answered, as JSON and as people read
// it.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cancellation.h"
#include "client/connection.h"
#include "nlohmann/json.hpp"
#include "qstore/v1/admin.pb.h"

namespace qstore::client {

// The connection stands.
absl::StatusOr<v1::CreateBackupResponse> CreateBackup(
    Connection* connection, const std::string& name,
    Cancellation* cancellation);

nlohmann::ordered_json ToJson(const v1::CreateBackupResponse& response);
std::string DescribeBackup(const std::string& name,
                           const v1::CreateBackupResponse& response);

absl::StatusOr<v1::ScrubStatus> GetScrubStatus(Connection* connection,
                                               Cancellation* cancellation);

nlohmann::ordered_json ToJson(const v1::ScrubStatus& scrub);
std::string DescribeScrub(const v1::ScrubStatus& scrub);
// DATA_LOSS that says what to do when the scrub knows of damage, else OK.
absl::Status DamageError(const v1::ScrubStatus& scrub);

}  // namespace qstore::client
