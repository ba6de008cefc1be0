#include "server/limits/quotas.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/error_reason.h"
#include "base/status.h"
#include "base/text/byte_format.h"
#include "base/text/quote.h"
#include "server/byte_size.h"
#include "storage/records/records.h"

namespace qstore::server {
namespace {

// As whoever set the quota has written it.
std::string SizeGiven(uint64_t bytes) {
  std::string text = ByteSizeText(bytes);
  if (absl::ascii_isdigit(static_cast<unsigned char>(text.back()))) {
    text += " B";
  }
  return text;
}

// What is used is a signed number, and may be past a quota by an upload.
constexpr ByteSizeRange kQuotaRange{.least_bytes = 1,
                                    .most_bytes = uint64_t{1} << 62};

}  // namespace

absl::StatusOr<QuotaLimit> ParseQuota(const std::string& text) {
  const size_t sign = text.rfind('=');
  if (sign == std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--quota ", Quoted(text), " is not PREFIX=SIZE, as in org/=500GiB"));
  }
  const auto size = ParseByteSize(text.substr(sign + 1), kQuotaRange);
  if (!size.ok()) return Annotate(size.status(), "--quota " + Quoted(text));
  return QuotaLimit{.prefix = text.substr(0, sign), .max_bytes = *size};
}

Quotas::Quotas(std::vector<QuotaLimit> limits) {
  for (QuotaLimit& limit : limits) entries_.push_back({std::move(limit), 0});
}

absl::Status Quotas::Load(storage::ModelStore* store) {
  {
    const absl::MutexLock lock(&mutex_);
    if (entries_.empty()) return absl::OkStatus();
  }
  QSTORE_ASSIGN_OR_RETURN(const auto models, store->ListModels());
  for (const storage::ModelSummary& model : models) {
    for (const std::string& revision : model.revisions) {
      ModelReference reference;
      reference.model = model.name;
      reference.revision_prefix = revision;
      const auto reader = store->OpenRevision(reference);
      if (!reader.ok()) {
        spdlog::warn("{} does not count for quotas: {}", reference.ToString(),
                     std::string(reader.status().message()));
        continue;
      }
      Add(model.name,
          static_cast<int64_t>((*reader)->revision().stored.total()));
    }
  }
  return absl::OkStatus();
}

void Quotas::Add(const std::string& model, int64_t bytes) {
  const absl::MutexLock lock(&mutex_);
  for (Entry& entry : entries_) {
    if (model.starts_with(entry.limit.prefix)) entry.used_bytes += bytes;
  }
}

void Quotas::Subtract(const std::string& model, uint64_t stored_bytes) {
  Add(model, -static_cast<int64_t>(stored_bytes));
}

absl::Status Quotas::Change(const std::string& model, uint64_t from_bytes,
                            uint64_t to_bytes) {
  const auto more = static_cast<int64_t>(to_bytes - from_bytes);
  const absl::MutexLock lock(&mutex_);
  for (const Entry& entry : entries_) {
    const auto& [prefix, max_bytes] = entry.limit;
    if (more < 0 || !model.starts_with(prefix) ||
        entry.used_bytes + more <= static_cast<int64_t>(max_bytes)) {
      continue;
    }
    const int64_t others = entry.used_bytes - static_cast<int64_t>(from_bytes);
    return WithReason(
        absl::ResourceExhaustedError(absl::StrCat(
            "the quota of models whose names begin with ", Quoted(prefix),
            " is ", SizeGiven(max_bytes), ": others use ",
            FormatBytes(static_cast<uint64_t>(std::max<int64_t>(0, others))),
            ", and this upload takes ", FormatBytes(to_bytes),
            " up to here; delete models or have the quota raised")),
        kReasonQuotaExceeded);
  }
  for (Entry& entry : entries_) {
    if (model.starts_with(entry.limit.prefix)) entry.used_bytes += more;
  }
  return absl::OkStatus();
}

Quotas::Claim::Claim(Claim&& other) noexcept
    : quotas_(std::exchange(other.quotas_, nullptr)),
      model_(std::move(other.model_)),
      bytes_(other.bytes_) {}

Quotas::Claim& Quotas::Claim::operator=(Claim&& other) noexcept {
  std::swap(quotas_, other.quotas_);
  std::swap(model_, other.model_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

Quotas::Claim::~Claim() {
  if (quotas_ != nullptr) quotas_->Subtract(model_, bytes_);
}

absl::Status Quotas::Claim::Update(uint64_t stored_bytes) {
  if (quotas_ == nullptr) return absl::OkStatus();
  QSTORE_RETURN_IF_ERROR(quotas_->Change(model_, bytes_, stored_bytes));
  bytes_ = stored_bytes;
  return absl::OkStatus();
}

}  // namespace qstore::server
