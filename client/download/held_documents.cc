#include "client/download/held_documents.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/text/quote.h"
#include "client/export/export_format.h"
#include "client/server_faults.h"
#include "model/model_files.h"

namespace qstore::client {
namespace {

// An index of 300,000 tensors takes a third of it.
constexpr uint64_t kMaxDocumentBytes = 64u << 20;

}  // namespace

HeldDocuments::HeldDocuments(const std::vector<std::string>& paths,
                             FileWriter* inner)
    : inner_(inner) {
  for (size_t i = 0; i < paths.size(); ++i) {
    if (model::IsModelDocument(paths[i])) held_[i].path = paths[i];
  }
}

std::map<std::string, std::string> HeldDocuments::Documents() const {
  std::map<std::string, std::string> documents;
  for (const auto& [index, document] : held_) {
    documents[document.path] = document.text;
  }
  return documents;
}

absl::StatusOr<uint64_t> HeldDocuments::WriteDocuments(
    const std::map<std::string, std::string>& documents) {
  uint64_t sum_bytes = 0;
  for (const auto& [index, document] : held_) {
    const std::string& text = documents.at(document.path);
    QSTORE_RETURN_IF_ERROR(inner_->DeclareSize(index, text.size()));
    if (text.empty()) continue;
    QSTORE_RETURN_IF_ERROR(inner_->Write(index, 0, AsBytes(text)));
    sum_bytes += text.size();
  }
  return sum_bytes;
}

absl::Status HeldDocuments::DeclareSize(size_t file_index,
                                        uint64_t size_bytes) {
  const auto document = held_.find(file_index);
  if (document == held_.end()) {
    return inner_->DeclareSize(file_index, size_bytes);
  }
  if (size_bytes > kMaxDocumentBytes) {
    return NotExportableError(absl::StrCat(
        "file ", Quoted(document->second.path), " has ", size_bytes,
        " bytes, more than the ", kMaxDocumentBytes,
        " of a document that INT8 needs to read: fetch the original"));
  }
  document->second.text.assign(size_bytes, '\0');
  return absl::OkStatus();
}

absl::Status HeldDocuments::Write(size_t file_index, uint64_t offset_bytes,
                                  ByteView bytes) {
  const auto document = held_.find(file_index);
  if (document == held_.end()) {
    return inner_->Write(file_index, offset_bytes, bytes);
  }
  std::string& text = document->second.text;
  if (offset_bytes > text.size() || bytes.size() > text.size() - offset_bytes) {
    return ContradictionError(absl::StrCat(
        "file ", Quoted(document->second.path), " has ", text.size(),
        " bytes, not ", bytes.size(), " from byte ", offset_bytes, " on"));
  }
  // Chunks of one document come on several threads, each with its own bytes.
  if (!bytes.empty()) {
    std::memcpy(text.data() + offset_bytes, bytes.data(), bytes.size());
  }
  return absl::OkStatus();
}

absl::Status HeldDocuments::Copy(size_t from_index, uint64_t from_offset_bytes,
                                 size_t to_index, uint64_t to_offset_bytes,
                                 uint64_t size_bytes) {
  const auto from = held_.find(from_index);
  if (from == held_.end()) {
    return inner_->Copy(from_index, from_offset_bytes, to_index,
                        to_offset_bytes, size_bytes);
  }
  return Write(
      to_index, to_offset_bytes,
      AsBytes(from->second.text).subspan(from_offset_bytes, size_bytes));
}

bool HeldDocuments::CanResume(size_t file_index) const {
  return !IsHeld(file_index) && inner_->CanResume(file_index);
}

absl::Status HeldDocuments::ReadEarlier(size_t file_index,
                                        uint64_t offset_bytes,
                                        MutableByteView out) const {
  if (IsHeld(file_index)) {
    return absl::NotFoundError("documents are not kept");
  }
  return inner_->ReadEarlier(file_index, offset_bytes, out);
}

absl::Status HeldDocuments::KeepEarlier(size_t file_index,
                                        uint64_t size_bytes) {
  return inner_->KeepEarlier(file_index, size_bytes);
}

}  // namespace qstore::client
