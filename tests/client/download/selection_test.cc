// Downloads of a part of a revision.
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "codec/layers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/read_plan.h"
#include "model/safetensors.h"
#include "tests/client/download/download_fixture.h"

namespace qstore::client {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

struct ReadTensor {
  Dtype dtype = Dtype::kF32;
  std::vector<uint64_t> shape;
  std::string bytes;
};

// By name; the parser refuses holes, overlaps and bytes that are left.
std::map<std::string, ReadTensor> TensorsIn(const std::string& file) {
  std::map<std::string, ReadTensor> tensors;
  const ByteView bytes = AsBytes(file);
  const auto json_bytes = ParseSafetensorsLength(bytes, bytes.size());
  EXPECT_TRUE(json_bytes.ok()) << json_bytes.status();
  if (!json_bytes.ok()) return tensors;
  const ByteView tail = bytes.subspan(8 + *json_bytes);
  const auto header =
      ParseSafetensorsHeader(bytes.subspan(8, *json_bytes), tail.size());
  EXPECT_TRUE(header.ok()) << header.status();
  if (!header.ok()) return tensors;
  EXPECT_EQ(header->metadata.at("format"), "pt");
  for (const TensorEntry& entry : header->tensors) {
    tensors[entry.name] = {entry.dtype, entry.shape,
                           std::string(AsStringView(tail.subspan(
                               entry.begin_bytes, entry.size_bytes())))};
  }
  return tensors;
}

// Every tensor of MakeModel's shards in a directory.
std::map<std::string, ReadTensor> TensorsOfShards(const fs::path& directory) {
  std::map<std::string, ReadTensor> tensors =
      TensorsIn(ReadFile(directory / "model-1.safetensors"));
  tensors.merge(TensorsIn(ReadFile(directory / "model-2.safetensors")));
  return tensors;
}

std::vector<std::string> NamesOf(
    const std::map<std::string, ReadTensor>& tensors) {
  std::vector<std::string> names;
  names.reserve(tensors.size());
  for (const auto& [name, tensor] : tensors) names.push_back(name);
  return names;
}

// Rows [first, end) of a row-major tensor of `row_count` rows.
std::string Rows(const std::string& bytes, uint64_t row_count, uint64_t first,
                 uint64_t end) {
  const uint64_t row_bytes = bytes.size() / row_count;
  return bytes.substr(first * row_bytes, (end - first) * row_bytes);
}

class SelectionTest : public DownloadTest {
 protected:
  void SelectTensors(const std::string& pattern) {
    selection_.tensors.push_back({.pattern = pattern, .rows = std::nullopt});
  }
  void SelectRows(const std::string& pattern, uint64_t first, uint64_t end) {
    selection_.tensors.push_back(
        {.pattern = pattern, .rows = model::RowRange{first, end}});
  }
  fs::path out() const { return directory_.path() / "out"; }

  // What an honest server is to send of `objects`, in layers up to `layer`.
  uint64_t StoredBytes(const FakeModel& model, size_t object_index,
                       const std::vector<size_t>& chunks,
                       const model::Representation& representation) {
    uint64_t sum = 0;
    for (const size_t index : chunks) {
      const model::Chunk& chunk =
          model.manifest().objects[object_index].chunks[index];
      sum += model::StoredBytesOf(chunk,
                                  model::LayerCountOf(chunk, representation));
    }
    return sum;
  }

  const model::Representation original_ = {};
  const model::Representation int8_ = {.layer = codec::kInt8Layer.number};
};

TEST_F(SelectionTest, OneFile) {
  const FakeModel model = MakeModel();
  server_.Serve(model);
  selection_.files = {"notes.txt"};
  const auto result = Fetch("original");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(ReadTree(out()),
            (std::map<std::string, std::string>{
                {"notes.txt", model.contents().at("notes.txt")}}));
  EXPECT_EQ(result->file_count, 1u);
  EXPECT_EQ(result->file_bytes, 1000u);
  EXPECT_EQ(result->transfer.received.by_layer().size(), 0u);
  EXPECT_THAT(server_.download_request.selection().files(),
              ElementsAre("notes.txt"));
}

TEST_F(SelectionTest, FilesByPattern) {
  const FakeModel model = MakeModel();
  server_.Serve(model);
  selection_.files = {"*.json", "model-2*"};
  ASSERT_TRUE(Fetch("original").ok());
  std::map<std::string, std::string> expected;
  for (const char* path :
       {"config.json", "other/config.json", "model.safetensors.index.json",
        "model-2.safetensors"}) {
    expected[path] = model.contents().at(path);
  }
  EXPECT_EQ(ReadTree(out()), expected);
}

TEST_F(SelectionTest, TensorsByPattern) {
  server_.Serve(MakeModel());
  SelectTensors("a.*");
  SelectTensors("half.weigh?");
  const auto result = Fetch("original");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(ReadTree(out()).size(), 2u);
  auto first = TensorsIn(ReadFile(out() / "model-1.safetensors"));
  EXPECT_THAT(NamesOf(first), ElementsAre("a.bias", "a.weight"));
  EXPECT_EQ(first["a.weight"].bytes,
            MakeTensor("a.weight", Dtype::kBF16, {7, 5}, true).bytes);
  EXPECT_EQ(first["a.weight"].dtype, Dtype::kBF16);
  EXPECT_EQ(first["a.weight"].shape, (std::vector<uint64_t>{7, 5}));
  EXPECT_EQ(first["a.bias"].bytes,
            MakeTensor("a.bias", Dtype::kBF16, {7}, false).bytes);
  auto second = TensorsIn(ReadFile(out() / "model-2.safetensors"));
  EXPECT_THAT(NamesOf(second), ElementsAre("half.weight"));
  EXPECT_EQ(second["half.weight"].bytes,
            MakeTensor("half.weight", Dtype::kF16, {3, 40}, true).bytes);
}

// What is not asked for is not sent.
TEST_F(SelectionTest, SendsTheChunksThatHaveTheRows) {
  const FakeModel model = MakeModel();
  server_.Serve(model);
  // Of chunks of 3 rows, the first two.
  SelectRows("a.weight", 2, 5);
  for (const auto& [precision, representation] :
       {std::pair{"original", original_}, std::pair{"int8", int8_}}) {
    const auto result = Fetch(precision, precision);
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(server_.sent_payload_bytes,
              StoredBytes(model, 2, {0, 1}, representation));
    EXPECT_EQ(result->transfer.received.total(),
              result->transfer.bytes_received);
  }
}

TEST_F(SelectionTest, RowsOfAQuantizedTensor) {
  server_.Serve(MakeModel());
  const std::string all =
      MakeTensor("a.weight", Dtype::kBF16, {7, 5}, true).bytes;
  for (uint64_t first = 0; first < 7; ++first) {
    for (uint64_t end = first + 1; end <= 7; ++end) {
      selection_ = {};
      SelectRows("a.weight", first, end);
      const std::string name =
          std::to_string(first) + "-" + std::to_string(end);
      const auto result = Fetch("original", name);
      ASSERT_TRUE(result.ok()) << result.status();
      auto tensors =
          TensorsIn(ReadFile(directory_.path() / name / "model-1.safetensors"));
      EXPECT_THAT(NamesOf(tensors), ElementsAre("a.weight"));
      EXPECT_EQ(tensors["a.weight"].shape,
                (std::vector<uint64_t>{end - first, 5}));
      EXPECT_EQ(tensors["a.weight"].bytes, Rows(all, 7, first, end)) << name;
    }
  }
}

// Borders of its chunks lie within rows.
TEST_F(SelectionTest, RowsOfAPlainTensor) {
  server_.Serve(MakeModel());
  const std::string all =
      MakeTensor("emb.weight", Dtype::kF32, {6, 4}, false).bytes;
  for (uint64_t first = 0; first < 6; ++first) {
    for (uint64_t end = first + 1; end <= 6; ++end) {
      selection_ = {};
      SelectRows("emb.*", first, end);
      const std::string name =
          std::to_string(first) + "-" + std::to_string(end);
      const auto result = Fetch(first % 2 == 0 ? "original" : "int8", name);
      ASSERT_TRUE(result.ok()) << result.status();
      auto tensors =
          TensorsIn(ReadFile(directory_.path() / name / "model-2.safetensors"));
      EXPECT_EQ(tensors["emb.weight"].shape,
                (std::vector<uint64_t>{end - first, 4}));
      EXPECT_EQ(tensors["emb.weight"].bytes, Rows(all, 6, first, end)) << name;
    }
  }
}

TEST_F(SelectionTest, RowsInInt8) {
  server_.Serve(MakeModel());
  ASSERT_TRUE(Fetch("int8", "whole").ok());
  auto whole = TensorsOfShards(directory_.path() / "whole");
  for (uint64_t first = 0; first < 7; ++first) {
    for (uint64_t end = first + 1; end <= 7; ++end) {
      selection_ = {};
      SelectRows("a.weight", first, end);
      const std::string name =
          std::to_string(first) + "-" + std::to_string(end);
      const auto result = Fetch("int8", name);
      ASSERT_TRUE(result.ok()) << result.status();
      EXPECT_EQ(result->transfer.received.of(codec::kResidualLayer.number), 0u);
      auto tensors =
          TensorsIn(ReadFile(directory_.path() / name / "model-1.safetensors"));
      EXPECT_THAT(NamesOf(tensors), ElementsAre("a.weight", "a.weight_scale"));
      EXPECT_EQ(tensors["a.weight"].dtype, Dtype::kI8);
      EXPECT_EQ(tensors["a.weight"].shape,
                (std::vector<uint64_t>{end - first, 5}));
      EXPECT_EQ(tensors["a.weight"].bytes,
                Rows(whole["a.weight"].bytes, 7, first, end));
      EXPECT_EQ(tensors["a.weight_scale"].shape,
                (std::vector<uint64_t>{end - first, 1}));
      EXPECT_EQ(tensors["a.weight_scale"].bytes,
                Rows(whole["a.weight_scale"].bytes, 7, first, end));
    }
  }
}

// It comes with each chunk, and whichever rows are asked for, it is written.
TEST_F(SelectionTest, RowsUnderOneScaleForTheTensor) {
  FakeTensor tensor = MakeTensor("a.weight", Dtype::kF32, {7, 5}, true);
  tensor.strategy = codec::ScaleStrategy::kTensor;
  FakeModel model;
  model.AddSafetensors("model-1.safetensors", {tensor});
  server_.Serve(model);
  ASSERT_TRUE(Fetch("int8", "whole").ok());
  auto whole =
      TensorsIn(ReadFile(directory_.path() / "whole/model-1.safetensors"));
  EXPECT_EQ(whole["a.weight_scale"].shape, (std::vector<uint64_t>{1}));
  EXPECT_EQ(whole["a.weight_scale"].bytes.size(), sizeof(float));
  for (uint64_t first = 0; first < 7; ++first) {
    for (uint64_t end = first + 1; end <= 7; ++end) {
      selection_ = {};
      SelectRows("a.weight", first, end);
      const std::string name =
          std::to_string(first) + "-" + std::to_string(end);
      SCOPED_TRACE(name);
      for (const char* precision : {"int8", "original"}) {
        const auto result = Fetch(precision, name + precision);
        ASSERT_TRUE(result.ok()) << result.status();
      }
      auto low = TensorsIn(ReadFile(directory_.path() / (name + "int8") /
                                    "model-1.safetensors"));
      EXPECT_EQ(low["a.weight"].bytes,
                Rows(whole["a.weight"].bytes, 7, first, end));
      EXPECT_EQ(low["a.weight_scale"].shape, (std::vector<uint64_t>{1}));
      EXPECT_EQ(low["a.weight_scale"].bytes, whole["a.weight_scale"].bytes);
      auto original = TensorsIn(ReadFile(
          directory_.path() / (name + "original") / "model-1.safetensors"));
      EXPECT_EQ(original["a.weight"].bytes, Rows(tensor.bytes, 7, first, end));
    }
  }
}

TEST_F(SelectionTest, SomeTensorsInInt8) {
  server_.Serve(MakeModel());
  ASSERT_TRUE(Fetch("int8", "whole").ok());
  auto whole = TensorsOfShards(directory_.path() / "whole");
  selection_.files = {"config.json"};
  SelectTensors("*.bias");
  SelectTensors("half.*");
  const auto result = Fetch("int8");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->format, "compressed-tensors");
  const auto tensors = TensorsOfShards(out());
  EXPECT_THAT(NamesOf(tensors),
              ElementsAre("a.bias", "half.weight", "half.weight_scale"));
  for (const auto& [name, tensor] : tensors) {
    EXPECT_EQ(tensor.bytes, whole[name].bytes) << name;
    EXPECT_EQ(tensor.dtype, whole[name].dtype) << name;
    EXPECT_EQ(tensor.shape, whole[name].shape) << name;
  }
  // It speaks of the whole model, as it does there.
  EXPECT_EQ(ReadFile(out() / "config.json"),
            ReadFile(directory_.path() / "whole/config.json"));
}

TEST_F(SelectionTest, OtherFormatsToo) {
  server_.Serve(MakeModel());
  format_ = "pack-quantized";
  ASSERT_TRUE(Fetch("int8", "whole").ok());
  auto whole = TensorsOfShards(directory_.path() / "whole");
  SelectRows("a.weight", 2, 5);
  const auto result = Fetch("int8");
  ASSERT_TRUE(result.ok()) << result.status();
  auto tensors = TensorsIn(ReadFile(out() / "model-1.safetensors"));
  EXPECT_THAT(NamesOf(tensors), ElementsAre("a.weight_packed", "a.weight_scale",
                                            "a.weight_shape"));
  for (const char* name : {"a.weight_packed", "a.weight_scale"}) {
    EXPECT_EQ(tensors[name].bytes, Rows(whole[name].bytes, 7, 2, 5)) << name;
  }
  EXPECT_EQ(tensors["a.weight_shape"].bytes,
            std::string("\3\0\0\0\0\0\0\0\5\0\0\0\0\0\0\0", 16));
}

// One object, of which each use gets the bytes, sent once.
TEST_F(SelectionTest, TensorsThatShareAnObject) {
  const FakeModel model = MakeModel();
  server_.Serve(model);
  const std::string all =
      MakeTensor("shared.weight", Dtype::kBF16, {4, 8}, true).bytes;
  SelectTensors("shared.weight");
  SelectTensors("tied.weight");
  ASSERT_TRUE(Fetch("original", "both").ok());
  EXPECT_EQ(server_.sent_payload_bytes,
            StoredBytes(model, 4, {0, 1}, original_));
  auto both = TensorsOfShards(directory_.path() / "both");
  EXPECT_EQ(both["shared.weight"].bytes, all);
  EXPECT_EQ(both["tied.weight"].bytes, all);
  // Only the second use.
  selection_ = {};
  SelectTensors("tied.*");
  ASSERT_TRUE(Fetch("original", "second").ok());
  EXPECT_EQ(ReadTree(directory_.path() / "second").size(), 1u);
  auto second =
      TensorsIn(ReadFile(directory_.path() / "second/model-2.safetensors"));
  EXPECT_EQ(second["tied.weight"].bytes, all);
  // The same rows of both, in both precisions.
  selection_ = {};
  SelectRows("*ed.weight", 1, 4);
  for (const char* precision : {"original", "int8"}) {
    ASSERT_TRUE(Fetch(precision, precision).ok());
    auto rows = TensorsOfShards(directory_.path() / precision);
    EXPECT_EQ(rows["shared.weight"].shape, (std::vector<uint64_t>{3, 8}));
    EXPECT_EQ(rows["shared.weight"].bytes, rows["tied.weight"].bytes);
    EXPECT_EQ(rows["shared.weight_scale"].bytes,
              rows["tied.weight_scale"].bytes);
    if (std::string(precision) == "original") {
      EXPECT_EQ(rows["tied.weight"].bytes, Rows(all, 4, 1, 4));
    }
  }
  // All rows are the same rows, however they are asked for.
  selection_ = {};
  SelectTensors("shared.weight");
  SelectRows("tied.weight", 0, 4);
  ASSERT_TRUE(Fetch("original", "all").ok());
  auto all_rows = TensorsOfShards(directory_.path() / "all");
  EXPECT_EQ(all_rows["shared.weight"].bytes, all);
  EXPECT_EQ(all_rows["tied.weight"].bytes, all);
  EXPECT_EQ(all_rows["tied.weight"].shape, (std::vector<uint64_t>{4, 8}));
  // Of one object, different rows cannot be placed.
  selection_ = {};
  SelectRows("shared.weight", 0, 1);
  SelectRows("tied.weight", 1, 2);
  const auto refused = Fetch("original", "different");
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(refused.status().message()),
              HasSubstr("different rows"));
  EXPECT_FALSE(fs::exists(directory_.path() / "different"));
}

TEST_F(SelectionTest, APatternThatMatchesNothing) {
  // Said by the server, and by the client where the server does not.
  const FakeModel model = MakeModel();
  for (const bool honest : {true, false}) {
    if (honest) {
      server_.Serve(model);
    } else {
      server_.ServeAlways(model, v1::PRECISION_ORIGINAL);
    }
    selection_ = {};
    selection_.files = {"*.json", "none*"};
    auto result = Fetch("original");
    EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(result.status().message()),
                HasSubstr("no file of org/model@" + std::string(64, 'a') +
                          " matches \"none*\""));
    selection_ = {};
    SelectTensors("*.weight");
    SelectTensors("nothing");
    result = Fetch("original");
    EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(result.status().message()),
                HasSubstr("matches \"nothing\""));
    selection_ = {};
    SelectRows("a.weight", 3, 8);
    result = Fetch("original");
    EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(result.status().message()),
                HasSubstr("rows 3 to 8 are asked for, but it has 7"));
    EXPECT_TRUE(fs::is_empty(directory_.path()));
  }
  // What no revision can have is not asked for.
  const int call_count = server_.call_count;
  selection_ = {};
  SelectRows("a.weight", 3, 3);
  EXPECT_EQ(Fetch("original").status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(server_.call_count, call_count);
}

// Only chunks that were wanted whole can be checked, and thus held.
TEST_F(SelectionTest, APartGoesOnToo) {
  const FakeModel model = MakeModel();
  for (const std::string precision : {"original", "int8"}) {
    server_.Serve(model);
    selection_ = {};
    // Chunks of 3 rows: a part of the first, and two whole ones.
    SelectRows("a.weight", 2, 7);
    SelectTensors("half.weight");
    ASSERT_TRUE(Fetch(precision, precision + "-whole").ok());
    const uint64_t payload_bytes = server_.sent_payload_bytes;
    v1::DownloadRequest request = server_.download_request;
    const size_t message_count = model.Answer(request).value().size();
    for (size_t limit = 1; limit < message_count; ++limit) {
      SCOPED_TRACE(limit);
      const std::string out = precision + std::to_string(limit);
      server_.download_message_limit = limit;
      server_.status = grpc::Status(grpc::StatusCode::UNAVAILABLE, "cut");
      EXPECT_FALSE(Fetch(precision, out).ok());
      server_.download_message_limit = SIZE_MAX;
      server_.status = grpc::Status::OK;
      const auto result = Fetch(precision, out);
      ASSERT_TRUE(result.ok()) << result.status();
      EXPECT_EQ(ReadTree(directory_.path() / out),
                ReadTree(directory_.path() / (precision + "-whole")));
      EXPECT_EQ(server_.sent_payload_bytes + result->transfer.resumed_bytes,
                payload_bytes);
      if (limit + 1 == message_count) {
        // The whole ones of a.weight, and the only one of half.weight.
        ASSERT_EQ(server_.download_request.held().chunks_size(), 1);
        EXPECT_EQ(server_.download_request.held().chunks(0).object_index(), 2u);
        EXPECT_THAT(server_.download_request.held().chunks(0).chunk_indices(),
                    ElementsAre(1, 2));
        ASSERT_EQ(server_.download_request.held().objects_size(), 1);
        EXPECT_EQ(server_.download_request.held().objects(0).first(), 7u);
      }
    }
  }
  // Chunks of which only a part is there are not taken for damaged.
  EXPECT_THAT(events_.notes(), ::testing::Each(Not(HasSubstr("damaged"))));
}

TEST_F(SelectionTest, AnotherSelectionBeginsAnew) {
  const FakeModel model = MakeModel();
  server_.Serve(model);
  SelectTensors("*.weight");
  server_.download_message_limit = 20;
  server_.status = grpc::Status(grpc::StatusCode::UNAVAILABLE, "cut");
  EXPECT_FALSE(Fetch("original").ok());
  server_.download_message_limit = SIZE_MAX;
  server_.status = grpc::Status::OK;
  selection_ = {};
  SelectTensors("*.weigh?");
  const auto result = Fetch("original");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->transfer.resumed_bytes, 0u);
  EXPECT_EQ(server_.download_request.held().objects_size(), 0);
  EXPECT_EQ(server_.download_request.held().chunks_size(), 0);
}

}  // namespace
}  // namespace qstore::client
