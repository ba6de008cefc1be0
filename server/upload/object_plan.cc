#include "server/upload/object_plan.h"

#include <string_view>
#include <utility>

#include "model/dtype.h"

namespace qstore::server {
namespace {

constexpr std::string_view kContentHashDomain = "qstore object 1";

void DescribeTensor(const TensorEntry& tensor, storage::v1::ObjectKind kind,
                    storage::v1::Object* record) {
  record->set_kind(kind);
  record->set_dtype(static_cast<uint32_t>(tensor.dtype));
  for (const uint64_t extent : tensor.shape) record->add_shape(extent);
  record->set_raw_bytes(tensor.size_bytes());
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
  return record.shape(1) * DtypeBits(static_cast<Dtype>(record.dtype())) / 8;
}

uint64_t ObjectPlan::chunk_count() const {
  return record.raw_bytes() / chunk_raw_bytes +
         (record.raw_bytes() % chunk_raw_bytes != 0 ? 1 : 0);
}

ObjectPlan PlanOpaque(std::string label, uint64_t raw_bytes) {
  ObjectPlan plan;
  plan.record.set_kind(storage::v1::OBJECT_KIND_OPAQUE);
  plan.record.set_raw_bytes(raw_bytes);
  plan.label = std::move(label);
  plan.chunk_raw_bytes = codec::kPlainChunkBytes;
  plan.layout = codec::PlainLayout::kBytes;
  return plan;
}

ObjectPlan PlanPlainTensor(std::string label, const TensorEntry& tensor) {
  ObjectPlan plan;
  DescribeTensor(tensor, storage::v1::OBJECT_KIND_PLAIN, &plan.record);
  plan.label = std::move(label);
  plan.chunk_raw_bytes = codec::kPlainChunkBytes;
  plan.layout = codec::PlainLayoutFor(tensor.dtype);
  return plan;
}

ObjectPlan PlanQuantizedTensor(std::string label, const TensorEntry& tensor,
                               codec::Int8Coder coder) {
  ObjectPlan plan;
  DescribeTensor(tensor, storage::v1::OBJECT_KIND_QUANTIZED, &plan.record);
  storage::v1::Quantization* quantization = plan.record.mutable_quantization();
  quantization->set_quantizer(kAbsmaxQuantizer);
  quantization->set_strategy(
      static_cast<uint32_t>(codec::ScaleStrategy::kChannel));
  quantization->set_coder(static_cast<uint32_t>(coder));
  plan.label = std::move(label);
  plan.chunk_raw_bytes =
      codec::RowsPerChunk(tensor.shape[1]) * plan.row_bytes();
  return plan;
}

ContentHasher::ContentHasher(const ObjectPlan& plan) {
  const storage::v1::Object& record = plan.record;
  AddString(kContentHashDomain, &sha256_);
  AddInteger(static_cast<uint32_t>(record.kind()), &sha256_);
  AddInteger(record.dtype(), &sha256_);
  AddInteger(static_cast<uint32_t>(record.shape_size()), &sha256_);
  for (const uint64_t extent : record.shape()) AddInteger(extent, &sha256_);
  AddInteger(record.raw_bytes(), &sha256_);
  const storage::v1::Quantization& quantization = record.quantization();
  AddString(quantization.quantizer(), &sha256_);
  AddInteger(plan.quantized() ? kAbsmaxVersion : 0, &sha256_);
  AddInteger(quantization.strategy(), &sha256_);
  AddInteger(quantization.group_size(), &sha256_);
  AddInteger(quantization.coder(), &sha256_);
  AddInteger(plan.chunk_count(), &sha256_);
}

void ContentHasher::AddChunk(uint64_t raw_bytes,
                             const Sha256Digest& raw_sha256) {
  AddInteger(raw_bytes, &sha256_);
  sha256_.Update(raw_sha256);
}

}  // namespace qstore::server
