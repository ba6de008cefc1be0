// What goes in comes out, in both precisions.

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "base/hash.h"
#include "storage/records/keys.h"
#include "storage/rocksdb/figures.h"
#include "tests/server/server_fixture.h"
#include "tests/storage/families.h"
#include "wire/layer_bytes.h"

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
      Download(*stub_, MakeReference(kModel), kOriginal);
  ASSERT_TRUE(result.status.ok()) << result.status.error_message();
  EXPECT_TRUE(result.ended);
  EXPECT_EQ(result.manifest.model, kModel);
  EXPECT_EQ(result.manifest.revision, uploaded.revision());
  EXPECT_EQ(result.manifest.original_bytes, total_bytes);
  EXPECT_EQ(result.manifest.two_copies_bytes, uploaded.two_copies_bytes());
  EXPECT_EQ(result.manifest.stored, *wire::FromWire(uploaded.stored()));
  EXPECT_EQ(result.manifest.tags, std::vector<std::string>{"latest"});
  EXPECT_EQ(result.files, model);
  EXPECT_GT(result.received.of(kInt8), 0u);
  EXPECT_GT(result.received.of(kResidual), 0u);
  ExpectIdle();
}

TEST_P(RoundTripTest, SeveralChunksAndValues) {
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
      Download(*stub_, MakeReference(kModel), kOriginal);
  ASSERT_TRUE(result.status.ok()) << result.status.error_message();
  EXPECT_EQ(result.files, model);
  // Header, two tensors, tokenizer.
  const std::vector<model::Object>& objects = result.manifest.objects;
  ASSERT_EQ(objects.size(), 4u);
  EXPECT_FALSE(objects[0].is_tensor());
  EXPECT_TRUE(objects[1].quantized());
  EXPECT_EQ(objects[1].chunks.size(), 2u);
  EXPECT_EQ(objects[1].chunks[1].rows, 1u);
  EXPECT_TRUE(objects[2].is_tensor() && !objects[2].quantized());
  EXPECT_FALSE(objects[3].is_tensor());
  EXPECT_EQ(objects[3].chunks.size(), 2u);
  // The codes of four Mi weights take more than one value.
  EXPECT_GT(objects[1].chunks[0].layers[0].blobs[0].value_xxh3.size(), 1u);
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
    for (const storage::Family family : storage::AllFamilies()) {
      sum += values_read(family);
    }
    return sum;
  };
  using storage::kInt8Family;
  using storage::kResidualFamily;
  const uint64_t int8_before = values_read(kInt8Family);
  const uint64_t residual_before = values_read(kResidualFamily);
  const uint64_t keys_before = keys_read();
  const storage::RocksDbFigures before = storage::ReadRocksDbFigures(engine_);
  const DownloadResult result = Download(*stub_, MakeReference(kModel), kInt8);
  ASSERT_TRUE(result.status.ok()) << result.status.error_message();
  EXPECT_TRUE(result.ended);
  EXPECT_EQ(result.received.of(kResidual), 0u);
  EXPECT_GT(result.received.of(kInt8), 0u);
  EXPECT_GT(result.received.of(kPlain), 0u);
  EXPECT_FALSE(result.codes.empty());

  EXPECT_GT(values_read(kInt8Family), int8_before);
  EXPECT_EQ(values_read(kResidualFamily), residual_before);
  if (GetParam() == std::string("rocksdb")) {
    const storage::RocksDbFigures after = storage::ReadRocksDbFigures(engine_);
    const size_t residual = storage::FamilyIndex(kResidualFamily);
    EXPECT_EQ(after.file_reads[residual], before.file_reads[residual]);
    EXPECT_EQ(after.keys_read - before.keys_read, keys_read() - keys_before);
  }
  // The original download of the same model does read them.
  Download(*stub_, MakeReference(kModel), kOriginal);
  EXPECT_GT(values_read(kResidualFamily), residual_before);
}

TEST_P(RoundTripTest, EqualTensorsAreStoredOnceAndSentOnce) {
  const std::string file = SafetensorsFile({
      {"a.weight", Dtype::kBF16, {32, 48}, 5},
      {"b.weight", Dtype::kBF16, {32, 48}, 5},
      {"c.weight", Dtype::kBF16, {48, 32}, 5},  // same bytes, other shape
  });
  MustUpload(kModel, {{"model.safetensors", file}});
  const DownloadResult result =
      Download(*stub_, MakeReference(kModel), kOriginal);
  EXPECT_EQ(result.files.at("model.safetensors"), file);
  EXPECT_EQ(result.manifest.objects.size(), 3u);  // header, a = b, c

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
  const model::LayerBytes sliced_bytes = *wire::FromWire(sliced.stored());
  const model::LayerBytes zstd_bytes = *wire::FromWire(zstd.stored());
  EXPECT_LT(sliced_bytes.of(kInt8), zstd_bytes.of(kInt8));
  EXPECT_EQ(sliced_bytes.of(kResidual), zstd_bytes.of(kResidual));

  std::map<uint64_t, std::vector<int8_t>> codes[2];
  for (const bool is_sliced : {false, true}) {
    const v1::Reference reference =
        MakeReference(is_sliced ? "org/sliced" : "org/zstd");
    const DownloadResult original = Download(*stub_, reference, kOriginal);
    ASSERT_TRUE(original.status.ok()) << original.status.error_message();
    EXPECT_EQ(original.files, model);
    codes[is_sliced ? 1 : 0] = Download(*stub_, reference, kInt8).codes;
    model::Manifest manifest;
    ASSERT_TRUE(ReadManifest(*stub_, reference, &manifest).ok());
    int quantized_count = 0;
    for (const model::Object& object : manifest.objects) {
      if (!object.quantized()) continue;
      ++quantized_count;
      EXPECT_EQ(object.quantization->coder, is_sliced
                                                ? codec::Int8Coder::kSliced
                                                : codec::Int8Coder::kZstd);
    }
    EXPECT_EQ(quantized_count, 5);
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
  const model::LayerBytes stored = *wire::FromWire(response.stored());
  EXPECT_EQ(stored.of(kInt8), 0u);
  EXPECT_EQ(stored.of(kResidual), 0u);
  EXPECT_GT(stored.of(kPlain), 0u);
  const DownloadResult result =
      Download(*stub_, MakeReference(kModel), kOriginal);
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
      Download(*stub_, MakeReference(kModel), kOriginal);
  EXPECT_EQ(result.files, model);
  EXPECT_TRUE(ObjectOf(result.manifest, "a.weight").quantized());
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

// A file of one object without compression is what its one value, or its values
// of 1 MiB and the rest, have.
TEST_P(RoundTripTest, ValuesOfEachSizeClass) {
  constexpr size_t kMebibyte = 1u << 20;
  std::mt19937_64 random(1);
  for (const size_t size :
       {size_t{0}, size_t{1}, size_t{2}, size_t{4096}, kMebibyte / 2,
        kMebibyte - 1, kMebibyte, kMebibyte + 1, 2 * kMebibyte,
        2 * kMebibyte + 1, 8 * kMebibyte, 8 * kMebibyte + 1}) {
    SCOPED_TRACE(size);
    std::string content(size, '\0');
    for (char& byte : content) byte = static_cast<char>(random());
    const std::string name = "org/m" + std::to_string(size);
    const TestModel model = {{"noise.bin", content}};
    MustUpload(name, model);
    const DownloadResult result =
        Download(*stub_, MakeReference(name), kOriginal);
    ASSERT_TRUE(result.status.ok()) << result.status.error_message();
    EXPECT_EQ(result.files, model);
    uint64_t stored_bytes = 0;
    uint64_t value_count = 0;
    for (const model::Object& object : result.manifest.objects) {
      for (const model::Chunk& chunk : object.chunks) {
        for (const model::ValueAddress& value : model::ValuesOf(chunk, 1)) {
          stored_bytes += value.size_bytes;
          ++value_count;
        }
      }
    }
    EXPECT_GE(stored_bytes, size);  // noise does not become smaller
    EXPECT_EQ(result.received.other(), stored_bytes);
    EXPECT_EQ(result.value_count, value_count);
    v1::VerifyResponse verified;
    ASSERT_TRUE(Verify(*stub_, MakeReference(name), &verified).ok());
    EXPECT_EQ(verified.problems_size(), 0) << verified.ShortDebugString();
    EXPECT_EQ(verified.checked_bytes(), stored_bytes);
  }
  ExpectIdle();
}

}  // namespace
}  // namespace qstore::server
