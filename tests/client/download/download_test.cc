#include "client/download/download.h"

#include <filesystem>
#include <fstream>
#include <future>
#include <map>
#include <string>

#include "base/error_reason.h"
#include "codec/chunk.h"
#include "codec/layers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/safetensors.h"
#include "nlohmann/json.hpp"
#include "tests/client/download/download_fixture.h"
#include "tests/client/error_details.h"

namespace qstore::client {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

TEST_F(DownloadTest, GivesTheOriginalBack) {
  const FakeModel model = MakeModel();
  server_.Serve(model);
  const auto result = Fetch("original");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(ReadTree(directory_.path() / "out"), model.contents());
  EXPECT_EQ(result->file_count, model.contents().size());
  EXPECT_EQ(result->format, "");
  const Transfer& transfer = result->transfer;
  EXPECT_EQ(transfer.received.total(), transfer.bytes_received);
  EXPECT_EQ(transfer.resumed_bytes, 0u);
  EXPECT_GT(transfer.received.of(codec::kResidualLayer.number), 0u);
  EXPECT_EQ(server_.download_request.reference().revision(),
            std::string(64, 'a'));
}

TEST_F(DownloadTest, WritesIntoAnExistingDirectory) {
  const FakeModel model = MakeModel();
  server_.Serve(model);
  directory_.Write("out/config.json", "old");
  directory_.Write("out/mine", "kept");
  ASSERT_TRUE(Fetch("original").ok());
  std::map<std::string, std::string> expected = model.contents();
  expected["mine"] = "kept";
  EXPECT_EQ(ReadTree(directory_.path() / "out"), expected);
}

TEST_F(DownloadTest, ExportsInt8) {
  const FakeModel model = MakeModel();
  server_.Serve(model);
  const auto result = Fetch("int8");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->format, "compressed-tensors");
  EXPECT_EQ(result->transfer.received.of(codec::kResidualLayer.number), 0u);
  EXPECT_EQ(server_.download_request.precision(), v1::PRECISION_INT8);
  const auto files = ReadTree(directory_.path() / "out");
  for (const char* same :
       {"empty", "other/config.json", "notes.txt", "sub/copy of notes.txt"}) {
    EXPECT_EQ(files.at(same), model.contents().at(same)) << same;
  }
  const auto config = nlohmann::json::parse(files.at("config.json"));
  EXPECT_EQ(config["quantization_config"]["format"], "int-quantized");
  EXPECT_THAT(config["quantization_config"]["ignore"],
              ::testing::Contains("emb"));
  const auto index =
      nlohmann::json::parse(files.at("model.safetensors.index.json"));
  EXPECT_EQ(index["weight_map"]["half.weight_scale"], "model-2.safetensors");

  std::map<std::string, std::string> tensors;
  uint64_t tensor_bytes = 0;
  for (const char* shard : {"model-1.safetensors", "model-2.safetensors"}) {
    const ByteView bytes = AsBytes(files.at(shard));
    const auto json_bytes = ParseSafetensorsLength(bytes, bytes.size());
    ASSERT_TRUE(json_bytes.ok()) << json_bytes.status();
    const ByteView tail = bytes.subspan(8 + *json_bytes);
    const auto header =
        ParseSafetensorsHeader(bytes.subspan(8, *json_bytes), tail.size());
    ASSERT_TRUE(header.ok()) << header.status();
    tensor_bytes += tail.size();
    for (const TensorEntry& entry : header->tensors) {
      tensors[entry.name] =
          AsStringView(tail.subspan(entry.begin_bytes, entry.size_bytes()));
    }
  }
  EXPECT_EQ(index["metadata"]["total_size"], tensor_bytes);
  ASSERT_EQ(tensors.size(), 10u);
  EXPECT_EQ(tensors["a.bias"],
            MakeTensor("a.bias", Dtype::kBF16, {7}, false).bytes);
  EXPECT_EQ(tensors["tied.weight"], tensors["shared.weight"]);
  EXPECT_EQ(tensors["tied.weight_scale"], tensors["shared.weight_scale"]);
  // Each weight is within half a step of code times scale.
  const std::string weights =
      MakeTensor("a.weight", Dtype::kBF16, {7, 5}, true).bytes;
  for (size_t i = 0; i < 35; ++i) {
    const auto code = static_cast<int8_t>(tensors["a.weight"][i]);
    const auto scale = LoadLittleEndian<float>(
        tensors["a.weight_scale"].data() + i / 5 * sizeof(float));
    const uint32_t bits =
        uint32_t{LoadLittleEndian<uint16_t>(weights.data() + 2 * i)} << 16;
    const auto weight = LoadLittleEndian<float>(&bits);
    EXPECT_NEAR(weight, static_cast<float>(code) * scale, 0.501 * scale);
  }
}

TEST_F(DownloadTest, Int8WithNothingQuantizedIsAClearNo) {
  FakeModel model;
  model.AddFile("config.json", "{}");
  model.AddSafetensors("model.safetensors",
                       {MakeTensor("a.weight", Dtype::kF16, {4, 4}, false)});
  server_.Serve(model);
  const auto refused = Fetch("int8");
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.status().message()),
              HasSubstr("has no INT8"));
  EXPECT_EQ(ReasonOf(refused.status()), kReasonNoInt8);
  EXPECT_TRUE(fs::is_empty(directory_.path()));
  allow_original_ = true;
  const auto result = Fetch("int8");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->precision, "original");
  EXPECT_EQ(result->format, "");
  EXPECT_EQ(ReadTree(directory_.path() / "out"), model.contents());
}

TEST_F(DownloadTest, TheOriginalStandsInForInt8AloneThatCannotBeHad) {
  allow_original_ = true;
  FakeModel model = MakeModel();
  server_.Serve(model);
  // A file in the way is in the way of the original too.
  directory_.Write("out", "a file");
  EXPECT_EQ(Fetch("int8").status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(server_.call_count, 0);
  EXPECT_EQ(events_.notes(), std::vector<std::string>());
  // Its codes would take the place of another tensor.
  FakeModel clash;
  clash.AddSafetensors("m.safetensors",
                       {MakeTensor("a.weight", Dtype::kF32, {4, 4}, true),
                        MakeTensor("a.weight_scale", Dtype::kF32, {4}, false)});
  server_.Serve(clash);
  const auto result = Fetch("int8", "clash");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->precision, "original");
  EXPECT_EQ(ReadTree(directory_.path() / "clash"), clash.contents());
  allow_original_ = false;
  EXPECT_EQ(ReasonOf(Fetch("int8", "no").status()), kReasonInt8NotExportable);
}

TEST_F(DownloadTest, Int8WithoutAConfigIsSafetensorsOnly) {
  FakeModel model;
  model.AddSafetensors("m.safetensors",
                       {MakeTensor("a.weight", Dtype::kF32, {4, 4}, true)});
  server_.Serve(model);
  ASSERT_TRUE(Fetch("int8").ok());
  EXPECT_EQ(ReadTree(directory_.path() / "out").size(), 1u);
}

TEST_F(DownloadTest, TakesThePrecisionThatWasUploaded) {
  FakeModel model;
  model.AddSafetensors("m.safetensors",
                       {MakeTensor("a.weight", Dtype::kF16, {4, 4}, true),
                        MakeTensor("n.weight", Dtype::kF32, {4}, false)});
  server_.Serve(model);
  const auto other = Fetch("bf16");
  EXPECT_EQ(other.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(other.status().message()),
              HasSubstr("uploaded as F16"));
  EXPECT_EQ(ReasonOf(other.status()), kReasonOtherPrecision);
  EXPECT_TRUE(fs::is_empty(directory_.path()));
  ASSERT_TRUE(Fetch("fp16").ok());
  EXPECT_EQ(ReadTree(directory_.path() / "out"), model.contents());
}

TEST_F(DownloadTest, PassesTheServersErrorOn) {
  server_.status = grpc::Status(grpc::StatusCode::NOT_FOUND,
                                "model org/model is not stored");
  const auto result = Fetch("original");
  EXPECT_EQ(result.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(result.status().message()),
              HasSubstr("model org/model is not stored"));
  EXPECT_TRUE(fs::is_empty(directory_.path()));
}

TEST_F(DownloadTest, AnErrorInTheMiddleLeavesNothing) {
  server_.ServeAlways(MakeModel(), v1::PRECISION_ORIGINAL);
  server_.stream.resize(server_.stream.size() / 2);
  server_.status =
      grpc::Status(grpc::StatusCode::DATA_LOSS, "tensor x is damaged");
  const auto result = Fetch("original");
  EXPECT_EQ(result.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(result.status().message()),
              HasSubstr("tensor x is damaged"));
  EXPECT_TRUE(fs::is_empty(directory_.path()));
}

TEST_F(DownloadTest, AnErrorKeepsAnExistingDirectoryAsItWas) {
  server_.ServeAlways(MakeModel(), v1::PRECISION_ORIGINAL);
  server_.stream.resize(server_.stream.size() / 2);
  directory_.Write("out/config.json", "old");
  EXPECT_FALSE(Fetch("original").ok());
  EXPECT_EQ(ReadTree(directory_.path()),
            (std::map<std::string, std::string>{{"out/config.json", "old"}}));
}

TEST_F(DownloadTest, CancellationLeavesNothingButWhatAnotherMayGoOnWith) {
  server_.ServeAlways(MakeModel(), v1::PRECISION_ORIGINAL);
  server_.stream.resize(server_.stream.size() / 2);
  server_.hang_after_stream = true;
  auto canceller = std::async(std::launch::async, [this] {
    server_.WaitUntilStreamed();
    cancellation_.Cancel();
  });
  const auto result = Fetch("original");
  EXPECT_EQ(result.status().code(), absl::StatusCode::kCancelled);
  for (const auto& entry : fs::directory_iterator(directory_.path())) {
    EXPECT_THAT(entry.path().filename().native(),
                HasSubstr(".out.qstore-partial-"));
  }
}

// Also what waited to be decoded when the connection broke.
TEST_F(DownloadTest, NothingThatCameWholeBeforeACutComesAgain) {
  const FakeModel model = MakeModel();
  server_.Serve(model);
  server_.download_message_limit =
      model.Stream(v1::PRECISION_ORIGINAL).size() - 1;  // not the end
  server_.status = grpc::Status(grpc::StatusCode::UNAVAILABLE, "cut");
  EXPECT_FALSE(Fetch("original").ok());
  server_.status = grpc::Status::OK;
  server_.download_message_limit = SIZE_MAX;
  const auto result = Fetch("original");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(ReadTree(directory_.path() / "out"), model.contents());
  uint64_t held_count = 0;
  for (const v1::ObjectRange& range :
       server_.download_request.held().objects()) {
    held_count += range.end() - range.first();
  }
  EXPECT_EQ(held_count, model.manifest().objects.size());
  EXPECT_EQ(server_.download_request.held().revision(), std::string(64, 'a'));
  EXPECT_GT(result->transfer.resumed_bytes, 0u);
}

// Cut after each message in turn: chunks of one object are held and others are
// not, and the rest comes with no byte more.
TEST_F(DownloadTest, GoesOnAfterEachMessage) {
  const FakeModel model = MakeModel();
  for (const v1::Precision precision :
       {v1::PRECISION_ORIGINAL, v1::PRECISION_INT8}) {
    const std::string name =
        precision == v1::PRECISION_INT8 ? "int8" : "original";
    const size_t message_count = model.Stream(precision).size();
    server_.Serve(model);
    const auto whole = Fetch(name, name);
    ASSERT_TRUE(whole.ok()) << whole.status();
    const uint64_t payload_bytes = server_.sent_payload_bytes;
    for (size_t limit = 1; limit < message_count; limit += 7) {
      SCOPED_TRACE(limit);
      const std::string out = name + std::to_string(limit);
      server_.download_message_limit = limit;
      server_.status = grpc::Status(grpc::StatusCode::UNAVAILABLE, "cut");
      EXPECT_EQ(Fetch(name, out).status().code(),
                absl::StatusCode::kUnavailable);
      server_.download_message_limit = SIZE_MAX;
      server_.status = grpc::Status::OK;
      const auto result = Fetch(name, out);
      ASSERT_TRUE(result.ok()) << result.status();
      EXPECT_EQ(ReadTree(directory_.path() / out),
                ReadTree(directory_.path() / name));
      EXPECT_EQ(server_.sent_payload_bytes + result->transfer.resumed_bytes,
                payload_bytes);
    }
  }
  EXPECT_THAT(events_.notes(), ::testing::Each(Not(HasSubstr("damaged"))));
}

TEST_F(DownloadTest, FetchesAgainWhatIsDamagedWhereItWasLeft) {
  const FakeModel model = MakeModel();
  server_.Serve(model);
  server_.download_message_limit =
      model.Stream(v1::PRECISION_ORIGINAL).size() - 1;
  server_.status = grpc::Status(grpc::StatusCode::UNAVAILABLE, "cut");
  EXPECT_FALSE(Fetch("original").ok());
  for (const auto& entry :
       fs::recursive_directory_iterator(directory_.path())) {
    if (entry.path().filename() != "model-1.safetensors") continue;
    std::string text = ReadFile(entry.path());
    text.back() ^= 1;
    std::ofstream(entry.path(), std::ios::binary) << text;
  }
  server_.status = grpc::Status::OK;
  server_.download_message_limit = SIZE_MAX;
  const auto result = Fetch("original");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(ReadTree(directory_.path() / "out"), model.contents());
  EXPECT_THAT(events_.notes(), ::testing::Contains(HasSubstr("are damaged")));
}

// What the server knows of its own damage, another download does not mend.
TEST_F(DownloadTest, DamageInTheStoreIsNotBlamedOnWhatIsThere) {
  const FakeModel model = MakeModel();
  Interrupt(model);
  for (const char* reason : {kReasonDamaged, kReasonInternal}) {
    SCOPED_TRACE(reason);
    const int calls_before = server_.call_count;
    server_.failures_left = 1;
    server_.failure =
        ErrorWith(static_cast<grpc::StatusCode>(FindErrorReason(reason)->code),
                  "tensor x: RST_STREAM", reason);
    EXPECT_EQ(ReasonOf(Fetch("original").status()), reason);
    EXPECT_EQ(server_.call_count, calls_before + 1);
    EXPECT_EQ(events_.notes(), std::vector<std::string>());
    Interrupt(model);
  }
  const auto result = Fetch("original");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_GT(result->transfer.resumed_bytes, 0u);
}

// Perhaps the journal says what is not so.
TEST_F(DownloadTest, BeginsAnewWhereTheRestDoesNotFit) {
  const FakeModel model = MakeModel();
  Interrupt(model);
  server_.ServeAlways(model, v1::PRECISION_ORIGINAL);  // whatever is held
  const auto result = Fetch("original");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(ReadTree(directory_.path() / "out"), model.contents());
  EXPECT_EQ(result->transfer.resumed_bytes, 0u);
  EXPECT_THAT(
      events_.notes(),
      ::testing::ElementsAre(HasSubstr("not using what was there already")));
}

// Blobs of several values, and a manifest of several pages.
TEST_F(DownloadTest, GivesLargeObjectsBack) {
  FakeModel large(codec::kPlainChunkBytes);
  large.AddFile("weights.bin", NoiseOf(5 * model::kMaxValueBytes / 2));
  server_.Serve(large);
  const auto result = Fetch("original");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(ReadTree(directory_.path() / "out"), large.contents());
  const FakeModel many = ModelOfManyPages();
  server_.Serve(many);
  EXPECT_GT(server_.revision_pages.size(), 1u);
  ASSERT_TRUE(Fetch("original", "many").ok());
  EXPECT_EQ(ReadTree(directory_.path() / "many"), many.contents());
}

TEST_F(DownloadTest, AnIndexThatCannotBeReadStaysAsItIs) {
  FakeModel model;
  model.AddFile("config.json", "{}");
  model.AddSafetensors("m.safetensors",
                       {MakeTensor("a.weight", Dtype::kF32, {4, 4}, true)});
  model.AddFile("m.safetensors.index.json", "");
  model.AddFile("n.safetensors.index.json", R"({"weight_map": {"a": 1}})");
  server_.Serve(model);
  const auto result = Fetch("int8");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(ReadFile(directory_.path() / "out/m.safetensors.index.json"), "");
  EXPECT_EQ(ReadFile(directory_.path() / "out/n.safetensors.index.json"),
            R"({"weight_map": {"a": 1}})");
  EXPECT_THAT(events_.notes(), ::testing::Contains(HasSubstr(
                                   "index \"m.safetensors.index.json\" stays "
                                   "as it is: it is not a JSON object")));
}

// Stored before such names were refused.
TEST_F(DownloadTest, RefusesFilesNamedLikeItsOwn) {
  FakeModel model;
  model.AddFile(".good.qstore-partial-1/evil.py", "evil");
  server_.Serve(model);
  const auto result = Fetch("original");
  EXPECT_EQ(result.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(result.status().message()),
              HasSubstr("upload it again without that file"));
  EXPECT_TRUE(fs::is_empty(directory_.path()));
}

TEST_F(DownloadTest, AConfigThatCannotBeExtendedIsAnError) {
  FakeModel model;
  model.AddFile("config.json", "not JSON");
  model.AddSafetensors("m.safetensors",
                       {MakeTensor("a.weight", Dtype::kF32, {4, 4}, true)});
  server_.Serve(model);
  const auto result = Fetch("int8");
  EXPECT_EQ(result.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("config.json"));
  EXPECT_TRUE(fs::is_empty(directory_.path()));
}

}  // namespace
}  // namespace qstore::client
