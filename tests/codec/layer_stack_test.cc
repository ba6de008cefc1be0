#include "codec/layer_stack.h"

#include <string>
#include <vector>

#include "base/hash.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/codec/sample_weights.h"

namespace qstore::codec {
namespace {

using ::testing::HasSubstr;

std::vector<StoredLayer> AsStoredLayers(
    const std::vector<EncodedLayer>& encoded, const uint64_t* original_xxh3) {
  std::vector<StoredLayer> layers;
  for (const EncodedLayer& layer : encoded) {
    StoredLayer stored;
    stored.number = layer.layer->number;
    for (const EncodedBlob& blob : layer.blobs) {
      stored.blobs.push_back({blob.subgroup, blob.bytes});
    }
    stored.decoded_xxh3 = layer.decoded_xxh3;
    if (layer.layer->gives_original) stored.decoded_xxh3 = {original_xxh3, 1};
    layers.push_back(std::move(stored));
  }
  return layers;
}

class LayerStackTest : public ::testing::Test {
 protected:
  LayerStackTest() {
    chunk_.shape = ChunkShape{.format = FloatFormat::kBF16,
                              .rows = 16,
                              .columns = 64,
                              .strategy = ScaleStrategy::kChannel,
                              .group_size = 0};
    chunk_.raw_bytes = chunk_.shape->weight_bytes();
    weights_ =
        GaussianWeights(FloatFormat::kBF16, chunk_.shape->weight_count(), 7);
    xxh3_ = Xxh3(weights_);
    original_.resize(weights_.size());
    values_.original = original_;
  }

  ChunkDescription chunk_;
  ByteVector weights_;
  uint64_t xxh3_ = 0;
  ByteVector original_;
  ChunkValues values_;
  StackEncoder encoder_;
  StackDecoder decoder_;
  std::vector<EncodedLayer> layers_;
};

TEST_F(LayerStackTest, QuantizedChunksAreInt8AndResidual) {
  ASSERT_TRUE(encoder_.Encode(chunk_, {}, weights_, &layers_).ok());
  ASSERT_EQ(layers_.size(), 2u);
  EXPECT_EQ(layers_[0].layer->name, "int8");
  EXPECT_EQ(layers_[0].decoded_xxh3.size(), 2u);
  EXPECT_EQ(layers_[1].layer->name, "residual");
  const auto stored = AsStoredLayers(layers_, &xxh3_);
  ASSERT_TRUE(decoder_.Decode(chunk_, stored, &values_).ok());
  EXPECT_EQ(original_, weights_);
  // INT8 alone touches no residual.
  values_.codes.clear();
  ASSERT_TRUE(
      decoder_.Decode(chunk_, std::span(stored).first(1), &values_).ok());
  EXPECT_EQ(values_.codes.size(), chunk_.shape->weight_count());
}

TEST_F(LayerStackTest, OtherChunksArePlain) {
  chunk_.shape.reset();
  ASSERT_TRUE(encoder_.Encode(chunk_, {}, weights_, &layers_).ok());
  ASSERT_EQ(layers_.size(), 1u);
  EXPECT_EQ(layers_[0].layer->name, "plain");
  ASSERT_TRUE(
      decoder_.Decode(chunk_, AsStoredLayers(layers_, &xxh3_), &values_).ok());
  EXPECT_EQ(original_, weights_);
}

TEST_F(LayerStackTest, ComparesWhatEachLayerDecodesTo) {
  ASSERT_TRUE(encoder_.Encode(chunk_, {}, weights_, &layers_).ok());
  const uint64_t wrong = xxh3_ + 1;
  absl::Status status =
      decoder_.Decode(chunk_, AsStoredLayers(layers_, &wrong), &values_);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("residual"));
  ++layers_[0].decoded_xxh3[1];
  status = decoder_.Decode(chunk_, AsStoredLayers(layers_, &xxh3_), &values_);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("int8"));
}

TEST_F(LayerStackTest, RefusesStacksThatDoNotStand) {
  ASSERT_TRUE(encoder_.Encode(chunk_, {}, weights_, &layers_).ok());
  std::vector<StoredLayer> stored = AsStoredLayers(layers_, &xxh3_);
  EXPECT_EQ(decoder_.Decode(chunk_, std::span(stored).last(1), &values_).code(),
            absl::StatusCode::kDataLoss);
  std::swap(stored[0], stored[1]);
  EXPECT_EQ(decoder_.Decode(chunk_, stored, &values_).code(),
            absl::StatusCode::kDataLoss);
  stored[0].number = 99;
  EXPECT_EQ(decoder_.Decode(chunk_, stored, &values_).code(),
            absl::StatusCode::kDataLoss);
}

TEST_F(LayerStackTest, RefusesSizesThatContradictTheShape) {
  chunk_.raw_bytes -= 2;
  EXPECT_EQ(encoder_.Encode(chunk_, {}, weights_, &layers_).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(decoder_.Decode(chunk_, {}, &values_).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(LayersTest, NumbersAndNamesFindThem) {
  for (const Layer* layer : Layers()) {
    EXPECT_EQ(FindLayer(layer->number), layer);
    EXPECT_EQ(FindLayer(layer->name), layer);
    if (layer->stands_on != kNoLayer) {
      ASSERT_NE(FindLayer(layer->stands_on), nullptr);
      EXPECT_FALSE(FindLayer(layer->stands_on)->gives_original);
    }
  }
  EXPECT_EQ(FindLayer(LayerNumber{99}), nullptr);
  EXPECT_EQ(FindLayer("fp4"), nullptr);
}

TEST(LayersTest, ChecksStacks) {
  const auto check = [](std::vector<LayerNumber> numbers) {
    return CheckStack(numbers).ok();
  };
  EXPECT_TRUE(check({1}));
  EXPECT_TRUE(check({1, 2}));
  EXPECT_TRUE(check({3}));
  EXPECT_FALSE(check({}));
  EXPECT_FALSE(check({2}));
  EXPECT_FALSE(check({2, 1}));
  EXPECT_FALSE(check({1, 2, 3}));
  EXPECT_FALSE(check({3, 3}));
  EXPECT_FALSE(check({99}));
}

}  // namespace
}  // namespace qstore::codec
