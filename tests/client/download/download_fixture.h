// A download from a fake server into a temporary directory.
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <string>

#include "base/error_reason.h"
#include "client/session.h"
#include "client/sinks/directory_sink.h"
#include "gtest/gtest.h"
#include "tests/client/fake_model.h"
#include "tests/client/fake_server.h"
#include "tests/client/recorded_events.h"
#include "tests/client/temporary_directory.h"

namespace qstore::client {

// Two shards that share a tensor and a file that is there twice.
inline FakeModel MakeModel() {
  FakeModel model;
  const FakeTensor shared = MakeTensor("shared.weight", Dtype::kBF16, {4, 8},
                                       /*quantized=*/true);
  FakeTensor tied = shared;
  tied.name = "tied.weight";
  model.AddFile("config.json", R"({"model_type": "fake"})");
  model.AddFile("empty", "");
  model.AddSafetensors(
      "model-1.safetensors",
      {MakeTensor("a.weight", Dtype::kBF16, {7, 5}, true),
       MakeTensor("a.bias", Dtype::kBF16, {7}, false), shared});
  model.AddSafetensors(
      "model-2.safetensors",
      {MakeTensor("emb.weight", Dtype::kF32, {6, 4}, false), tied,
       MakeTensor("half.weight", Dtype::kF16, {3, 40}, true)});
  model.AddFile("model.safetensors.index.json",
                R"({"metadata": {}, "weight_map": {
    "a.weight": "model-1.safetensors", "a.bias": "model-1.safetensors",
    "shared.weight": "model-1.safetensors", "emb.weight": "model-2.safetensors",
    "tied.weight": "model-2.safetensors",
    "half.weight": "model-2.safetensors"}})");
  model.AddFile("other/config.json", "not for us");
  model.AddFile("notes.txt", std::string(1000, 'n'));
  model.AddFile("sub/copy of notes.txt", std::string(1000, 'n'));
  return model;
}

// Bytes that no coder makes smaller.
inline std::string NoiseOf(uint64_t size_bytes) {
  std::mt19937_64 random(size_bytes);
  std::string noise;
  noise.reserve(size_bytes);
  while (noise.size() < size_bytes) {
    noise.push_back(static_cast<char>(random()));
  }
  return noise;
}

// One whose manifest has several pages.
inline FakeModel ModelOfManyPages() {
  FakeModel model(/*plain_chunk_bytes=*/8);
  model.AddFile("many.bin", NoiseOf(uint64_t{32'000} * 8));
  model.AddFile("one more", "small");
  return model;
}

class DownloadTest : public ::testing::Test {
 protected:
  absl::StatusOr<DownloadResult> Fetch(const std::string& precision,
                                       const std::string& directory = "out") {
    DirectorySink sink(directory_.path() / directory);
    return FetchTo(&sink, precision);
  }

  absl::StatusOr<DownloadResult> FetchTo(Sink* sink,
                                         const std::string& precision) {
    Session session({.retry_seconds = retry_seconds_}, server_.Connect());
    return session.Download(
        {.model = "org/model", .tag = "latest", .revision_prefix = ""},
        {.selection = selection_,
         .precision = precision,
         .format = format_,
         .allow_original = allow_original_,
         .threads = 2,
         .memory_bytes = uint64_t{1} << 20},
        sink, {.events = &events_, .cancellation = &cancellation_});
  }

  // Leaves a download of the original behind that was interrupted before its
  // last message.
  void Interrupt(const FakeModel& model) {
    server_.Serve(model);
    server_.download_message_limit =
        model.Stream(v1::PRECISION_ORIGINAL).size() - 1;
    server_.status = grpc::Status(grpc::StatusCode::UNAVAILABLE, "cut");
    EXPECT_EQ(ReasonOf(Fetch("original").status()), kReasonConnectionLost);
    server_.status = grpc::Status::OK;
    server_.download_message_limit = SIZE_MAX;
  }

  TemporaryDirectory directory_;
  FakeServer server_;
  Cancellation cancellation_;
  RecordedEvents events_;
  double retry_seconds_ = 0;
  bool allow_original_ = false;
  model::Selection selection_;
  std::string format_ = "compressed-tensors";
};

}  // namespace qstore::client
