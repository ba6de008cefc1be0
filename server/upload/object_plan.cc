#include "server/upload/object_plan.h"

#include <string_view>
#include <utility>

#include "model/dtype.h"

namespace qstore::server {
namespace {

constexpr std::string_view kContentHashDomain = "qstore object 1";

// What an object is, in its content hash. DO NOT CHANGE THESE VALUES.
enum class HashedKind : uint32_t { kQuantized = 1, kPlain = 2, kOpaque = 3 };

HashedKind KindOf(const model::Object& record) {
  if (record.quantized()) return HashedKind::kQuantized;
  return record.is_tensor() ? HashedKind::kPlain : HashedKind::kOpaque;
}

void DescribeTensor(const TensorEntry& tensor, model::Object* record) {
  record->dtype = tensor.dtype;
  record->shape.assign(tensor.shape.begin(), tensor.shape.end());
  record->raw_bytes = tensor.size_bytes();
}

template <typename T>
void AddInteger(T value, Sha256* sha256) {
  uint8_t bytes[sizeof(T)];
  StoreLittleEndian(value, bytes);
  sha256->Update(bytes);
}

void AddString(std::string_view text, Sha256* sha256) {
  AddInteger(static_cast<uint32_t>(text.size()), sha256);
  sha256->Update(AsBytes(text));
}

}  // namespace

uint64_t ObjectPlan::row_bytes() const {
  return record.shape[1] * DtypeBits(*record.dtype) / 8;
}

codec::EncodeOptions ObjectPlan::encode_options() const {
  codec::EncodeOptions options;
  if (record.quantized()) {
    options.coder = record.quantization->coder;
    options.quantizer = quantizer;
  }
  return options;
}

uint64_t ObjectPlan::chunk_count() const {
  return record.raw_bytes / chunk_raw_bytes +
         (record.raw_bytes % chunk_raw_bytes != 0 ? 1 : 0);
}

ObjectPlan PlanOpaque(std::string label, uint64_t raw_bytes) {
  ObjectPlan plan;
  plan.record.raw_bytes = raw_bytes;
  plan.label = std::move(label);
  plan.chunk_raw_bytes = codec::kPlainChunkBytes;
  return plan;
}

ObjectPlan PlanPlainTensor(std::string label, const TensorEntry& tensor) {
  ObjectPlan plan;
  DescribeTensor(tensor, &plan.record);
  plan.label = std::move(label);
  plan.chunk_raw_bytes = codec::kPlainChunkBytes;
  return plan;
}

ObjectPlan PlanQuantizedTensor(std::string label, const TensorEntry& tensor,
                               const codec::Quantizer& quantizer,
                               codec::Int8Coder coder) {
  ObjectPlan plan;
  DescribeTensor(tensor, &plan.record);
  model::Quantization quantization;
  quantization.quantizer = std::string(quantizer.name);
  quantization.strategy = quantizer.strategy;
  quantization.coder = coder;
  plan.record.quantization = std::move(quantization);
  plan.quantizer = &quantizer;
  plan.label = std::move(label);
  plan.chunk_raw_bytes =
      codec::RowsPerChunk(tensor.shape[1]) * plan.row_bytes();
  return plan;
}

ContentHasher::ContentHasher(const ObjectPlan& plan) {
  const model::Object& record = plan.record;
  AddString(kContentHashDomain, &sha256_);
  AddInteger(static_cast<uint32_t>(KindOf(record)), &sha256_);
  AddInteger(
      record.dtype.has_value() ? static_cast<uint32_t>(*record.dtype) : 0,
      &sha256_);
  AddInteger(static_cast<uint32_t>(record.shape.size()), &sha256_);
  for (const uint64_t extent : record.shape) AddInteger(extent, &sha256_);
  AddInteger(record.raw_bytes, &sha256_);
  const model::Quantization quantization =
      record.quantization.value_or(model::Quantization());
  AddString(quantization.quantizer, &sha256_);
  AddInteger(plan.quantized() ? plan.quantizer->version : 0, &sha256_);
  AddInteger(
      plan.quantized() ? static_cast<uint32_t>(quantization.strategy) : 0,
      &sha256_);
  AddInteger(quantization.group_size, &sha256_);
  AddInteger(plan.quantized() ? static_cast<uint32_t>(quantization.coder) : 0,
             &sha256_);
  AddInteger(plan.chunk_count(), &sha256_);
}

void ContentHasher::AddChunk(uint64_t raw_bytes,
                             const Sha256Digest& raw_sha256) {
  AddInteger(raw_bytes, &sha256_);
  sha256_.Update(raw_sha256);
}

}  // namespace qstore::server
