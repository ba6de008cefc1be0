#include "server/calls/model_pages.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/error_reason.h"
#include "base/status.h"
#include "base/text/quote.h"
#include "model/names.h"
#include "wire/manifest_pages.h"

namespace qstore::server {
namespace {

// Where a page begins: at a model, behind so many of its tags and revisions.
struct ModelPosition {
  std::string model;
  uint64_t entries = 0;
};

// "ENTRIES:MODEL".
absl::StatusOr<ModelPosition> ParseToken(const std::string& token) {
  ModelPosition position;
  if (token.empty()) return position;
  const size_t colon = token.find(':');
  if (colon != std::string::npos) position.model = token.substr(colon + 1);
  if (colon == std::string::npos ||
      !absl::SimpleAtoi(token.substr(0, colon), &position.entries) ||
      !ValidateModelName(position.model).ok()) {
    return WithReason(
        absl::InvalidArgumentError(absl::StrCat(
            "the page token ", Quoted(token),
            " is not one that an answer had: begin again without a token")),
        kReasonInvalidPageToken);
  }
  return position;
}

}  // namespace

absl::Status FillModelPage(std::span<const storage::ModelSummary> models,
                           const v1::ListModelsRequest& request,
                           v1::ListModelsResponse* response) {
  QSTORE_ASSIGN_OR_RETURN(ModelPosition position,
                          ParseToken(request.page_token()));
  uint64_t page_bytes = 0;
  const auto full = [&] { return page_bytes >= wire::kPageBytes; };
  auto model = std::lower_bound(
      models.begin(), models.end(), position.model,
      [](const storage::ModelSummary& summary, const std::string& name) {
        return summary.name < name;
      });
  for (; model != models.end(); ++model) {
    if (!model->name.starts_with(request.prefix())) continue;
    const size_t tag_count = model->tags.size();
    const size_t end = tag_count + model->revisions.size();
    size_t entry = model->name == position.model
                       ? std::min<size_t>(position.entries, end)
                       : 0;
    if (full()) {
      response->set_next_page_token(absl::StrCat(entry, ":", model->name));
      return absl::OkStatus();
    }
    v1::ModelSummary* summary = response->add_models();
    summary->set_name(model->name);
    page_bytes += model->name.size() + 8;
    for (; entry < end && !full(); ++entry) {
      if (entry < tag_count) {
        const storage::ModelSummary::Tag& tag = model->tags[entry];
        v1::TagSummary* tag_summary = summary->add_tags();
        tag_summary->set_name(tag.name);
        tag_summary->set_revision(tag.revision);
        page_bytes += tag_summary->ByteSizeLong() + 4;
      } else {
        const std::string& revision = model->revisions[entry - tag_count];
        summary->add_revisions(revision);
        page_bytes += revision.size() + 4;
      }
    }
    if (entry < end) {
      response->set_next_page_token(absl::StrCat(entry, ":", model->name));
      return absl::OkStatus();
    }
  }
  return absl::OkStatus();
}

}  // namespace qstore::server
