#include "client/upload/upload.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/error_reason.h"
#include "base/hash.h"
#include "client/session.h"
#include "client/upload/read_ahead.h"
#include "codec/int8/int8_coder.h"
#include "codec/quantizer.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/error_details.h"
#include "tests/client/fake_model.h"
#include "tests/client/fake_server.h"
#include "tests/client/recorded_events.h"
#include "tests/client/temporary_directory.h"

namespace qstore::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class UploadTest : public ::testing::Test {
 protected:
  UploadTest() {
    options_.source = directory_.path();
    options_.model = "org/model";
    options_.tag = "v1";
    server_.upload_response.set_model("org/model");
    server_.upload_response.set_tag("v1");
    server_.upload_response.set_revision(std::string(64, 'b'));
    server_.upload_response.set_created(true);
  }

  absl::StatusOr<UploadResult> Send() {
    Session session({.retry_seconds = retry_seconds_}, server_.Connect());
    return session.Upload(options_,
                          {.events = &events_, .cancellation = &cancellation_});
  }

  // What the server got, by path; checks order and checksums.
  std::map<std::string, std::string> Received() {
    std::map<std::string, std::string> files;
    std::string path;
    for (const v1::UploadRequest& request : server_.uploaded) {
      if (request.has_file()) {
        path = request.file().path();
        EXPECT_EQ(files.count(path), 0u);
        files[path] = "";
      } else if (request.has_bytes()) {
        const std::string& payload = request.bytes().payload();
        EXPECT_LE(payload.size(), kUploadBlockBytes);
        EXPECT_EQ(request.bytes().xxh3(), Xxh3(AsBytes(payload)));
        files[path] += payload;
      }
    }
    return files;
  }

  TemporaryDirectory directory_;
  UploadOptions options_;
  double retry_seconds_ = 0;
  FakeServer server_;
  Cancellation cancellation_;
  RecordedEvents events_;
};

TEST_F(UploadTest, SendsEveryFile) {
  const std::string large(3 * kUploadBlockBytes + 17, 'x');
  directory_.Write("a/large.bin", large);
  directory_.Write("empty", "");
  directory_.Write("z", "last");
  server_.upload_response.set_received_bytes(large.size() + 4);
  const auto result = Send();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(Received(),
            (std::map<std::string, std::string>{
                {"a/large.bin", large}, {"empty", ""}, {"z", "last"}}));
  const v1::UploadBegin& begin = server_.uploaded.front().begin();
  EXPECT_EQ(begin.model(), "org/model");
  EXPECT_EQ(begin.tag(), "v1");
  // There are no weights.
  EXPECT_EQ(begin.quantization().quantizer(), "none");
  const v1::UploadEnd& end = server_.uploaded.back().end();
  EXPECT_EQ(end.file_count(), 3u);
  EXPECT_EQ(end.total_bytes(), large.size() + 4);
  uint64_t sent_bytes = 0;
  for (const v1::UploadRequest& request : server_.uploaded) {
    sent_bytes += request.ByteSizeLong();
  }
  EXPECT_EQ(result->transfer.bytes_sent, sent_bytes);
  EXPECT_EQ(result->file_count, 3u);
}

TEST_F(UploadTest, PassesQuantizationOptionsOn) {
  directory_.Write("x", "1");
  options_.include = {"a*"};
  options_.exclude = {"b*", "c"};
  options_.no_default_excludes = true;
  options_.int8_coder = "sliced";
  server_.upload_response.set_received_bytes(1);
  ASSERT_TRUE(Send().ok());
  const v1::QuantizationOptions& sent =
      server_.uploaded.front().begin().quantization();
  EXPECT_THAT(sent.include(), ElementsAre("a*"));
  EXPECT_THAT(sent.exclude(), ElementsAre("b*", "c"));
  EXPECT_TRUE(sent.replace_default_excludes());
  EXPECT_EQ(sent.int8_coder(), "sliced");
}

TEST_F(UploadTest, TheTablesSayWhatIsUsedWhereNothingIsSaid) {
  FakeModel model;
  model.AddFile("config.json", R"({"model_type": "bert"})");
  model.AddSafetensors(
      "model.safetensors",
      {MakeTensor("layer.0.query.weight", Dtype::kF32, {4, 4}, false)});
  uint64_t size_bytes = 0;
  for (const auto& [path, content] : model.contents()) {
    directory_.Write(path, content);
    size_bytes += content.size();
  }
  server_.upload_response.set_received_bytes(size_bytes);
  const auto result = Send();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->quantized_tensors, 1u);
  EXPECT_EQ(result->quantizer, codec::DefaultQuantizer().name);
  const v1::QuantizationOptions& sent =
      server_.uploaded.front().begin().quantization();
  EXPECT_EQ(sent.quantizer(), codec::DefaultQuantizer().name);
  EXPECT_EQ(sent.int8_coder(), codec::DefaultInt8Coder().name);
}

TEST_F(UploadTest, QuantizesNothingThatIsQuantizedAlready) {
  const std::string config = R"({"quantization_config": {"bits": 4}})";
  directory_.Write("config.json", config);
  server_.upload_response.set_received_bytes(config.size());
  const auto result = Send();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->quantized_tensors, 0u);
  EXPECT_EQ(result->quantizer, "none");
  EXPECT_EQ(server_.uploaded.front().begin().quantization().quantizer(),
            "none");
}

TEST_F(UploadTest, SendsWhatCannotBeTakenApartAsBytes) {
  directory_.Write("a.bin", "");
  directory_.Write("m.safetensors", "nonsense that is no header");
  server_.upload_response.set_received_bytes(26);
  const auto result = Send();
  ASSERT_TRUE(result.ok()) << result.status();
  std::map<std::string, bool> as_bytes;
  for (const v1::UploadRequest& request : server_.uploaded) {
    if (!request.has_file()) continue;
    as_bytes[request.file().path()] = request.file().as_bytes();
  }
  EXPECT_EQ(as_bytes, (std::map<std::string, bool>{{"a.bin", false},
                                                   {"m.safetensors", true}}));
  EXPECT_THAT(events_.notes(), ElementsAre(HasSubstr("m.safetensors")));
}

TEST_F(UploadTest, FindsAnAccidentBeforeItSendsAnything) {
  directory_.Write("m.bin", "version https://git-lfs.github.com/spec/v1\n");
  EXPECT_EQ(Send().status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(server_.uploaded.empty());
  options_.force = true;
  server_.upload_response.set_received_bytes(43);
  const auto result = Send();
  EXPECT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(events_.notes().size(), 1u);
}

TEST_F(UploadTest, ReportsWhyTheServerStopped) {
  directory_.Write("large", std::string(20 * kUploadBlockBytes, 'x'));
  server_.upload_message_limit = 3;
  server_.status =
      grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "the disk is full");
  const auto result = Send();
  EXPECT_EQ(result.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(result.status().message()),
              HasSubstr("the disk is full"));
}

TEST_F(UploadTest, ChecksWhatTheServerConfirms) {
  directory_.Write("x", "123");
  server_.upload_response.set_received_bytes(2);
  EXPECT_EQ(Send().status().code(), absl::StatusCode::kDataLoss);
  server_.upload_response.set_received_bytes(3);
  server_.upload_response.clear_revision();
  EXPECT_EQ(Send().status().code(), absl::StatusCode::kInternal);
}

TEST_F(UploadTest, GoesOnAtThePointThatTheServerNames) {
  const std::string large = std::string(kUploadBlockBytes, 'x') + "yz";
  directory_.Write("a", "first");
  directory_.Write("b", large);
  directory_.Write("c", "");
  server_.upload_response.set_received_bytes(large.size() + 5);
  v1::UploadPoint* point = server_.upload_state.emplace().mutable_point();
  point->set_file_count(1);
  point->set_file_offset_bytes(kUploadBlockBytes - 1);
  const auto result = Send();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->transfer.resumed_bytes, 5 + kUploadBlockBytes - 1);
  ASSERT_EQ(server_.uploaded.size(), 4u);
  const v1::UploadBegin& begin = server_.uploaded[0].begin();
  EXPECT_EQ(begin.upload_key(), server_.upload_state_request.upload_key());
  EXPECT_EQ(begin.client_id(), server_.upload_state_request.client_id());
  EXPECT_EQ(begin.resume().file_count(), 1u);
  EXPECT_EQ(begin.resume().file_offset_bytes(), kUploadBlockBytes - 1);
  std::string hashed;
  const auto add_number = [&hashed](uint64_t number) {
    hashed.append(reinterpret_cast<const char*>(&number), sizeof(number));
  };
  for (const std::string& content : {std::string("first"), large}) {
    add_number(1);
    hashed += content == large ? "b" : "a";
    add_number(content.size());
    hashed += content.substr(0, kUploadBlockBytes - 1);
  }
  EXPECT_EQ(begin.resume().xxh3(), Xxh3(AsBytes(hashed)));
  EXPECT_EQ(server_.uploaded[1].bytes().payload(), "xyz");
  EXPECT_EQ(server_.uploaded[2].file().path(), "c");
  EXPECT_EQ(server_.uploaded[3].end().total_bytes(), large.size() + 5);
  EXPECT_EQ(server_.uploaded[3].end().file_count(), 3u);

  // A point that these files do not have is no point.
  for (const auto& [file_count, offset_bytes] :
       {std::pair<uint64_t, uint64_t>{4, 0}, {3, 1}, {0, 5}, {2, 1}}) {
    server_.uploaded.clear();
    point->set_file_count(file_count);
    point->set_file_offset_bytes(offset_bytes);
    ASSERT_TRUE(Send().ok());
    EXPECT_EQ(Received().size(), 3u) << file_count;
  }
}

TEST_F(UploadTest, StartsFromTheFirstFileWhenItCannotGoOn) {
  directory_.Write("a", "first");
  directory_.Write("b", "second");
  server_.upload_response.set_received_bytes(11);
  server_.upload_state.emplace().mutable_point()->set_file_count(1);
  server_.failures_left = 1;
  server_.failure = ErrorWith(grpc::StatusCode::ABORTED, "other bytes",
                              kReasonUploadNotResumable);
  const auto result = Send();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->transfer.resumed_bytes, 0u);
  EXPECT_EQ(server_.call_count, 2);
  EXPECT_TRUE(server_.uploaded.back().has_end());
  EXPECT_THAT(events_.notes(), ElementsAre("other bytes"));
  // What else came between is nothing that all files would mend.
  server_.failures_left = 1;
  server_.failure = ErrorWith(grpc::StatusCode::ABORTED,
                              "the revision was deleted", kReasonAborted);
  EXPECT_EQ(ReasonOf(Send().status()), kReasonAborted);
  EXPECT_EQ(server_.call_count, 3);
}

TEST_F(UploadTest, TriesAgainWhatIsSafe) {
  directory_.Write("x", "123");
  server_.upload_response.set_received_bytes(3);
  server_.failures_left = 1;
  server_.failure = grpc::Status(grpc::StatusCode::UNAVAILABLE, "gone");
  // Not unless it may.
  EXPECT_EQ(Send().status().code(), absl::StatusCode::kUnavailable);
  retry_seconds_ = 60;
  server_.failures_left = 1;
  const auto result = Send();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->transfer.attempts, 2);
  ASSERT_EQ(events_.retries().size(), 1u);
  EXPECT_THAT(std::string(events_.retries()[0].error.message()),
              HasSubstr("qstored at"));
  EXPECT_LT(events_.retries()[0].wait_seconds, 1);
  // And not what another time would not mend.
  server_.failures_left = 1;
  server_.failure = grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "no");
  EXPECT_EQ(Send().status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(UploadTest, CanBeCancelled) {
  directory_.Write("x", "123");
  cancellation_.Cancel();
  EXPECT_EQ(Send().status().code(), absl::StatusCode::kCancelled);
}

TEST_F(UploadTest, SaysWhichServerCannotBeReached) {
  directory_.Write("x", "123");
  // Nothing listens on the discard port.
  Session session({.server = "127.0.0.1:9", .retry_seconds = 0});
  const auto result = session.Upload(options_);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(result.status().message()),
              HasSubstr("cannot reach qstored at 127.0.0.1:9"));
  EXPECT_EQ(ReasonOf(result.status()), kReasonUnreachable);
}

// Writes to a file that has been sent while the others are.
class Rewriter final : public Events {
 public:
  explicit Rewriter(std::filesystem::path file) : file_(std::move(file)) {}
  void Add(uint64_t bytes) override {
    if (bytes == 0 || done_) return;
    done_ = true;
    std::ofstream(file_) << "456";
    // Clocks of files may be coarse.
    std::filesystem::last_write_time(
        file_, std::filesystem::last_write_time(file_) + std::chrono::hours(1));
  }

 private:
  const std::filesystem::path file_;
  bool done_ = false;
};

TEST_F(UploadTest, IsNoMixtureOfWhatWasThereAndWhatCame) {
  directory_.Write("a", "123");
  directory_.Write("b", "123");
  Rewriter rewriter(directory_.path() / "a");
  Session session({.retry_seconds = 0}, server_.Connect());
  const auto result = session.Upload(options_, {.events = &rewriter});
  EXPECT_EQ(result.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(result.status().message()),
              HasSubstr("was written to while it was being uploaded"));
  for (const v1::UploadRequest& request : server_.uploaded) {
    EXPECT_FALSE(request.has_end());
  }
}

std::vector<SourceFile> Found(const TemporaryDirectory& directory) {
  auto files = ListModelFiles(directory.path());
  EXPECT_TRUE(files.ok()) << files.status();
  return *std::move(files);
}

absl::Status ReadToTheEnd(ReadAhead* reader) {
  while (true) {
    const auto block = reader->Next();
    if (!block.ok()) return block.status();
    if (!block->has_value()) return absl::OkStatus();
  }
}

TEST(ReadAheadTest, NoticesFilesThatChange) {
  const TemporaryDirectory directory;
  directory.Write("x", "12345");
  for (const uint64_t found_bytes : {uint64_t{4}, uint64_t{6}}) {
    std::vector<SourceFile> files = Found(directory);
    files[0].size_bytes = found_bytes;
    ReadAhead reader(files);
    const auto block = reader.Next();
    EXPECT_EQ(block.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(block.status().message()),
                HasSubstr("while it was being uploaded"));
  }
}

TEST(ReadAheadTest, NoticesAFileThatShrinksInTheMiddle) {
  const TemporaryDirectory directory;
  const uint64_t size_bytes = 40 * kUploadBlockBytes;
  directory.Write("x", std::string(size_bytes, 'x'));
  const std::vector<SourceFile> files = Found(directory);
  ReadAhead reader(files);
  ASSERT_TRUE(reader.Next().ok());
  // The reader is at most kMaxBlocksAhead blocks further.
  std::filesystem::resize_file(directory.path() / "x", size_bytes / 2);
  EXPECT_EQ(ReadToTheEnd(&reader).code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST(ReadAheadTest, NoticesAFileThatIsRewrittenInTheMiddle) {
  const TemporaryDirectory directory;
  directory.Write("x", std::string(40 * kUploadBlockBytes, 'x'));
  const std::vector<SourceFile> files = Found(directory);
  ReadAhead reader(files);
  ASSERT_TRUE(reader.Next().ok());
  // Of the same size.
  directory.Write("x", std::string(40 * kUploadBlockBytes, 'y'));
  std::filesystem::last_write_time(
      directory.path() / "x",
      std::filesystem::last_write_time(directory.path() / "x") +
          std::chrono::hours(1));
  EXPECT_EQ(ReadToTheEnd(&reader).code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST(ReadAheadTest, CanBeLeftHalfWay) {
  const TemporaryDirectory directory;
  directory.Write("x", std::string(40 * kUploadBlockBytes, 'x'));
  const std::vector<SourceFile> files = Found(directory);
  ReadAhead reader(files);
  EXPECT_TRUE(reader.Next().ok());
}

}  // namespace
}  // namespace qstore::client
