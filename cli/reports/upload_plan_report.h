// What `upload --dry-run` tells.
#pragma once

#include <string>

#include "client/upload/upload_plan.h"
#include "nlohmann/json.hpp"

namespace qstore::cli {

// A tensor a line, and their sum.
std::string DescribePlan(const client::UploadPlan& plan);
nlohmann::ordered_json ToJson(const client::UploadPlan& plan);

}  // namespace qstore::cli
