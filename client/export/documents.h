// Makes the JSON documents of a downloaded directory say what its exported
// files hold.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/export/export_format.h"
#include "client/export/shard_index.h"

namespace qstore::client {

// Rewrites each config.json that governs exported files and each index that
// names their tensors. `documents`: text by path, of all files that
// model::IsModelDocument names; `files`: the tensors of the model's safetensors
// files. Returns what the person should know, a sentence each: exported files
// that no config.json announces, indexes that cannot be read and so stay as
// they are. FAILED_PRECONDITION names the document that keeps the model from
// being exported.
absl::StatusOr<std::vector<std::string>> ExportDocuments(
    const ExportFormat& format, const TensorsByFile& files,
    std::map<std::string, std::string>* documents);

}  // namespace qstore::client
