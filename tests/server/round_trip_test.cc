// What goes in comes out, in both precisions.

#include <gtest/gtest.h>

#include <set>

#include "base/hash.h"
#include "storage/records/keys.h"
#include "storage/rocksdb/figures.h"
#include "tests/server/server_fixture.h"

namespace qstore::server {
namespace {

class RoundTripTest : public EveryEngineTest {};
INSTANTIATE_TEST_SUITE_P(Engines, RoundTripTest,
                         ::testing::Values("memory", "rocksdb"),
                         [](const auto& param) { return param.param; });

TEST_P(RoundTripTest, OriginalIsByteIdentical) {
  const TestModel model = VariedModel(1);
  const v1::UploadResponse uploaded = MustUpload(kModel, model);
  EXPECT_TRUE(uploaded.created());
  EXPECT_EQ(uploaded.revision().size(), 64u);
  EXPECT_EQ(uploaded.tag(), "latest");
  uint64_t total_bytes = 0;
  for (const auto& [path, content] : model) total_bytes += content.size();
  EXPECT_EQ(uploaded.received_bytes(), total_bytes);
  EXPECT_GT(uploaded.two_copies_bytes(), total_bytes);

  const DownloadResult result =
      Download(*stub_, MakeReference(kModel), v1::PRECISION_ORIGINAL);
  ASSERT_TRUE(result.status.ok()) << result.status.error_message();
  EXPECT_TRUE(result.ended);
  EXPECT_EQ(result.manifest.revision(), uploaded.revision());
  EXPECT_EQ(result.manifest.original_bytes(), total_bytes);
  EXPECT_EQ(result.files, model);
  EXPECT_GT(result.received.int8(), 0u);
  EXPECT_GT(result.received.residual(), 0u);
  ExpectIdle();
}

TEST_P(RoundTripTest, SeveralChunksAndMessages) {
  options_.message_bytes = 1u << 20;
  StopServer();
  StartServer(GetParam());
  // Five rows of the longest length make two chunks; more than 8 MiB of an
  // opaque file likewise.
  std::string opaque((8u << 20) + 5, '\0');
  for (size_t i = 0; i < opaque.size(); i += 1009) opaque[i] = 'x';
  const TestModel model = {
      {"model.safetensors",
       SafetensorsFile(
           {{"long.weight", Dtype::kBF16, {5, 1u << 20}, 21},
            {"too_long.weight", Dtype::kBF16, {1, (1u << 20) + 1}, 22}})},
      {"tokenizer.bin", opaque}};
  MustUpload(kModel, model);
  const DownloadResult result =
      Download(*stub_, MakeReference(kModel), v1::PRECISION_ORIGINAL);
  ASSERT_TRUE(result.status.ok()) << result.status.error_message();
  EXPECT_EQ(result.files, model);
  ASSERT_EQ(result.objects.size(), 4u);  // header, two tensors, tokenizer
  EXPECT_EQ(result.objects[1].kind(), v1::OBJECT_KIND_QUANTIZED);
  EXPECT_EQ(result.objects[1].chunks_size(), 2);
  EXPECT_EQ(result.objects[1].chunks(1).rows(), 1u);
  EXPECT_EQ(result.objects[2].kind(), v1::OBJECT_KIND_PLAIN);
  EXPECT_EQ(result.objects[3].chunks_size(), 2);
}

TEST_P(RoundTripTest, Int8ReadsAndSendsNoResidual) {
  MustUpload(kModel, VariedModel(2));
  // Opened again, so that nothing is in a cache.
  if (GetParam() == std::string("rocksdb")) {
    StopServer();
    StartServer("rocksdb");
  }
  const auto values_read = [this](storage::Family family) {
    return meter_->values(family).keys;
  };
  const auto keys_read = [&] {
    uint64_t sum = meter_->records().keys;
    for (const storage::Family family : storage::kAllFamilies) {
      sum += values_read(family);
    }
    return sum;
  };
  using storage::Family;
  const uint64_t int8_before = values_read(Family::kInt8);
  const uint64_t residual_before = values_read(Family::kResidual);
  const uint64_t keys_before = keys_read();
  const storage::RocksDbFigures before = storage::ReadRocksDbFigures(engine_);
  const DownloadResult result =
      Download(*stub_, MakeReference(kModel), v1::PRECISION_INT8);
  ASSERT_TRUE(result.status.ok()) << result.status.error_message();
  EXPECT_TRUE(result.ended);
  EXPECT_EQ(result.received.residual(), 0u);
  EXPECT_GT(result.received.int8(), 0u);
  EXPECT_GT(result.received.plain(), 0u);
  EXPECT_FALSE(result.codes.empty());
  for (const v1::ObjectManifest& object : result.objects) {
    for (const v1::ChunkManifest& chunk : object.chunks()) {
      for (const v1::BlobManifest& blob : chunk.blobs()) {
        EXPECT_NE(blob.kind(), v1::BLOB_KIND_RESIDUAL);
      }
    }
  }

  EXPECT_GT(values_read(Family::kInt8), int8_before);
  EXPECT_EQ(values_read(Family::kResidual), residual_before);
  if (GetParam() == std::string("rocksdb")) {
    const storage::RocksDbFigures after = storage::ReadRocksDbFigures(engine_);
    const size_t residual = storage::FamilyIndex(Family::kResidual);
    EXPECT_EQ(after.file_reads[residual], before.file_reads[residual]);
    EXPECT_EQ(after.keys_read - before.keys_read, keys_read() - keys_before);
  }
  // The original download of the same model does read them.
  Download(*stub_, MakeReference(kModel), v1::PRECISION_ORIGINAL);
  EXPECT_GT(values_read(Family::kResidual), residual_before);
}

TEST_P(RoundTripTest, EqualTensorsAreStoredOnceAndSentOnce) {
  const std::string file = SafetensorsFile({
      {"a.weight", Dtype::kBF16, {32, 48}, 5},
      {"b.weight", Dtype::kBF16, {32, 48}, 5},
      {"c.weight", Dtype::kBF16, {48, 32}, 5},  // same bytes, other shape
  });
  MustUpload(kModel, {{"model.safetensors", file}});
  const DownloadResult result =
      Download(*stub_, MakeReference(kModel), v1::PRECISION_ORIGINAL);
  EXPECT_EQ(result.files.at("model.safetensors"), file);
  EXPECT_EQ(result.manifest.object_count(), 3u);  // header, a = b, c

  const int keys_before = DataKeyCount();
  const v1::UploadResponse again =
      MustUpload(kModel, {{"model.safetensors", file}});
  EXPECT_FALSE(again.created());
  MustUpload("org/other", {{"other.safetensors", file}});
  EXPECT_EQ(DataKeyCount(), keys_before);
}

TEST_P(RoundTripTest, TheCoderIsChosenPerUpload) {
  TestModel model = VariedModel(4);
  model["more.safetensors"] =
      SafetensorsFile({{"more.weight", Dtype::kBF16, {128, 160}, 24}});
  const auto upload = [&](const std::string& name, const char* coder) {
    auto messages = UploadMessages(name, model);
    messages[0].mutable_begin()->mutable_quantization()->set_int8_coder(coder);
    v1::UploadResponse response;
    const grpc::Status status = SendUpload(*stub_, messages, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  };
  const v1::UploadResponse zstd = upload("org/zstd", "zstd");
  const v1::UploadResponse sliced = upload("org/sliced", "sliced");
  EXPECT_EQ(MustUpload("org/default", model).revision(), zstd.revision());
  EXPECT_NE(sliced.revision(), zstd.revision());
  EXPECT_LT(sliced.stored().int8(), zstd.stored().int8());
  EXPECT_EQ(sliced.stored().residual(), zstd.stored().residual());

  std::map<uint64_t, std::vector<int8_t>> codes[2];
  for (const bool is_sliced : {false, true}) {
    const v1::Reference reference =
        MakeReference(is_sliced ? "org/sliced" : "org/zstd");
    const DownloadResult original =
        Download(*stub_, reference, v1::PRECISION_ORIGINAL);
    ASSERT_TRUE(original.status.ok()) << original.status.error_message();
    EXPECT_EQ(original.files, model);
    codes[is_sliced ? 1 : 0] =
        Download(*stub_, reference, v1::PRECISION_INT8).codes;
    v1::GetRevisionRequest request;
    *request.mutable_reference() = reference;
    grpc::ClientContext context;
    v1::GetRevisionResponse revision;
    ASSERT_TRUE(stub_->GetRevision(&context, request, &revision).ok());
    for (const v1::FileSummary& file : revision.files()) {
      for (const v1::TensorSummary& tensor : file.tensors()) {
        EXPECT_EQ(tensor.int8_coder(), !tensor.quantized() ? ""
                                       : is_sliced         ? "sliced"
                                                           : "zstd");
      }
    }
  }
  EXPECT_FALSE(codes[0].empty());
  EXPECT_EQ(codes[0], codes[1]);
}

TEST_P(RoundTripTest, QuantizerNoneStoresEverythingPlain) {
  const TestModel model = VariedModel(3);
  auto messages = UploadMessages(kModel, model);
  messages[0].mutable_begin()->mutable_quantization()->set_quantizer("none");
  v1::UploadResponse response;
  ASSERT_TRUE(SendUpload(*stub_, messages, &response).ok());
  EXPECT_EQ(response.stored().int8(), 0u);
  EXPECT_EQ(response.stored().residual(), 0u);
  const DownloadResult result =
      Download(*stub_, MakeReference(kModel), v1::PRECISION_ORIGINAL);
  EXPECT_EQ(result.files, model);
}

TEST_P(RoundTripTest, SpecialValuesSurvive) {
  // All bit patterns of both 16-bit formats, NaN payloads and -0 among them.
  std::string content;
  for (uint32_t bits = 0; bits < 65'536; ++bits) {
    content += static_cast<char>(bits & 0xff);
    content += static_cast<char>(bits >> 8);
  }
  const auto file = [&](const char* dtype) {
    std::string with_data =
        RawSafetensors(std::string(R"({"a.weight":{"dtype":")") + dtype +
                           R"(","shape":[256,256],"data_offsets":[0,131072]}})",
                       0);
    return with_data + content;
  };
  const TestModel model = {{"bf16.safetensors", file("BF16")},
                           {"f16.safetensors", file("F16")}};
  MustUpload(kModel, model);
  const DownloadResult result =
      Download(*stub_, MakeReference(kModel), v1::PRECISION_ORIGINAL);
  EXPECT_EQ(result.files, model);
  EXPECT_EQ(result.objects[1].kind(), v1::OBJECT_KIND_QUANTIZED);
}

TEST_P(RoundTripTest, TinyMessagesGiveTheSameRevision) {
  const TestModel model = VariedModel(4);
  const v1::UploadResponse whole = MustUpload(kModel, model);
  v1::UploadResponse pieces;
  ASSERT_TRUE(
      SendUpload(*stub_, UploadMessages(kModel, model, 7), &pieces).ok());
  EXPECT_EQ(pieces.revision(), whole.revision());
  EXPECT_FALSE(pieces.created());
}

}  // namespace
}  // namespace qstore::server
