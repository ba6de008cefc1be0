// A layer that no release has, added by one line to the table, goes through
// ingest, storage, download and verification like those that are there.
//
// By itself, since the table is the program's.

#include "tests/codec/toy_layer.h"

#include <gtest/gtest.h>

#include <string>

#include "codec/layers.h"
#include "tests/server/server_fixture.h"
#include "wire/layer_bytes.h"

namespace qstore::server {
namespace {

using ::testing::HasSubstr;

constexpr codec::LayerNumber kToy = 200;

void AddToyLayer() {
  static const bool kAdded = [] {
    codec::AddLayerForTest(&codec::kToyLayer);
    return true;
  }();
  ASSERT_TRUE(kAdded);
}

class ToyLayerTest : public EveryEngineTest {
 protected:
  void SetUp() override {
    AddToyLayer();
    EveryEngineTest::SetUp();
  }

  // Chunks of 8 MiB, and so several values.
  const TestTensor ids_ = {"position_ids", Dtype::kI64, {3, 1u << 19}, 1};
  const TestTensor weight_ = {"a.weight", Dtype::kBF16, {64, 96}, 2};
  const TestModel model_ = {
      {"model.safetensors", SafetensorsFile({ids_, weight_})},
      {"config.json", "{}"}};
  const uint64_t ids_bytes_ = 3u << 22;
};
INSTANTIATE_TEST_SUITE_P(Engines, ToyLayerTest,
                         ::testing::Values("memory", "rocksdb"),
                         [](const auto& param) { return param.param; });

TEST_P(ToyLayerTest, GoesThroughIngestStorageDownloadAndVerify) {
  const v1::UploadResponse uploaded = MustUpload(kModel, model_);
  // The toy keeps every byte, and each value has a key of 15 bytes.
  const model::LayerBytes stored = *wire::FromWire(uploaded.stored());
  EXPECT_EQ(stored.of(kToy), ids_bytes_ + 12 * 15);
  EXPECT_EQ(stored.of(kPlain), 0u);  // it was taken in place of this one
  EXPECT_GT(stored.of(kInt8), 0u);
  if (GetParam() == std::string("rocksdb")) {
    StopServer();
    StartServer("rocksdb");
  }

  const uint64_t before = ValuesRead(kToy);
  for (const codec::LayerNumber layer : {kOriginal, kInt8}) {
    const DownloadResult result =
        Download(*stub_, MakeReference(kModel), layer);
    ASSERT_TRUE(result.status.ok()) << result.status.error_message();
    EXPECT_EQ(result.received.of(kToy), ids_bytes_);
    EXPECT_EQ(PlannedBytes(result, ids_.name), AsStringView(TensorBytes(ids_)));
    EXPECT_EQ(result.files, layer == kOriginal ? model_ : TestModel());
    const model::Object& object = ObjectOf(result.manifest, ids_.name);
    ASSERT_EQ(object.chunks.size(), 2u);
    for (const model::Chunk& chunk : object.chunks) {
      ASSERT_EQ(chunk.layers.size(), 1u);
      EXPECT_EQ(chunk.layers[0].layer, kToy);
      ASSERT_EQ(chunk.layers[0].blobs.size(), 1u);
      EXPECT_EQ(chunk.layers[0].blobs[0].subgroup, 7u);
    }
  }
  EXPECT_EQ(ValuesRead(kToy), before + 2 * 12);

  v1::VerifyResponse verified;
  ASSERT_TRUE(Verify(*stub_, MakeReference(kModel), &verified).ok());
  EXPECT_EQ(verified.problems_size(), 0) << verified.ShortDebugString();
  EXPECT_GT(verified.checked_bytes(), ids_bytes_);
}

TEST_P(ToyLayerTest, SelectedRowsAreItsChunks) {
  MustUpload(kModel, model_);
  v1::DownloadRequest request = MakeDownload(MakeReference(kModel));
  v1::TensorPattern* tensor = request.mutable_selection()->add_tensors();
  tensor->set_pattern(ids_.name);
  tensor->set_first_row(2);
  tensor->set_end_row(3);
  const DownloadResult result = Download(*stub_, request);
  ASSERT_TRUE(result.status.ok()) << result.status.error_message();
  EXPECT_EQ(result.received.of(kToy), 4u << 20);
  EXPECT_EQ(result.received.total(), 4u << 20);
}

TEST_P(ToyLayerTest, DamageToItIsNamed) {
  MustUpload(kModel, model_);
  DamageReads(kToy);
  EXPECT_THAT(Download(*stub_, MakeReference(kModel), kOriginal).status,
              StatusIs(grpc::StatusCode::DATA_LOSS, "tensor \"position_ids\""));
  v1::VerifyResponse verified;
  ASSERT_TRUE(Verify(*stub_, MakeReference(kModel), &verified).ok());
  ASSERT_EQ(verified.problems_size(), 2) << verified.ShortDebugString();
  EXPECT_THAT(verified.problems(0), HasSubstr("position_ids"));
  EXPECT_THAT(verified.problems(0), HasSubstr("toy: object"));
}

// Nothing of it stays when its model goes.
TEST_P(ToyLayerTest, IsDeletedAndSwept) {
  MustUpload(kModel, model_);
  EXPECT_GT(DataKeyCount(), 12);
  grpc::ClientContext context;
  v1::DeleteRequest request;
  *request.mutable_reference() = MakeReference(kModel);
  v1::DeleteResponse deleted;
  ASSERT_TRUE(stub_->Delete(&context, request, &deleted).ok());
  EXPECT_GT(deleted.reclaimed_bytes(), ids_bytes_);
  EXPECT_EQ(DataKeyCount(), 0);
}

}  // namespace
}  // namespace qstore::server
