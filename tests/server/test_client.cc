#include "tests/server/test_client.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "base/hash.h"
#include "codec/chunk_codec.h"
#include "codec/plain/plain_codec.h"

namespace qstore::server {
namespace {

// Takes the messages of one download in order.
class DownloadDecoder {
 public:
  DownloadDecoder(v1::Precision precision, DownloadResult* result)
      : original_(precision == v1::PRECISION_ORIGINAL), result_(*result) {}

  void Take(const v1::DownloadResponse& response) {
    switch (response.event_case()) {
      case v1::DownloadResponse::kRevision:
        EXPECT_TRUE(result_.manifest.revision().empty());
        ParseChecked(response.revision(), &result_.manifest);
        break;
      case v1::DownloadResponse::kObject:
        TakeObject(response.object());
        break;
      case v1::DownloadResponse::kBlob:
        TakePart(response.blob());
        break;
      case v1::DownloadResponse::kEnd:
        TakeEnd(response.end());
        break;
      case v1::DownloadResponse::EVENT_NOT_SET:
        ADD_FAILURE() << "empty message";
    }
  }

  void AssembleFiles() {
    for (const v1::FileManifest& file : result_.manifest.files()) {
      std::string content;
      for (const v1::SegmentManifest& segment : file.segments()) {
        content += raw_[segment.object_index()];
      }
      EXPECT_EQ(content.size(), file.size_bytes()) << file.path();
      result_.files[file.path()] = std::move(content);
    }
  }

 private:
  template <typename Message>
  static void ParseChecked(const v1::Checked& checked, Message* message) {
    EXPECT_EQ(Xxh3(AsBytes(checked.serialized())), checked.xxh3());
    EXPECT_TRUE(message->ParseFromString(checked.serialized()));
  }

  void TakeObject(const v1::Checked& checked) {
    EXPECT_TRUE(ObjectComplete());
    v1::ObjectManifest object;
    ParseChecked(checked, &object);
    EXPECT_EQ(object.object_index(), result_.objects.size());
    result_.objects.push_back(object);
    chunk_ = 0;
    blobs_.clear();
    raw_[object.object_index()];
  }

  bool ObjectComplete() const {
    return result_.objects.empty() ||
           chunk_ == result_.objects.back().chunks_size();
  }

  void TakePart(const v1::BlobPart& part) {
    ASSERT_FALSE(result_.objects.empty());
    const v1::ObjectManifest& object = result_.objects.back();
    ASSERT_EQ(part.object_index(), object.object_index());
    ASSERT_EQ(part.chunk_index(), static_cast<uint32_t>(chunk_));
    ASSERT_LT(chunk_, object.chunks_size());
    const v1::ChunkManifest& chunk = object.chunks(chunk_);
    if (part.offset_bytes() == 0) blobs_.emplace_back();
    ASSERT_EQ(part.blob_index() + 1, blobs_.size());
    std::string& blob = blobs_.back();
    ASSERT_EQ(part.offset_bytes(), blob.size());
    blob += part.payload();
    const v1::BlobManifest& listed =
        chunk.blobs(static_cast<int>(part.blob_index()));
    Count(object, listed, part.payload().size());
    if (blob.size() < listed.size_bytes()) return;
    EXPECT_EQ(blob.size(), listed.size_bytes());
    EXPECT_EQ(Xxh3(AsBytes(blob)), listed.xxh3());
    if (static_cast<int>(blobs_.size()) == chunk.blobs_size()) {
      Decode(object, chunk);
      blobs_.clear();
      ++chunk_;
    }
  }

  void Count(const v1::ObjectManifest& object, const v1::BlobManifest& blob,
             uint64_t bytes) {
    v1::BytesByKind& sum = result_.received;
    switch (blob.kind()) {
      case v1::BLOB_KIND_INT8:
        sum.set_int8(sum.int8() + bytes);
        break;
      case v1::BLOB_KIND_RESIDUAL:
        sum.set_residual(sum.residual() + bytes);
        break;
      default:
        if (object.kind() == v1::OBJECT_KIND_OPAQUE) {
          sum.set_other(sum.other() + bytes);
        } else {
          sum.set_plain(sum.plain() + bytes);
        }
    }
  }

  void Decode(const v1::ObjectManifest& object,
              const v1::ChunkManifest& chunk) {
    if (object.kind() == v1::OBJECT_KIND_QUANTIZED) {
      DecodeQuantized(object, chunk);
      return;
    }
    ByteVector raw(chunk.raw_bytes());
    ASSERT_EQ(blobs_.size(), 1u);
    const absl::Status status = plain_.Decode(AsBytes(blobs_[0]), raw);
    ASSERT_TRUE(status.ok()) << status;
    TakeRaw(object, chunk, raw);
  }

  void DecodeQuantized(const v1::ObjectManifest& object,
                       const v1::ChunkManifest& chunk) {
    codec::ChunkShape shape;
    shape.format = object.dtype() == "F32"   ? codec::FloatFormat::kF32
                   : object.dtype() == "F16" ? codec::FloatFormat::kF16
                                             : codec::FloatFormat::kBF16;
    shape.rows = chunk.rows();
    shape.columns = static_cast<uint32_t>(object.shape(1));
    shape.strategy = static_cast<codec::ScaleStrategy>(object.scale_strategy());
    shape.group_size = object.group_size();
    if (!original_) {
      std::vector<int8_t> codes(shape.weight_count());
      std::vector<float> scales(shape.scale_count());
      const absl::Status status =
          chunk_codec_.DecodeInt8(shape, AsBytes(blobs_[0]), codes, scales);
      ASSERT_TRUE(status.ok()) << status;
      EXPECT_EQ(
          Xxh3({reinterpret_cast<const uint8_t*>(codes.data()), codes.size()}),
          chunk.codes_xxh3());
      EXPECT_EQ(Xxh3({reinterpret_cast<const uint8_t*>(scales.data()),
                      scales.size() * sizeof(float)}),
                chunk.scales_xxh3());
      std::vector<int8_t>& all = result_.codes[object.object_index()];
      all.insert(all.end(), codes.begin(), codes.end());
      return;
    }
    std::vector<codec::BlobView> residual;
    for (size_t i = 1; i < blobs_.size(); ++i) {
      const uint32_t subgroup = chunk.blobs(static_cast<int>(i)).subgroup();
      residual.push_back({static_cast<uint8_t>(subgroup), AsBytes(blobs_[i])});
    }
    ByteVector raw(chunk.raw_bytes());
    const absl::Status status =
        chunk_codec_.DecodeWeights(shape, AsBytes(blobs_[0]), residual, raw);
    ASSERT_TRUE(status.ok()) << status;
    TakeRaw(object, chunk, raw);
  }

  void TakeRaw(const v1::ObjectManifest& object, const v1::ChunkManifest& chunk,
               const ByteVector& raw) {
    EXPECT_EQ(Xxh3(raw), chunk.raw_xxh3());
    raw_[object.object_index()] += AsStringView(raw);
  }

  void TakeEnd(const v1::DownloadEnd& end) {
    EXPECT_TRUE(ObjectComplete());
    EXPECT_EQ(result_.objects.size(), result_.manifest.object_count());
    EXPECT_EQ(end.sent().SerializeAsString(),
              result_.received.SerializeAsString());
    EXPECT_EQ(end.sent().SerializeAsString(),
              result_.manifest.stored().SerializeAsString());
    result_.ended = true;
  }

  const bool original_;
  DownloadResult& result_;
  codec::ChunkDecoder chunk_codec_;
  codec::PlainCodec plain_;
  int chunk_ = 0;
  std::vector<std::string> blobs_;  // of the current chunk
  std::map<uint64_t, std::string> raw_;
};

}  // namespace

v1::Reference MakeReference(const std::string& model, const std::string& tag) {
  v1::Reference reference;
  reference.set_model(model);
  if (!tag.empty()) reference.set_tag(tag);
  return reference;
}

v1::UploadRequest BeginMessage(const std::string& name,
                               const std::string& tag) {
  v1::UploadRequest request;
  request.mutable_begin()->set_model(name);
  request.mutable_begin()->set_tag(tag);
  return request;
}

v1::UploadRequest FileMessage(const std::string& path, uint64_t size_bytes) {
  v1::UploadRequest request;
  request.mutable_file()->set_path(path);
  request.mutable_file()->set_size_bytes(size_bytes);
  return request;
}

v1::UploadRequest BytesMessage(const std::string& payload) {
  v1::UploadRequest request;
  request.mutable_bytes()->set_payload(payload);
  request.mutable_bytes()->set_xxh3(Xxh3(AsBytes(payload)));
  return request;
}

v1::UploadRequest EndMessage(uint64_t file_count, uint64_t total_bytes) {
  v1::UploadRequest request;
  request.mutable_end()->set_file_count(file_count);
  request.mutable_end()->set_total_bytes(total_bytes);
  return request;
}

std::vector<v1::UploadRequest> UploadMessages(const std::string& name,
                                              const TestModel& model,
                                              size_t payload_bytes) {
  std::vector<v1::UploadRequest> messages = {BeginMessage(name)};
  uint64_t total_bytes = 0;
  for (const auto& [path, content] : model) {
    messages.push_back(FileMessage(path, content.size()));
    for (size_t i = 0; i < content.size(); i += payload_bytes) {
      messages.push_back(BytesMessage(content.substr(i, payload_bytes)));
    }
    total_bytes += content.size();
  }
  messages.push_back(EndMessage(model.size(), total_bytes));
  return messages;
}

grpc::Status SendUpload(v1::ModelStore::Stub& stub,
                        const std::vector<v1::UploadRequest>& messages,
                        v1::UploadResponse* response) {
  grpc::ClientContext context;
  auto writer = stub.Upload(&context, response);
  for (const v1::UploadRequest& message : messages) {
    if (!writer->Write(message)) break;
  }
  writer->WritesDone();
  return writer->Finish();
}

DownloadResult Download(v1::ModelStore::Stub& stub,
                        const v1::Reference& reference,
                        v1::Precision precision) {
  DownloadResult result;
  v1::DownloadRequest request;
  *request.mutable_reference() = reference;
  request.set_precision(precision);
  grpc::ClientContext context;
  auto reader = stub.Download(&context, request);
  DownloadDecoder decoder(precision, &result);
  v1::DownloadResponse response;
  while (reader->Read(&response)) decoder.Take(response);
  result.status = reader->Finish();
  if (result.ended && precision == v1::PRECISION_ORIGINAL) {
    decoder.AssembleFiles();
  }
  return result;
}

grpc::Status Verify(v1::ModelStore::Stub& stub, const v1::Reference& reference,
                    v1::VerifyResponse* last) {
  grpc::ClientContext context;
  v1::VerifyRequest request;
  *request.mutable_reference() = reference;
  auto reader = stub.Verify(&context, request);
  v1::VerifyResponse response;
  while (reader->Read(&response)) *last = response;
  return reader->Finish();
}

}  // namespace qstore::server
