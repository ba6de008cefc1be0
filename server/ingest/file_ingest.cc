#include "server/ingest/file_ingest.h"

#include "base/quote.h"
#include "server/ingest/opaque_ingest.h"
#include "server/ingest/safetensors_ingest.h"

namespace qstore::server {

std::unique_ptr<FileIngest> NewFileIngest(const FileIngestContext& context,
                                          const std::string& path,
                                          uint64_t size_bytes) {
  const std::string label = "file " + Quoted(path);
  if (path.ends_with(".safetensors")) {
    return std::make_unique<SafetensorsIngest>(context, label, size_bytes);
  }
  return std::make_unique<OpaqueIngest>(context, label, size_bytes);
}

}  // namespace qstore::server
