#include "client/export/shard_layout.h"

#include <map>
#include <string>
#include <vector>

#include "client/export/scale_types.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/safetensors.h"
#include "tests/client/export/export_tensors.h"

namespace qstore::client {
namespace {

using ::testing::HasSubstr;

SafetensorsHeader HeaderOf(const std::vector<ExportTensor>& tensors) {
  SafetensorsHeader header;
  header.metadata["format"] = "pt";
  uint64_t next_bytes = 0;
  for (const ExportTensor& tensor : tensors) {
    const uint64_t size_bytes = tensor.raw_bytes;
    header.tensors.push_back({tensor.name, tensor.dtype, tensor.shape,
                              next_bytes, next_bytes + size_bytes});
    next_bytes += size_bytes;
  }
  return header;
}

TEST(ShardLayoutTest, LaysOutAShard) {
  const std::vector<ExportTensor> tensors = SmallModel();
  const auto shard = LayOutShard(&FormatNamed("compressed-tensors"),
                                 HeaderOf(tensors), tensors);
  ASSERT_TRUE(shard.ok()) << shard.status();
  ASSERT_EQ(shard->literals.size(), 1u);
  const ByteView header = shard->literals[0].bytes;
  const auto json_bytes = ParseSafetensorsLength(header, shard->file_bytes);
  ASSERT_TRUE(json_bytes.ok()) << json_bytes.status();
  // The parser refuses holes and overlaps.
  const auto parsed = ParseSafetensorsHeader(header.subspan(8),
                                             shard->file_bytes - header.size());
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->metadata.at("format"), "pt");
  std::map<std::string, TensorEntry> entries;
  for (const TensorEntry& entry : parsed->tensors) {
    entries[entry.name] = entry;
    EXPECT_EQ(entry.begin_bytes * 8 % DtypeBits(entry.dtype), 0u) << entry.name;
  }
  ASSERT_EQ(entries.size(), 7u);
  EXPECT_EQ(entries["a.weight"].dtype, Dtype::kI8);
  EXPECT_EQ(entries["a.weight"].shape, (std::vector<uint64_t>{3, 7}));
  EXPECT_EQ(entries["a.weight_scale"].dtype, Dtype::kF32);
  EXPECT_EQ(entries["a.weight_scale"].shape, (std::vector<uint64_t>{3, 1}));
  EXPECT_EQ(entries["b.weight_scale"].shape, (std::vector<uint64_t>{1, 1}));
  EXPECT_EQ(entries["emb.weight"].dtype, Dtype::kBF16);
  EXPECT_EQ(entries["ids"].dtype, Dtype::kI64);
  for (size_t i = 0; i < tensors.size(); ++i) {
    const TensorPlace& place = shard->places[i];
    EXPECT_EQ(place.offset_bytes,
              header.size() + entries[tensors[i].name].begin_bytes);
    EXPECT_EQ(place.quantized, tensors[i].quantized);
    if (!place.quantized) continue;
    EXPECT_TRUE(place.codes.is_plain());
    EXPECT_EQ(place.scales_offset_bytes,
              header.size() + entries[tensors[i].name + "_scale"].begin_bytes);
  }
}

TEST(ShardLayoutTest, LaysOutOtherScales) {
  std::vector<ExportTensor> tensors = {
      Tensor("t.weight", Dtype::kF32, {4, 8}, true),
      Tensor("g.weight", Dtype::kF32, {4, 8}, true)};
  tensors[0].strategy = codec::ScaleStrategy::kTensor;
  tensors[1].strategy = codec::ScaleStrategy::kGroup;
  tensors[1].group_size = 4;
  const auto shard = LayOutShard(&FormatNamed("compressed-tensors"),
                                 HeaderOf(tensors), tensors);
  ASSERT_TRUE(shard.ok()) << shard.status();
  EXPECT_EQ(shard->file_bytes,
            shard->literals[0].bytes.size() + 32 + 4 + 32 + 4 * 2 * 4);
  tensors[1].group_size = 3;
  const auto uneven = LayOutShard(&FormatNamed("compressed-tensors"),
                                  HeaderOf(tensors), tensors);
  EXPECT_EQ(uneven.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(uneven.status().message()), HasSubstr("g.weight"));
}

TEST(ShardLayoutTest, RefusesATensorWhereAScaleMustGo) {
  const std::vector<ExportTensor> tensors = {
      Tensor("a.weight", Dtype::kF32, {2, 2}, true),
      Tensor("a.weight_scale", Dtype::kF32, {2}, false)};
  const auto shard = LayOutShard(&FormatNamed("compressed-tensors"),
                                 HeaderOf(tensors), tensors);
  EXPECT_EQ(shard.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(shard.status().message()),
              HasSubstr("a.weight_scale"));
}

TEST(ShardLayoutTest, PacksFourCodesAWord) {
  const std::vector<ExportTensor> tensors = SmallModel();
  const auto shard =
      LayOutShard(&FormatNamed("pack-quantized"), HeaderOf(tensors), tensors);
  ASSERT_TRUE(shard.ok()) << shard.status();
  // The header and two shapes.
  ASSERT_EQ(shard->literals.size(), 3u);
  const ByteView header = shard->literals[0].bytes;
  const auto parsed = ParseSafetensorsHeader(header.subspan(8),
                                             shard->file_bytes - header.size());
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  std::map<std::string, TensorEntry> entries;
  for (const TensorEntry& entry : parsed->tensors) {
    entries[entry.name] = entry;
    EXPECT_EQ(entry.begin_bytes * 8 % DtypeBits(entry.dtype), 0u) << entry.name;
  }
  EXPECT_FALSE(entries.contains("a.weight"));
  EXPECT_EQ(entries["a.weight_packed"].dtype, Dtype::kI32);
  EXPECT_EQ(entries["a.weight_packed"].shape, (std::vector<uint64_t>{3, 2}));
  EXPECT_EQ(entries["b.weight_packed"].shape, (std::vector<uint64_t>{1, 1}));
  EXPECT_EQ(entries["a.weight_shape"].dtype, Dtype::kI64);
  EXPECT_EQ(shard->literals[1].offset_bytes,
            header.size() + entries["a.weight_shape"].begin_bytes);
  EXPECT_EQ(LoadLittleEndian<uint64_t>(shard->literals[1].bytes.data()), 3u);
  EXPECT_EQ(LoadLittleEndian<uint64_t>(shard->literals[1].bytes.data() + 8),
            7u);
  EXPECT_EQ(shard->places[1].codes.row_bytes, 8u);
}

TEST(ShardLayoutTest, PackedExpertsHaveScalesOfTheirType) {
  const std::vector<ExportTensor> tensors = {
      Tensor("layers.0.experts.0.up.weight", Dtype::kBF16, {4, 8}, true)};
  const auto shard =
      LayOutShard(&FormatNamed("pack-quantized"), HeaderOf(tensors), tensors);
  ASSERT_TRUE(shard.ok()) << shard.status();
  EXPECT_EQ(shard->places[0].scales_dtype, Dtype::kBF16);
  EXPECT_EQ(shard->file_bytes,
            shard->literals[0].bytes.size() + 4 * 8 + 4 * 2 + 2 * 8);
}

TEST(ScaleTypesTest, RoundsToTheNearest) {
  ByteVector scales(3 * sizeof(float));
  StoreLittleEndian(1.0f, scales.data());
  StoreLittleEndian(0x1.018p-3f, scales.data() + 4);  // a tie in BF16, to even
  StoreLittleEndian(0x1p-24f, scales.data() + 8);     // the least of F16
  const auto value = [](const ByteVector& bytes, size_t i) {
    return LoadLittleEndian<uint16_t>(bytes.data() + 2 * i);
  };
  const ByteVector bf16 = ConvertScales(scales, Dtype::kBF16);
  ASSERT_EQ(bf16.size(), 6u);
  EXPECT_EQ(value(bf16, 0), 0x3F80);
  EXPECT_EQ(value(bf16, 1), 0x3E01);
  const ByteVector f16 = ConvertScales(scales, Dtype::kF16);
  EXPECT_EQ(value(f16, 0), 0x3C00);
  EXPECT_EQ(value(f16, 2), 0x0001);
  EXPECT_EQ(ConvertScales(scales, Dtype::kF32), scales);
}

TEST(CodeLayoutTest, PacksAndUnpacksRows) {
  const CodeLayout padded = {
      .columns = 3, .row_bytes = 4, .flipped_bits = 0x80};
  const ByteVector codes = {0, 1, 0xff, 0x7f, 0x80, 2};
  const ByteVector packed = padded.Pack(codes);
  EXPECT_EQ(packed, (ByteVector{0x80, 0x81, 0x7f, 0, 0xff, 0, 0x82, 0}));
  EXPECT_EQ(padded.Unpack(packed), codes);
  EXPECT_EQ(padded.SizeOf(6), 8u);
  EXPECT_FALSE(padded.is_plain());
  const CodeLayout none;
  EXPECT_EQ(none.SizeOf(0), 0u);
  EXPECT_TRUE(none.Pack({}).empty());
}

}  // namespace
}  // namespace qstore::client
