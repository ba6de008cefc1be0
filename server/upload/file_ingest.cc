#include "server/upload/file_ingest.h"

#include <optional>

#include "base/quote.h"
#include "server/upload/opaque_ingest.h"
#include "server/upload/safetensors_ingest.h"

namespace qstore::server {

std::unique_ptr<FileIngest> NewFileIngest(const FileIngestContext& context,
                                          const v1::FileBegin& file) {
  const std::string label = "file " + Quoted(file.path());
  if (file.path().ends_with(".safetensors") && !file.as_bytes()) {
    return std::make_unique<SafetensorsIngest>(
        context, label, file.size_bytes(),
        file.has_quantized() ? std::optional(file.quantized()) : std::nullopt);
  }
  return std::make_unique<OpaqueIngest>(context, label, file.size_bytes());
}

}  // namespace qstore::server
