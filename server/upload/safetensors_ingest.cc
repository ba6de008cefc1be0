#include "server/upload/safetensors_ingest.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error_reason.h"
#include "base/status.h"
#include "base/text/quote.h"
#include "server/calls/status_mapping.h"
#include "server/limits/metadata_lease.h"
#include "server/upload/upload_checkpoint.h"

namespace qstore::server {

SafetensorsIngest::SafetensorsIngest(
    const FileIngestContext& context, std::string label, uint64_t size_bytes,
    std::optional<v1::TensorSelection> selection)
    : context_(context),
      label_(std::move(label)),
      size_bytes_(size_bytes),
      selection_(std::move(selection)) {}

absl::Status SafetensorsIngest::Append(ByteView bytes) {
  if (!header_parsed_) {
    const size_t collected_bytes = header_.size();
    const absl::Status status = Annotate(CollectHeader(&bytes), label_);
    if (absl::IsCancelled(status)) header_.resize(collected_bytes);
    QSTORE_RETURN_IF_ERROR(status);
  }
  return AppendToTensors(bytes);
}

absl::StatusOr<std::vector<PendingSegment>> SafetensorsIngest::Finish() {
  if (!header_parsed_) {
    return WithReason(
        absl::InvalidArgumentError(absl::StrCat(
            label_, ": the file has ", size_bytes_,
            " bytes and ends within its safetensors header; is it complete?")),
        kReasonInvalidSafetensors);
  }
  // The parser has checked that the tensors cover the file exactly, so only
  // tensors without bytes can be left.
  while (next_tensor_ < tensors_.size() || splitter_) {
    if (splitter_) {
      QSTORE_RETURN_IF_ERROR(EndTensor());
    } else {
      QSTORE_RETURN_IF_ERROR(BeginNextTensor());
    }
  }
  return std::move(segments_);
}

uint64_t SafetensorsIngest::partial_bytes() const {
  if (!header_parsed_) return header_.size();
  return splitter_ ? splitter_->partial_bytes() : 0;
}

void SafetensorsIngest::DropPartial() {
  if (splitter_) splitter_->DropPartial();
  ByteVector().swap(header_);
  header_lease_.Release();
  if (!header_parsed_) header_bytes_ = 0;
}

bool SafetensorsIngest::Save(upload::v1::UploadCheckpoint* checkpoint) const {
  if (!header_parsed_ || (splitter_ && splitter_->any_submitted()))
    return false;
  SaveSegments(segments_, checkpoint->mutable_open_file());
  const size_t first = splitter_ ? next_tensor_ - 1 : next_tensor_;
  std::string* quantized = checkpoint->mutable_quantized()->mutable_bits();
  quantized->resize((tensors_.size() - first + 7) / 8);
  for (size_t i = first; i < tensors_.size(); ++i) {
    SaveMissingTensor(tensors_[i], checkpoint->add_missing_tensors());
    const size_t bit = i - first;
    if (quantized_[i]) (*quantized)[bit / 8] |= static_cast<char>(1 << bit % 8);
  }
  return true;
}

absl::Status SafetensorsIngest::Restore(
    const upload::v1::UploadCheckpoint& checkpoint) {
  QSTORE_ASSIGN_OR_RETURN(segments_,
                          RestoreSegments(checkpoint, checkpoint.open_file()));
  uint64_t end_bytes = RawBytesOf(segments_);
  for (const upload::v1::MissingTensor& missing :
       checkpoint.missing_tensors()) {
    QSTORE_ASSIGN_OR_RETURN(TensorEntry tensor,
                            RestoreMissingTensor(missing, end_bytes));
    end_bytes = tensor.end_bytes;
    tensors_.push_back(std::move(tensor));
  }
  QSTORE_ASSIGN_OR_RETURN(
      quantized_, context_.policy->Select(tensors_, &checkpoint.quantized()));
  if (end_bytes != size_bytes_) {
    return absl::DataLossError(
        absl::StrCat("what has come of it and what is missing are ", end_bytes,
                     " bytes, but it has ", size_bytes_));
  }
  header_parsed_ = true;
  return absl::OkStatus();
}

bool SafetensorsIngest::FillHeader(uint64_t target_bytes, ByteView* bytes) {
  const size_t taken =
      std::min<uint64_t>(target_bytes - header_.size(), bytes->size());
  header_.insert(header_.end(), bytes->begin(), bytes->begin() + taken);
  *bytes = bytes->subspan(taken);
  return header_.size() == target_bytes;
}

absl::Status SafetensorsIngest::CollectHeader(ByteView* bytes) {
  if (header_bytes_ == 0) {
    if (!FillHeader(kSafetensorsLengthBytes, bytes)) return absl::OkStatus();
    const absl::StatusOr<uint64_t> json_bytes = ParseSafetensorsLength(
        header_, size_bytes_,
        context_.resources->limits.max_safetensors_header_bytes);
    if (!json_bytes.ok()) {
      return WithReason(json_bytes.status(), kReasonInvalidSafetensors);
    }
    header_bytes_ = kSafetensorsLengthBytes + *json_bytes;
    // The parsed form takes about as much again. Never more than a chunk's
    // share, which every upload is sure to get in the end.
    auto lease = context_.resources->budget->AcquireUnless(
        std::min(2 * header_bytes_, kMaxChunkLeaseBytes),
        context_.resources->cancelled);
    if (!lease.has_value()) {
      return ClientGoneError();
    }
    header_lease_ = *std::move(lease);
  }
  if (!FillHeader(header_bytes_, bytes)) return absl::OkStatus();
  return ParseHeader();
}

absl::Status SafetensorsIngest::ParseHeader() {
  const ByteView json = ByteView(header_).subspan(kSafetensorsLengthBytes);
  absl::StatusOr<SafetensorsHeader> parsed =
      ParseSafetensorsHeader(json, size_bytes_ - header_bytes_);
  if (!parsed.ok()) {
    return WithReason(parsed.status(), kReasonInvalidSafetensors);
  }
  tensors_ = std::move(parsed->tensors);
  QSTORE_ASSIGN_OR_RETURN(
      quantized_, context_.policy->Select(
                      tensors_, selection_.has_value() ? &*selection_ : nullptr,
                      context_.resources->call_over));
  *context_.tensor_count += tensors_.size();
  const uint64_t max_tensors = context_.resources->limits.max_tensors;
  if (*context_.tensor_count > max_tensors) {
    return WithReason(
        absl::InvalidArgumentError(absl::StrCat(
            "the upload has ", *context_.tensor_count,
            " tensors up to here, but at most ", max_tensors, " are allowed")),
        kReasonUploadTooLarge);
  }
  if (context_.resources->metadata != nullptr) {
    uint64_t kept_bytes = 0;
    for (const TensorEntry& tensor : tensors_) {
      kept_bytes += UploadBytesOf(tensor);
    }
    QSTORE_ASSIGN_OR_RETURN(
        auto lease, LeaseMetadata(context_.resources->metadata, kept_bytes));
    context_.metadata_leases->push_back(std::move(lease));
    *context_.metadata_bytes += kept_bytes;
  }
  // The header's chunks take leases of their own; holding this one meanwhile
  // could block the uploads that wait for each other's.
  header_lease_.Release();
  ObjectSplitter splitter(context_.pipeline,
                          PlanOpaque(label_ + ": header", header_bytes_));
  QSTORE_RETURN_IF_ERROR(splitter.Append(header_));
  QSTORE_ASSIGN_OR_RETURN(const size_t position, splitter.Finish());
  segments_.push_back({position, "", header_bytes_});
  ByteVector().swap(header_);
  header_parsed_ = true;
  return absl::OkStatus();
}

absl::Status SafetensorsIngest::AppendToTensors(ByteView bytes) {
  while (!bytes.empty()) {
    if (!splitter_) {
      QSTORE_RETURN_IF_ERROR(BeginNextTensor());
    } else if (splitter_->remaining_bytes() == 0) {
      QSTORE_RETURN_IF_ERROR(EndTensor());
    } else {
      const size_t taken =
          std::min<uint64_t>(bytes.size(), splitter_->remaining_bytes());
      QSTORE_RETURN_IF_ERROR(splitter_->Append(bytes.first(taken)));
      bytes = bytes.subspan(taken);
    }
  }
  return absl::OkStatus();
}

absl::Status SafetensorsIngest::BeginNextTensor() {
  if (next_tensor_ == tensors_.size()) {
    return absl::InternalError(
        absl::StrCat(label_, ": bytes left after the last tensor"));
  }
  const size_t index = next_tensor_++;
  const TensorEntry& tensor = tensors_[index];
  std::string label = absl::StrCat(label_, ": tensor ", Quoted(tensor.name));
  splitter_.emplace(context_.pipeline,
                    quantized_[index]
                        ? PlanQuantizedTensor(std::move(label), tensor,
                                              *context_.policy->quantizer(),
                                              context_.policy->coder())
                        : PlanPlainTensor(std::move(label), tensor));
  return absl::OkStatus();
}

absl::Status SafetensorsIngest::EndTensor() {
  QSTORE_ASSIGN_OR_RETURN(const size_t position, splitter_->Finish());
  splitter_.reset();
  const TensorEntry& tensor = tensors_[next_tensor_ - 1];
  segments_.push_back({position, tensor.name, tensor.size_bytes()});
  return absl::OkStatus();
}

}  // namespace qstore::server
