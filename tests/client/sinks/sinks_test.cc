// Downloads that end somewhere else than in a directory.
#include <future>
#include <map>
#include <string>
#include <vector>

#include "client/sinks/memory_sink.h"
#include "client/sinks/null_sink.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/download/download_fixture.h"

namespace qstore::client {
namespace {

using ::testing::HasSubstr;

using SinksTest = DownloadTest;

std::map<std::string, std::string> Contents(const MemorySink& sink) {
  std::map<std::string, std::string> contents;
  for (const MemorySink::File& file : sink.files()) {
    contents[file.path] = AsStringView(file.bytes);
  }
  return contents;
}

TEST_F(SinksTest, MemoryHoldsTheOriginal) {
  const FakeModel model = MakeModel();
  server_.Serve(model);
  MemorySink sink;
  const auto result = FetchTo(&sink, "original");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(Contents(sink), model.contents());
  EXPECT_EQ(result->file_count, model.contents().size());
  uint64_t sum_bytes = 0;
  for (const auto& [path, text] : model.contents()) sum_bytes += text.size();
  EXPECT_EQ(result->file_bytes, sum_bytes);
  ASSERT_NE(sink.Find("notes.txt"), nullptr);
  EXPECT_EQ(sink.Find("notes.txt")->bytes.size(), 1000u);
  EXPECT_EQ(sink.Find("none"), nullptr);
}

// Every byte of every kind of file, in each precision, is the same wherever a
// download ends; the directory's are compared with what was uploaded elsewhere.
TEST_F(SinksTest, MemoryHoldsWhatADirectoryWould) {
  server_.Serve(MakeModel());
  const auto written = Fetch("int8");
  ASSERT_TRUE(written.ok()) << written.status();
  MemorySink sink;
  const auto result = FetchTo(&sink, "int8");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(Contents(sink), ReadTree(directory_.path() / "out"));
  EXPECT_EQ(result->file_bytes, written->file_bytes);
  uint64_t sum_bytes = 0;
  for (const MemorySink::File& file : sink.files()) {
    sum_bytes += file.bytes.size();
  }
  EXPECT_EQ(result->file_bytes, sum_bytes);
}

// A document and another file of the same bytes are one object.
TEST_F(SinksTest, DocumentsAndTheirCopies) {
  FakeModel model;
  const std::string config = R"({"model_type": "fake"})";
  model.AddFile("a-copy.txt", config);
  model.AddFile("config.json", config);
  model.AddSafetensors("model.safetensors",
                       {MakeTensor("a.weight", Dtype::kBF16, {7, 5}, true)});
  model.AddFile("z-copy.txt", config);
  server_.Serve(model);
  MemorySink memory;
  const auto in_memory = FetchTo(&memory, "int8");
  ASSERT_TRUE(in_memory.ok()) << in_memory.status();
  auto contents = Contents(memory);
  EXPECT_EQ(contents["a-copy.txt"], config);
  EXPECT_EQ(contents["z-copy.txt"], config);
  EXPECT_THAT(contents["config.json"], HasSubstr("quantization_config"));
  NullSink nowhere;
  const auto result = FetchTo(&nowhere, "int8");
  ASSERT_TRUE(result.ok()) << result.status();
}

TEST_F(SinksTest, TheCallerGivesMemory) {
  const FakeModel model = MakeModel();
  server_.Serve(model);
  std::map<std::string, std::string> given;
  MemorySink sink([&](const std::string& path,
                      uint64_t size_bytes) -> absl::StatusOr<MutableByteView> {
    std::string& text = given[path];
    text.assign(size_bytes, '?');
    return MutableByteView(reinterpret_cast<uint8_t*>(text.data()),
                           text.size());
  });
  const auto result = FetchTo(&sink, "original");
  ASSERT_TRUE(result.ok()) << result.status();
  given["empty"];  // asked for nothing
  EXPECT_EQ(given, model.contents());
}

TEST_F(SinksTest, TooLittleMemoryIsAnError) {
  server_.Serve(MakeModel());
  std::vector<uint8_t> small(10);
  MemorySink sink(
      [&](const std::string& /*path*/,
          uint64_t /*size_bytes*/) -> absl::StatusOr<MutableByteView> {
        return MutableByteView(small);
      });
  const auto result = FetchTo(&sink, "original");
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(result.status().message()),
              HasSubstr("but memory for 10 was given"));
  MemorySink refused(
      [](const std::string& /*path*/,
         uint64_t /*size_bytes*/) -> absl::StatusOr<MutableByteView> {
        return absl::ResourceExhaustedError("no more");
      });
  EXPECT_EQ(FetchTo(&refused, "original").status().code(),
            absl::StatusCode::kResourceExhausted);
}

// The fake server sends the whole stream again, so that what was kept would be
// an error if the client had named it; it names it only where it has it.
TEST_F(SinksTest, MemoryNamesWhatItHasWhenTheConnectionBreaks) {
  server_.ServeAlways(MakeModel(), v1::PRECISION_ORIGINAL);
  server_.stream.pop_back();  // the end
  server_.status = grpc::Status(grpc::StatusCode::UNAVAILABLE, "cut");
  retry_seconds_ = 0.9;  // one more attempt
  MemorySink sink;
  EXPECT_FALSE(FetchTo(&sink, "original").ok());
  EXPECT_FALSE(events_.retries().empty());
  EXPECT_GT(server_.download_request.held().objects_size(), 0);
  EXPECT_TRUE(sink.files().empty());
  NullSink nowhere;
  EXPECT_FALSE(FetchTo(&nowhere, "original").ok());
  EXPECT_EQ(server_.download_request.held().objects_size(), 0);
}

TEST_F(SinksTest, NothingKeepsNothing) {
  server_.Serve(MakeModel());
  const auto written = Fetch("int8");
  ASSERT_TRUE(written.ok()) << written.status();
  NullSink sink;
  const auto result = FetchTo(&sink, "int8");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->file_bytes, written->file_bytes);
  EXPECT_EQ(result->transfer.received, written->transfer.received);
}

TEST_F(SinksTest, ASinkIsUsedAgain) {
  server_.Serve(MakeModel());
  MemorySink sink;
  ASSERT_TRUE(FetchTo(&sink, "int8").ok());
  const FakeModel model = MakeModel();
  server_.Serve(model);
  ASSERT_TRUE(FetchTo(&sink, "original").ok());
  EXPECT_EQ(Contents(sink), model.contents());
}

// Two calls of one session at the same time.
TEST_F(SinksTest, OneSessionServesSeveralThreads) {
  const FakeModel model = MakeModel();
  server_.Serve(model);
  Session session({}, server_.Connect());
  std::vector<std::future<bool>> done;
  done.reserve(4);
  for (int i = 0; i < 4; ++i) {
    done.push_back(std::async(std::launch::async, [&session, &model] {
      MemorySink sink;
      return session
                 .Download({.model = "org/model",
                            .tag = "latest",
                            .revision_prefix = ""},
                           {.threads = 2}, &sink)
                 .ok() &&
             Contents(sink) == model.contents();
    }));
  }
  for (std::future<bool>& one : done) EXPECT_TRUE(one.get());
}

}  // namespace
}  // namespace qstore::client
