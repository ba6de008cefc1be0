#include "client/download/comparable_objects.h"

#include "client/download/download_job.h"
#include "model/model_files.h"
#include "wire/read_request.h"

namespace qstore::client {
namespace {

bool IsComparable(const DownloadLayout& layout, size_t object_index,
                  const ExportFormat* format) {
  const std::vector<DownloadLayout::Use>& uses = layout.uses(object_index);
  if (uses.empty() || layout.IsExportedHeader(object_index)) return false;
  const DownloadLayout::File& file = layout.files()[uses.front().file_index];
  return !IsRewritten(format, file.path) &&
         DownloadJob::CanBeChecked(layout.segment(uses.front()).place);
}

}  // namespace

bool IsRewritten(const ExportFormat* format, const std::string& path) {
  return format != nullptr && model::IsModelDocument(path);
}

ComparableObjects FindComparableObjects(const DownloadLayout& layout,
                                        size_t object_count,
                                        const ExportFormat* format) {
  ComparableObjects found;
  v1::ObjectRange* range = nullptr;
  for (uint64_t i = 0; i < object_count; ++i) {
    if (!IsComparable(layout, i, format)) {
      range = nullptr;
      continue;
    }
    if (range == nullptr) {
      if (static_cast<size_t>(found.named.objects_size()) ==
          wire::kMaxHeldEntries) {
        break;
      }
      range = found.named.add_objects();
      range->set_first(i);
    }
    range->set_end(i + 1);
  }
  for (const v1::ObjectRange& one : found.named.objects()) {
    found.chunks.AddObjects(one.first(), one.end());
  }
  return found;
}

}  // namespace qstore::client
