#include "codec/residual/residual_builder.h"

namespace qstore::codec {
namespace {

// Of buffers that the last chunk did not need.
constexpr size_t kKeptBlobBytes = 4u << 20;

}  // namespace

void ResidualBuilder::Start(std::vector<EncodedBlob>* residual) {
  residual_ = residual;
  for (EncodedBlob& blob : *residual) {
    spare_[blob.subgroup] = std::move(blob.bytes);
  }
  residual->clear();
}

ByteVector* ResidualBuilder::Append(uint8_t subgroup) {
  EncodedBlob& blob = residual_->emplace_back();
  blob.subgroup = subgroup;
  blob.bytes = std::move(spare_[subgroup]);
  blob.bytes.clear();
  return &blob.bytes;
}

void ResidualBuilder::Append(uint8_t subgroup, ByteVector blob) {
  residual_->push_back({subgroup, std::move(blob)});
}

uint64_t ResidualBuilder::TotalBytes() const {
  uint64_t bytes = 0;
  for (const EncodedBlob& blob : *residual_) {
    bytes += blob.bytes.size();
  }
  return bytes;
}

void ResidualBuilder::Finish() {
  residual_ = nullptr;
  size_t kept_bytes = 0;
  for (ByteVector& buffer : spare_) {
    kept_bytes += buffer.capacity();
    if (kept_bytes > kKeptBlobBytes) {
      kept_bytes -= buffer.capacity();
      buffer = ByteVector();  // `= {}` would keep its memory
    }
  }
}

}  // namespace qstore::codec
