// The index that tells in which shard each tensor is, for a model in INT8.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/export/export_format.h"

namespace qstore::client {

// Tensors of the safetensors files, by path from the model's directory.
using TensorsByFile = std::map<std::string, std::vector<ExportTensor>>;

// Names the parts of quantized tensors in the index at `path`, and corrects its
// total_size. A tensor that lies in several shards counts where the index says
// it is. Nothing else of the text changes. FAILED_PRECONDITION, in words that
// follow "it", when it cannot be understood.
absl::StatusOr<std::string> RewriteIndex(const ExportFormat& format,
                                         const std::string& path,
                                         const std::string& index,
                                         const TensorsByFile& files);

}  // namespace qstore::client
