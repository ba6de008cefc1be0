// config.json of a directory in INT8: the quantization_config of
// compressed-tensors, put into the text.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/export/export_format.h"

namespace qstore::client {

// `tensors`: all that the config.json governs, some of them quantized. Nothing
// else of the text changes, but for a byte order mark, which engines cannot
// read and which goes. FAILED_PRECONDITION, in words that follow "it" or naming
// tensors, when the text cannot be understood, says that the weights are
// quantized already, or the format cannot hold the tensors.
absl::StatusOr<std::string> RewriteConfig(
    const ExportFormat& format, const std::string& config,
    const std::vector<const ExportTensor*>& tensors);

}  // namespace qstore::client
