// Every way to upload wrongly: the right code and sentence, and nothing left.

#include <gtest/gtest.h>

#include "tests/server/server_fixture.h"

namespace qstore::server {
namespace {

using grpc::StatusCode;

class BadUploadTest : public EveryEngineTest {};
INSTANTIATE_TEST_SUITE_P(Engines, BadUploadTest,
                         ::testing::Values("memory", "rocksdb"),
                         [](const auto& param) { return param.param; });

TEST_P(BadUploadTest, OrderOfMessages) {
  const auto begin = BeginMessage(kModel);
  const auto file = FileMessage("a", 3);
  const auto bytes = BytesMessage("abc");
  const auto end = EndMessage(1, 3);
  const struct {
    std::vector<v1::UploadRequest> messages;
    const char* text;
  } cases[] = {
      {{}, "without an end message"},
      {{v1::UploadRequest()}, "is empty or of a kind"},
      {{file}, "before the begin message"},
      {{bytes}, "belong to no file"},
      {{end}, "before the begin message"},
      {{begin}, "without an end message"},
      {{begin, begin}, "second begin"},
      {{begin, end}, "no files"},
      {{begin, bytes}, "3 bytes came that belong to no file"},
      {{begin, file}, "without an end message"},
      {{begin, file, file}, "after 0 bytes of file \"a\", which has 3"},
      {{begin, file, end}, "after 0 bytes of file \"a\", which has 3"},
      {{begin, file, BytesMessage("ab")}, "after 0 files and 2 bytes"},
      {{begin, file, BytesMessage("abcd")}, "4 bytes came, but only 3"},
      {{begin, file, bytes, bytes}, "has all of its 3 bytes"},
      {{begin, file, bytes},
       "without an end message, or one of its messages could not be "
       "parsed, after 1 files"},
      {{begin, file, bytes, end, end}, "second end"},
      {{begin, file, bytes, end, FileMessage("b", 0)}, "after the end message"},
      {{begin, file, bytes, EndMessage(2, 3)}, "counts 2 files, but 1"},
      {{begin, file, bytes, EndMessage(1, 4)}, "counts 4 bytes, but 3"},
  };
  for (const auto& test : cases) {
    EXPECT_THAT(UploadFails(test.messages),
                StatusIs(StatusCode::INVALID_ARGUMENT, test.text));
  }
}

TEST_P(BadUploadTest, NamesAndPaths) {
  for (const char* model : {"", "..", "a/../b", "/a", "a//b", "A b", "a\n"}) {
    EXPECT_THAT(UploadFails({BeginMessage(model)}),
                StatusIs(StatusCode::INVALID_ARGUMENT))
        << model;
  }
  EXPECT_THAT(UploadFails({BeginMessage(kModel, "no/slash")}),
              StatusIs(StatusCode::INVALID_ARGUMENT));
  for (const char* path : {"", "/etc/passwd", "../x", "a/../../x", "a//b", ".",
                           "a/./b", "a\\b", "a\tb", "a/"}) {
    EXPECT_THAT(UploadFails({BeginMessage(kModel), FileMessage(path, 0)}),
                StatusIs(StatusCode::INVALID_ARGUMENT))
        << path;
  }
}

TEST_P(BadUploadTest, NamesOfTheClientsOwnFiles) {
  for (const char* path :
       {".qstore-journal", "a/.qstore-journal", ".qstore-partial-1/evil.py",
        "a/.good.qstore-partial-2-00/b/evil.py"}) {
    EXPECT_THAT(UploadFails({BeginMessage(kModel), FileMessage(path, 0)}),
                StatusIs(StatusCode::INVALID_ARGUMENT, "remove or rename it"))
        << path;
  }
}

TEST_P(BadUploadTest, DuplicateAndConflictingPaths) {
  const auto upload = [&](const char* first, const char* second) {
    return UploadFails({BeginMessage(kModel), FileMessage(first, 0),
                        FileMessage(second, 0), EndMessage(2, 0)});
  };
  EXPECT_THAT(upload("a", "a"),
              StatusIs(StatusCode::INVALID_ARGUMENT, "\"a\" came a second"));
  EXPECT_THAT(upload("a", "a/b/c"),
              StatusIs(StatusCode::INVALID_ARGUMENT, "the directory of"));
  EXPECT_THAT(upload("a/b/c", "a/b"),
              StatusIs(StatusCode::INVALID_ARGUMENT, "the directory of"));
}

TEST_P(BadUploadTest, DamagedOnTheWay) {
  auto bytes = BytesMessage("abc");
  bytes.mutable_bytes()->set_payload("abd");
  EXPECT_THAT(UploadFails({BeginMessage(kModel), FileMessage("f", 3), bytes,
                           EndMessage(1, 3)}),
              StatusIs(StatusCode::DATA_LOSS, "file \"f\" at offset 0"));
}

TEST_P(BadUploadTest, WhatIsNoSafetensorsIsTakenAsBytesWhereTheClientSaysSo) {
  v1::UploadRequest file = FileMessage("m.safetensors", 8);
  v1::UploadResponse response;
  EXPECT_THAT(UploadFails({BeginMessage(kModel), file, BytesMessage("nonsense"),
                           EndMessage(1, 8)}),
              StatusIs(StatusCode::INVALID_ARGUMENT, "m.safetensors"));
  file.mutable_file()->set_as_bytes(true);
  EXPECT_TRUE(SendUpload(*stub_,
                         {BeginMessage(kModel), file, BytesMessage("nonsense"),
                          EndMessage(1, 8)},
                         &response)
                  .ok());
  const DownloadResult result =
      Download(*stub_, MakeReference(kModel), kOriginal);
  EXPECT_EQ(
      result.files,
      (std::map<std::string, std::string>{{"m.safetensors", "nonsense"}}));
}

TEST_P(BadUploadTest, SafetensorsHeaders) {
  const struct {
    std::string file;
    const char* text;
  } cases[] = {
      {"", "header"},
      {std::string(7, '\0'), "header"},
      {std::string(8, '\0'), ""},
      {std::string(8, '\xff') + "{}", "18446744073709551615"},
      {std::string("\xf8\xff\xff\xff\xff\xff\xff\xff", 8) + "{}", "follow"},
      {std::string("\x10\0\0\0\0\0\0\0", 8) + "{}", "16"},
      {RawSafetensors("{", 0), ""},
      {RawSafetensors("[]", 0), ""},
      {RawSafetensors("version https://git-lfs", 0), ""},
      {RawSafetensors("{}", 1), ""},
      {RawSafetensors(
           R"({"a":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}})", 4),
       "F99"},
      {RawSafetensors(
           R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4),
       "\"a\""},
      {RawSafetensors(
           R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}})", 4),
       "\"a\""},
      {RawSafetensors(
           R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4),
       "\"a\""},
      {RawSafetensors(
           R"({"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}})",
           0),
       "\"a\""},
      {RawSafetensors(
           R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})",
           6),
       ""},
      {RawSafetensors(
           R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[4,6]}})",
           6),
       ""},
      {RawSafetensors(
           R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"a":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})",
           4),
       "\"a\""},
  };
  for (const auto& test : cases) {
    const grpc::Status status = UploadFileFails("m.safetensors", test.file);
    EXPECT_THAT(status, StatusIs(StatusCode::INVALID_ARGUMENT, test.text));
    EXPECT_THAT(status,
                StatusIs(StatusCode::INVALID_ARGUMENT, "m.safetensors"));
  }
}

TEST_P(BadUploadTest, UnknownQuantizerCoderAndPatterns) {
  auto begin = BeginMessage(kModel);
  begin.mutable_begin()->mutable_quantization()->set_quantizer("magic");
  EXPECT_THAT(UploadFails({begin}),
              StatusIs(StatusCode::INVALID_ARGUMENT, "\"magic\""));
  begin = BeginMessage(kModel);
  begin.mutable_begin()->mutable_quantization()->set_int8_coder("lz4");
  EXPECT_THAT(UploadFails({begin}),
              StatusIs(StatusCode::INVALID_ARGUMENT, "zstd, sliced"));
  begin = BeginMessage(kModel);
  begin.mutable_begin()->mutable_quantization()->add_exclude("");
  EXPECT_THAT(UploadFails({begin}), StatusIs(StatusCode::INVALID_ARGUMENT));
}

TEST_P(BadUploadTest, FailureAfterDataWasStored) {
  // Objects of the first file are stored when the second turns out to be bad.
  EXPECT_THAT(
      UploadFails(UploadMessages(
          kModel, {{"a.safetensors",
                    SafetensorsFile({{"x.weight", Dtype::kBF16, {64, 64}, 1}})},
                   {"b.safetensors", "not safetensors"}})),
      StatusIs(StatusCode::INVALID_ARGUMENT, "b.safetensors"));
}

TEST_P(BadUploadTest, DiskFull) {
  using Call = storage::Faults::Call;
  const auto messages = UploadMessages(kModel, VariedModel(1));
  v1::UploadResponse response;
  for (const Call call : {Call::kBulkPut, Call::kIngest, Call::kCommit}) {
    faults_->FailAll(call, absl::ResourceExhaustedError("no space left"));
    EXPECT_THAT(SendUpload(*stub_, messages, &response),
                StatusIs(StatusCode::RESOURCE_EXHAUSTED, "no space left"));
    faults_->Heal();
    ExpectIdle();
    // Without commits nothing can be deleted either: the next collection does.
    if (call != Call::kCommit) {
      EXPECT_EQ(DataKeyCount(), 0);
    }
    EXPECT_THAT(Download(*stub_, MakeReference(kModel), kInt8).status,
                StatusIs(StatusCode::NOT_FOUND));
  }
  // Works again without a restart, and nothing of the failures stays.
  EXPECT_TRUE(SendUpload(*stub_, messages, &response).ok());
  grpc::ClientContext context;
  v1::DeleteRequest request;
  *request.mutable_reference() = MakeReference(kModel);
  v1::DeleteResponse deleted;
  EXPECT_TRUE(stub_->Delete(&context, request, &deleted).ok());
  EXPECT_EQ(DataKeyCount(), 0);
}

TEST_P(BadUploadTest, ClientGoesAwayInTheMiddle) {
  const TestModel model = VariedModel(5);
  const auto messages = UploadMessages(kModel, model, 1000);
  for (const size_t sent :
       {size_t{1}, messages.size() / 3, messages.size() - 1}) {
    grpc::ClientContext context;
    v1::UploadResponse response;
    auto writer = stub_->Upload(&context, &response);
    for (size_t i = 0; i < sent; ++i) ASSERT_TRUE(writer->Write(messages[i]));
    context.TryCancel();
    EXPECT_THAT(writer->Finish(), StatusIs(StatusCode::CANCELLED));
    ExpectIdle();
    EXPECT_EQ(DataKeyCount(), 0);
  }
}

class UploadLimitsTest : public ServerTest {};

TEST_F(UploadLimitsTest, FilesBytesTensorsAndHeaders) {
  options_.ingest_limits.max_files = 2;
  options_.ingest_limits.max_file_bytes = 10'000;
  options_.ingest_limits.max_upload_bytes = 15'000;
  options_.ingest_limits.max_tensors = 3;
  options_.ingest_limits.max_safetensors_header_bytes = 1000;
  StartServer();
  const auto begin = BeginMessage(kModel);
  EXPECT_THAT(UploadFails({begin, FileMessage("a", 0), FileMessage("b", 0),
                           FileMessage("c", 0)}),
              StatusIs(StatusCode::INVALID_ARGUMENT, "is number 3"));
  EXPECT_THAT(UploadFails({begin, FileMessage("a", 10'001)}),
              StatusIs(StatusCode::INVALID_ARGUMENT, "10001 bytes"));
  EXPECT_THAT(UploadFails({begin, FileMessage("a", ~uint64_t{0})}),
              StatusIs(StatusCode::INVALID_ARGUMENT));
  const std::string half(8000, 'x');
  EXPECT_THAT(UploadFails({begin, FileMessage("a", half.size()),
                           BytesMessage(half), FileMessage("b", half.size())}),
              StatusIs(StatusCode::INVALID_ARGUMENT, "past the 15000"));
  const TestTensor tensor = {"t", Dtype::kU8, {1}, 1};
  std::vector<TestTensor> tensors;
  for (const char* name : {"a", "b", "c", "d"}) {
    tensors.push_back(tensor);
    tensors.back().name = name;
  }
  EXPECT_THAT(UploadFileFails("m.safetensors", SafetensorsFile(tensors)),
              StatusIs(StatusCode::INVALID_ARGUMENT, "4 tensors"));
  tensors.resize(1);
  tensors[0].name = std::string(1000, 'n');
  EXPECT_THAT(UploadFileFails("m.safetensors", SafetensorsFile(tensors)),
              StatusIs(StatusCode::INVALID_ARGUMENT, "more than the 1000"));
}

TEST_F(UploadLimitsTest, PayloadSize) {
  StartServer();
  const std::string payload((2u << 20) + 1, 'x');
  EXPECT_THAT(
      UploadFails({BeginMessage(kModel), FileMessage("a", payload.size()),
                   BytesMessage(payload)}),
      StatusIs(StatusCode::INVALID_ARGUMENT, "at most 2097152"));
}

TEST_F(UploadLimitsTest, TooManyUploadsAtOnce) {
  options_.calls.uploads = 1;
  options_.calls.queued = 0;
  StartServer();
  grpc::ClientContext context;
  v1::UploadResponse response;
  auto first = stub_->Upload(&context, &response);
  ASSERT_TRUE(first->Write(BeginMessage(kModel)));
  ASSERT_TRUE(first->Write(FileMessage("a", 1)));
  while (daemon_->running_calls() < 1) std::this_thread::yield();

  v1::UploadResponse second_response;
  const grpc::Status second = SendUpload(
      *stub_, UploadMessages("org/other", {{"a", "b"}}), &second_response);
  EXPECT_THAT(second, StatusIs(StatusCode::RESOURCE_EXHAUSTED, "retry in 2s"));
  EXPECT_NE(second.error_details().find("google.rpc.RetryInfo"),
            std::string::npos);

  ASSERT_TRUE(first->Write(BytesMessage("x")));
  ASSERT_TRUE(first->Write(EndMessage(1, 1)));
  first->WritesDone();
  EXPECT_TRUE(first->Finish().ok());
  ExpectIdle();
  EXPECT_TRUE(SendUpload(*stub_, UploadMessages("org/other", {{"a", "b"}}),
                         &second_response)
                  .ok());
}

}  // namespace
}  // namespace qstore::server
