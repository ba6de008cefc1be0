// Downloads of a part of a revision: what is asked for is right, and nothing
// else is read or sent.

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <string>

#include "tests/server/server_fixture.h"
#include "wire/read_request.h"

namespace qstore::server {
namespace {

using grpc::StatusCode;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::UnorderedElementsAre;

const TestTensor kQuery = {
    "layers.0.attn.query.weight", Dtype::kBF16, {64, 96}, 1};
const TestTensor kQueryBias = {
    "layers.0.attn.query.bias", Dtype::kF32, {64}, 2};
const TestTensor kNextQuery = {
    "layers.1.attn.query.weight", Dtype::kF16, {64, 96}, 3};
// Chunks of four rows and one row.
const TestTensor kLong = {"long.weight", Dtype::kBF16, {5, 1u << 20}, 4};
// Chunks of eight rows and one row.
const TestTensor kTable = {"table", Dtype::kU8, {9, 1u << 20}, 5};

// Made once, as random numbers take long.
const std::string& BytesOf(const TestTensor& tensor) {
  static std::map<std::string, std::string> made;
  std::string& bytes = made[tensor.name];
  if (bytes.empty()) bytes = AsStringView(TensorBytes(tensor));
  return bytes;
}

// Rows [first, end).
std::string RowsOf(const TestTensor& tensor, uint64_t first, uint64_t end) {
  const std::string& bytes = BytesOf(tensor);
  const uint64_t row_bytes = bytes.size() / tensor.shape[0];
  return bytes.substr(first * row_bytes, (end - first) * row_bytes);
}

TestModel SmallModel() {
  return {{"config.json", R"({"model_type": "test"})"},
          {"tokenizer/tokenizer.json", R"({"version": "1.0"})"},
          {"vocab.txt", "a\nb\n"},
          {"a.safetensors", SafetensorsFile({kQuery, kQueryBias, kNextQuery})}};
}

const TestModel& PartedModel() {
  static const TestModel kModel = [] {
    TestModel model = SmallModel();
    model["b.safetensors"] = SafetensorsFile({kLong, kTable});
    return model;
  }();
  return kModel;
}

class SelectionTest : public EveryEngineTest {
 protected:
  void SetUp() override {
    EveryEngineTest::SetUp();
    MustUpload(kModel, model());
    request_ = MakeDownload(MakeReference(kModel));
  }

  virtual const TestModel& model() const {
    static const TestModel kSmall = SmallModel();
    return kSmall;
  }

  void AddTensor(const std::string& pattern, uint64_t first_row = 0,
                 uint64_t end_row = 0) {
    v1::TensorPattern* tensor = request_.mutable_selection()->add_tensors();
    tensor->set_pattern(pattern);
    tensor->set_first_row(first_row);
    tensor->set_end_row(end_row);
  }
  void AddFile(const std::string& pattern) {
    request_.mutable_selection()->add_files(pattern);
  }
  void Clear() { request_ = MakeDownload(MakeReference(kModel)); }

  // Downloads request_ and expects that the store reads each value that is
  // sent, once, and no other.
  DownloadResult DownloadPart() {
    const uint64_t before[] = {ValuesRead(), ValuesRead(kInt8),
                               ValuesRead(kResidual), ValuesRead(kPlain)};
    DownloadResult result = Download(*stub_, request_);
    EXPECT_TRUE(result.status.ok()) << result.status.error_message();
    EXPECT_EQ(ValuesRead() - before[0], result.value_count);
    for (const codec::LayerNumber layer : {kInt8, kResidual}) {
      EXPECT_EQ(ValuesRead(layer) > before[layer],
                result.received.of(layer) > 0);
    }
    // Files and headers are in this layer too.
    EXPECT_EQ(ValuesRead(kPlain) > before[kPlain],
              result.received.of(kPlain) + result.received.other() > 0);
    return result;
  }

  void ExpectRefused(const std::string& text) {
    const uint64_t before = ValuesRead();
    const grpc::Status status = Refused();
    EXPECT_THAT(status, StatusIs(StatusCode::INVALID_ARGUMENT, text));
    EXPECT_EQ(ValuesRead(), before);
    Clear();
  }

  v1::DownloadRequest request_;

 private:
  // The client's own plan would fail too: only messages are read here.
  grpc::Status Refused() {
    grpc::ClientContext context;
    auto reader = stub_->Download(&context, request_);
    v1::DownloadResponse response;
    while (reader->Read(&response)) {
      EXPECT_TRUE(response.has_manifest_page()) << "sends what it refuses";
    }
    return reader->Finish();
  }
};
INSTANTIATE_TEST_SUITE_P(Engines, SelectionTest,
                         ::testing::Values("memory", "rocksdb"),
                         [](const auto& param) { return param.param; });

class LargeSelectionTest : public SelectionTest {
 protected:
  const TestModel& model() const override { return PartedModel(); }
};
INSTANTIATE_TEST_SUITE_P(Engines, LargeSelectionTest,
                         ::testing::Values("memory", "rocksdb"),
                         [](const auto& param) { return param.param; });

TEST_P(SelectionTest, Files) {
  AddFile("*.json");
  const DownloadResult result = DownloadPart();
  EXPECT_THAT(result.files,
              UnorderedElementsAre(Key("config.json"),
                                   Key("tokenizer/tokenizer.json")));
  for (const auto& [path, content] : result.files) {
    EXPECT_EQ(content, model().at(path));
  }
  EXPECT_EQ(result.value_count, 2u);
  EXPECT_THAT(result.received.by_layer(), IsEmpty());
}

TEST_P(SelectionTest, ASafetensorsFileWhole) {
  AddFile("a.safetensors");
  const DownloadResult result = DownloadPart();
  EXPECT_EQ(result.files.size(), 1u);
  EXPECT_EQ(result.files.at("a.safetensors"), model().at("a.safetensors"));
  EXPECT_LT(result.received.total(), model().at("a.safetensors").size());
}

TEST_P(SelectionTest, Tensors) {
  AddTensor("layers.0.*");
  const DownloadResult result = DownloadPart();
  EXPECT_TRUE(PlannedBytes(result, kQuery.name) == BytesOf(kQuery));
  EXPECT_TRUE(PlannedBytes(result, kQueryBias.name) == BytesOf(kQueryBias));
  EXPECT_EQ(result.chunks.size(), 2u);
  EXPECT_THAT(result.files, IsEmpty());
  EXPECT_EQ(result.received.other(), 0u);  // not even the header
  EXPECT_EQ(
      result.received.of(kInt8),
      model::PayloadBytes(ObjectOf(result.manifest, kQuery.name)).of(kInt8));
}

TEST_P(SelectionTest, Int8OfTensorsReadsNoResidual) {
  request_ = MakeDownload(MakeReference(kModel), kInt8);
  AddTensor("layers.?.attn.*");
  const uint64_t before = ValuesRead(kResidual);
  const DownloadResult result = DownloadPart();
  EXPECT_EQ(ValuesRead(kResidual), before);
  EXPECT_EQ(result.received.of(kResidual), 0u);
  EXPECT_GT(result.received.of(kInt8), 0u);
  EXPECT_GT(result.received.of(kPlain), 0u);  // the bias, which has no INT8
  EXPECT_TRUE(ObjectOf(result.manifest, kQuery.name).quantized());
  EXPECT_TRUE(ObjectOf(result.manifest, kNextQuery.name).quantized());
  EXPECT_EQ(result.codes.size(), 2u);
  for (const auto& [index, codes] : result.codes) {
    EXPECT_EQ(codes.size(), 64u * 96);
  }
}

TEST_P(LargeSelectionTest, RowsTakeTheChunksThatHaveThem) {
  const struct {
    const TestTensor& tensor;
    uint64_t first;
    uint64_t end;
    size_t chunk_count;
  } cases[] = {
      {kLong, 4, 5, 1},    {kLong, 1, 3, 1},  {kLong, 3, 5, 2},
      {kTable, 0, 8, 1},   {kTable, 8, 9, 1}, {kTable, 7, 9, 2},
      {kQuery, 63, 64, 1},
  };
  for (const auto& test : cases) {
    SCOPED_TRACE(test.tensor.name + " from row " + std::to_string(test.first));
    AddTensor(test.tensor.name, test.first, test.end);
    const DownloadResult result = DownloadPart();
    EXPECT_EQ(result.chunks.size(), test.chunk_count);
    EXPECT_TRUE(PlannedBytes(result, test.tensor.name) ==
                RowsOf(test.tensor, test.first, test.end));
    Clear();
  }
}

TEST_P(LargeSelectionTest, SeveralPatternsTogether) {
  AddFile("vocab.txt");
  AddFile("config.*");
  AddTensor("long.*", 4, 5);
  AddTensor("*.weight");
  const DownloadResult result = DownloadPart();
  EXPECT_THAT(result.files,
              UnorderedElementsAre(Key("vocab.txt"), Key("config.json")));
  // The first pattern that matches says which rows.
  EXPECT_TRUE(PlannedBytes(result, kLong.name) == RowsOf(kLong, 4, 5));
  EXPECT_TRUE(PlannedBytes(result, kNextQuery.name) == BytesOf(kNextQuery));
  EXPECT_EQ(result.chunks.size(), 5u);
}

TEST_P(SelectionTest, WhatMatchesNothingIsNamed) {
  AddFile("*.json");
  AddFile("*.jsonl");
  ExpectRefused("matches \"*.jsonl\"");
  AddTensor("layers.0.*");
  AddTensor("layers.7.*");
  ExpectRefused("matches \"layers.7.*\"");
  AddTensor("config.json");  // is no tensor
  ExpectRefused("matches \"config.json\"");
  AddFile("LAYERS\n");
  ExpectRefused("matches \"LAYERS\\n\"");
}

TEST_P(LargeSelectionTest, ImpossibleRowsAndPatterns) {
  AddTensor(kLong.name, 4, 6);
  ExpectRefused(
      "tensor \"long.weight\": rows 4 to 6 are asked for, but it "
      "has 5");
  AddTensor(kLong.name, 3, 3);
  ExpectRefused("rows 3 to 3");
  AddTensor(kLong.name, ~uint64_t{0}, 1);
  ExpectRefused("are none");
  AddTensor("");
  ExpectRefused("0 bytes");
  AddFile(std::string(1025, '*'));
  ExpectRefused("1025 bytes");
  for (size_t i = 0; i <= model::kMaxPatterns; ++i) AddFile("*");
  ExpectRefused("257 file and 0 tensor patterns");
}

// The whole manifest, the values of those chunks that the client lacks.
TEST_P(LargeSelectionTest, LeavesOutWhatTheClientHolds) {
  const DownloadResult all = Download(*stub_, request_);
  v1::Held* held = request_.mutable_held();
  held->set_revision(all.manifest.revision);
  v1::ObjectRange* range = held->add_objects();
  range->set_first(1);
  range->set_end(3);
  const auto long_index = static_cast<uint32_t>(
      &ObjectOf(all.manifest, kLong.name) - all.manifest.objects.data());
  v1::HeldChunks* chunks = held->add_chunks();
  chunks->set_object_index(long_index);
  chunks->add_chunk_indices(0);
  chunks->add_chunk_indices(77);  // there is none
  const DownloadResult rest = DownloadPart();
  EXPECT_TRUE(rest.manifest.objects == all.manifest.objects);
  for (const auto& [place, bytes] : all.chunks) {
    const auto& [object, chunk] = place;
    const bool is_held =
        object == 1 || object == 2 || (object == long_index && chunk == 0);
    const auto found = rest.chunks.find(place);
    EXPECT_EQ(found == rest.chunks.end(), is_held) << object << ":" << chunk;
    if (!is_held && found != rest.chunks.end()) {
      EXPECT_TRUE(found->second == bytes);
    }
  }
  EXPECT_GT(rest.plan.held.total(), 0u);
  EXPECT_EQ(rest.received.total() + rest.plan.held.total(),
            all.received.total());
}

TEST_P(LargeSelectionTest, HeldAndSelectedTogether) {
  const DownloadResult all = Download(*stub_, request_);
  AddTensor(kLong.name);
  AddFile("vocab.txt");
  request_.mutable_held()->set_revision(all.manifest.revision);
  v1::HeldChunks* chunks = request_.mutable_held()->add_chunks();
  chunks->set_object_index(static_cast<uint64_t>(
      &ObjectOf(all.manifest, kLong.name) - all.manifest.objects.data()));
  chunks->add_chunk_indices(1);
  const DownloadResult result = DownloadPart();
  EXPECT_EQ(result.chunks.size(), 2u);
  // In the order of the manifest, as files are by name.
  EXPECT_TRUE(result.chunks.begin()->second == RowsOf(kLong, 0, 4));
  EXPECT_EQ(result.chunks.rbegin()->second, "a\nb\n");
}

TEST_P(SelectionTest, HeldOfAnotherRevisionIsIgnored) {
  const DownloadResult all = Download(*stub_, request_);
  const std::string revision = all.manifest.revision;
  std::string changed = revision;
  changed[0] = changed[0] == 'a' ? 'b' : 'a';
  for (const std::string& held_revision :
       {changed, revision.substr(0, 10), std::string(), revision + "0"}) {
    Clear();
    request_.mutable_held()->set_revision(held_revision);
    v1::ObjectRange* range = request_.mutable_held()->add_objects();
    range->set_first(0);
    range->set_end(1000);
    const DownloadResult result = DownloadPart();
    EXPECT_EQ(result.received, all.received) << held_revision;
    EXPECT_TRUE(result.chunks == all.chunks);
  }
  request_.mutable_held()->set_revision(revision);
  EXPECT_EQ(DownloadPart().value_count, 0u);
}

TEST_P(SelectionTest, TooMuchHeldIsRefused) {
  v1::HeldChunks* chunks = request_.mutable_held()->add_chunks();
  for (uint32_t i = 0; i < wire::kMaxHeldEntries; ++i) {
    chunks->add_chunk_indices(i);
  }
  ExpectRefused("at most 65536");
}

}  // namespace
}  // namespace qstore::server
