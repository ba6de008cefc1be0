#include "server/upload/file_ingest.h"

#include <optional>

#include "base/status.h"
#include "base/text/quote.h"
#include "server/upload/opaque_ingest.h"
#include "server/upload/safetensors_ingest.h"

namespace qstore::server {

namespace {

std::string LabelOf(const std::string& path) { return "file " + Quoted(path); }

}  // namespace

std::unique_ptr<FileIngest> NewFileIngest(const FileIngestContext& context,
                                          const v1::FileBegin& file) {
  const std::string label = LabelOf(file.path());
  if (file.path().ends_with(".safetensors") && !file.as_bytes()) {
    return std::make_unique<SafetensorsIngest>(
        context, label, file.size_bytes(),
        file.has_quantized() ? std::optional(file.quantized()) : std::nullopt);
  }
  return std::make_unique<OpaqueIngest>(context, label, file.size_bytes());
}

absl::StatusOr<std::unique_ptr<FileIngest>> RestoreFileIngest(
    const FileIngestContext& context,
    const upload::v1::UploadCheckpoint& checkpoint) {
  const upload::v1::ReceivedFile& file = checkpoint.open_file();
  auto ingest = std::make_unique<SafetensorsIngest>(
      context, LabelOf(file.path()), file.size_bytes(), std::nullopt);
  QSTORE_RETURN_IF_ERROR(
      Annotate(ingest->Restore(checkpoint), LabelOf(file.path())));
  return ingest;
}

}  // namespace qstore::server
