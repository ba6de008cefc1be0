// Which objects of a revision need not come to be compared with files that lie
// where they would be written.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "client/download/download_layout.h"
#include "client/export/export_format.h"
#include "model/selection.h"
#include "qstore/v1/model_store.pb.h"

namespace qstore::client {

// Whether the format may change the file, so that what is there says nothing of
// what was uploaded; null: as it was uploaded.
bool IsRewritten(const ExportFormat* format, const std::string& path);

// Those whose bytes stand in a file as the server's checksums know them.
struct ComparableObjects {
  model::HeldChunks chunks;
  v1::Held named;  // the same, for a request; without its revision
};

// As many of them as a request may name.
ComparableObjects FindComparableObjects(const DownloadLayout& layout,
                                        size_t object_count,
                                        const ExportFormat* format);

}  // namespace qstore::client
