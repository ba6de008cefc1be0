#include "server/upload/restore_uploads.h"

#include <spdlog/spdlog.h>

#include <chrono>
#include <ctime>
#include <memory>
#include <string>
#include <utility>

#include "server/upload/upload_session.h"

namespace qstore::server {

void RestoreUploads(storage::ModelStore* store,
                    const IngestResources& resources, UploadPark* park) {
  const auto now = static_cast<int64_t>(std::time(nullptr));
  for (storage::UnfinishedUpload& unfinished : store->TakeUnfinishedUploads()) {
    const std::string model = unfinished.model;
    const std::chrono::seconds left(unfinished.expires_unix_seconds - now);
    if (!park->keeps()) {
      spdlog::info("An unfinished upload of {} is dropped: none are kept",
                   model);
      continue;
    }
    absl::StatusOr<std::unique_ptr<UploadSession>> session =
        UploadSession::Restore(store, resources, std::move(unfinished));
    if (!session.ok()) {
      spdlog::warn("An unfinished upload of {} is dropped: {}", model,
                   std::string(session.status().message()));
      continue;
    }
    park->Restore(*std::move(session), left);
  }
}

}  // namespace qstore::server
